//! Events that the library of Flux's controllers sends, with its own timeouts and retries.

use std::net::TcpListener;
use std::process::{Command, Stdio};

use testkit::HttpSink;
use testkit::control_plane::find_sender;

use crate::support::{Fanfare, Folder, fanfare};

const EVENTS: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_is_early_is_heard_and_repeats_are_told_apart() {
    let Some(sender) = find_sender() else { return };
    let sink = HttpSink::start().await;
    let folder = Folder::for_sink(&sink);
    let before = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = before.local_addr().unwrap().port();
    let sending = Command::new(sender)
        .args([format!("http://127.0.0.1:{port}/"), EVENTS.to_string()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Its first attempt meets somebody who hangs up: it tries again.
    drop(before.accept().unwrap());
    drop(before);
    let address = format!("--events-addr=127.0.0.1:{port}");
    let command = folder.command(&[]);
    let arguments: Vec<&str> = command
        .get_args()
        .map(|argument| argument.to_str().unwrap())
        .map(|argument| {
            if argument.starts_with("--events-addr=") {
                address.as_str()
            } else {
                argument
            }
        })
        .collect();
    let fanfare = Fanfare::start(fanfare(&arguments));
    let output = sending.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    sink.wait_for(EVENTS).await;
    fanfare.terminate();
    let seen: Vec<String> = sink
        .requests()
        .iter()
        .map(|request| request.json()["message"].as_str().unwrap().to_owned())
        .collect();
    let sent: Vec<String> = (0..EVENTS)
        .map(|number| format!("number {number}"))
        .collect();
    assert_eq!(seen, sent, "each once and in order");
}
