//! A process that may open few files, and a flood of connections on one port.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use futures::future::join_all;
use testkit::HttpSink;
use tokio::net::TcpStream;

use super::doors::LONGEST;
use crate::support::{Fanfare, Folder, event, get, received};

/// What the process may open.
const LIMIT: usize = 160;
/// More than it could have, and fewer than wait in a backlog besides.
const FLOOD: usize = 180;

/// The command under a limit that it cannot raise.
fn limited(command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell
        .arg("-c")
        .arg(format!("ulimit -n {LIMIT}; exec \"$0\" \"$@\""))
        .arg(command.get_program())
        .args(command.get_args())
        .stdin(Stdio::null());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

fn open_files(fanfare: &Fanfare) -> usize {
    let folder = format!("/proc/{}/fd", fanfare.pid());
    std::fs::read_dir(folder).expect("it lives").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_on_the_webhook_port_takes_no_descriptor_of_anything_else() {
    let sink = HttpSink::start().await;
    let folder = Folder::for_sink(&sink);
    let command = folder.command(&["--delivery-concurrency=8"]);
    let fanfare = Fanfare::start(limited(&command));
    let before = open_files(&fanfare);
    let connect = || TcpStream::connect(&fanfare.webhooks);
    let flood = join_all((0..FLOOD).map(|_| connect())).await;
    let deadline = Instant::now() + LONGEST;
    // Half of the limit is for connections, of which this port has an eighth and what is common.
    while open_files(&fanfare) < before + LIMIT / 3 {
        assert!(Instant::now() < deadline, "{}", open_files(&fanfare));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for number in 1..=20 {
        assert_eq!(fanfare.post(&event("shop", number)).await, 202);
        assert_eq!(get(&fanfare.health, "/readyz").await.0, 200);
        assert_eq!(get(&fanfare.metrics, "/metrics").await.0, 200);
    }
    folder.wait_for_deliveries("delivered", 20);
    assert_eq!(received(&sink).len(), 20);
    assert!(open_files(&fanfare) < LIMIT);
    assert!(flood.iter().all(Result::is_ok));
    let log = fanfare.log();
    assert!(!log.contains("Too many open files"), "{log}");
    drop(flood);
    fanfare.terminate();
}
