//! A disk without room.

use std::process::Command;

use testkit::HttpSink;

use crate::support::{Fanfare, Folder, event};

/// The process may not write files beyond 1 MiB, which is what a full disk looks like to it; later it
/// may again.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_answered_with_503_and_heals() {
    let sink = HttpSink::start().await;
    let folder = Folder::for_sink(&sink);
    // Ignoring the signal makes the write fail instead of ending the process.
    let run = folder.command(&["--rate-limit-interval=1s"]);
    let mut limited = Command::new("bash");
    limited
        .args(["-c", "trap '' XFSZ; ulimit -S -f 1024; exec \"$@\"", "bash"])
        .arg(run.get_program())
        .args(run.get_args());
    let fanfare = Fanfare::start(limited);
    let mut accepted = 0;
    let refused = loop {
        let mut event = event("a", accepted);
        event["message"] = format!("number {accepted} {}", "x".repeat(20_000)).into();
        match fanfare.post(&event).await {
            202 => accepted += 1,
            status => break status,
        }
        assert!(accepted < 5000, "the disk never filled up");
    };
    assert_eq!(refused, 503);
    let status = Command::new("prlimit")
        .args(["--fsize=unlimited", "--pid", &fanfare.pid().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
    // The same event is taken now: it was never counted.
    let mut retried = event("a", accepted);
    retried["message"] = format!("number {accepted} {}", "x".repeat(20_000)).into();
    let deadline = std::time::Instant::now() + crate::support::PATIENCE;
    while fanfare.post(&retried).await != 202 {
        assert!(
            std::time::Instant::now() < deadline,
            "it did not heal\n{}",
            fanfare.log()
        );
    }
    sink.wait_for(accepted + 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_is_answered_with_503() {
    let folder = Folder::new();
    let sink = HttpSink::start().await;
    sink.answer(testkit::Answer::Hang);
    folder.write("alert.yaml", crate::support::ALERT);
    folder.write(
        "provider.yaml",
        &crate::support::provider("generic", &sink.url("/"), ""),
    );
    let fanfare = folder.start(&["--queue-limit=5"]);
    let mut statuses = Vec::new();
    for number in 0..10 {
        statuses.push(fanfare.post(&event("a", number)).await);
    }
    assert_eq!(statuses, [202, 202, 202, 202, 202, 503, 503, 503, 503, 503]);
}
