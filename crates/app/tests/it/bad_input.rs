//! Mistakes people make: a message that names the place and the fix, an exit code, and no effect on
//! anything else.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use crate::support::{Folder, fanfare, run, text};

fn failure(arguments: &[&str]) -> (Option<i32>, String) {
    let output = run(arguments);
    (output.status.code(), text(&output.stderr))
}

#[test]
fn an_event_file_that_does_not_parse_is_named() {
    let folder = Folder::new();
    let config = folder.config().display().to_string();
    let file = folder.file("event.json", "{\"involvedObject\": ");
    let (code, message) = failure(&["explain", "--config", &config, "--event", &file]);
    assert_eq!(code, Some(1));
    assert!(
        message.contains("event.json") && message.contains("hint:"),
        "{message}"
    );
    let (code, message) = failure(&["explain", "--config", &config, "--event", "/no/such/file"]);
    assert_eq!(code, Some(1));
    assert!(message.contains("/no/such/file"), "{message}");
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = Folder::new();
    let output = folder
        .command(&["--events-addr", &address])
        .output()
        .unwrap();
    // The flag is given twice; the last one counts for most programs, and is refused by ours.
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{message}");
    let config = folder.config().display().to_string();
    let data = folder.data().display().to_string();
    let output = fanfare(&[
        "run",
        "--config",
        &config,
        "--data-dir",
        &data,
        "--events-addr",
        &address,
    ])
    .output()
    .unwrap();
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(
        message.contains(&address) && message.contains("hint: another process uses this port"),
        "{message}"
    );
}

#[test]
fn a_second_process_on_the_same_data_is_refused_and_leaves_the_first_alone() {
    let folder = Folder::new();
    let first = folder.start(&[]);
    let output = folder.command(&[]).output().unwrap();
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains(&first.pid().to_string()), "{message}");
    assert!(message.contains("hint:"), "{message}");
    let data = folder.data().display().to_string();
    assert!(
        run(&["queue", "list", "--data-dir", &data])
            .status
            .success()
    );
}

#[test]
fn a_data_directory_that_cannot_be_made_is_named() {
    let folder = Folder::new();
    let file = folder.file("occupied", "a file, not a folder");
    let config = folder.config().display().to_string();
    let data = format!("{file}/data");
    let output = fanfare(&[
        "run",
        "--config",
        &config,
        "--data-dir",
        &data,
        "--events-addr=127.0.0.1:0",
        "--metrics-addr=0",
        "--health-addr=127.0.0.1:0",
        "--receiverAddr=127.0.0.1:0",
    ])
    .output()
    .unwrap();
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(
        message.contains(&file) && message.contains("hint:"),
        "{message}"
    );
}

#[test]
fn a_damaged_store_is_refused_and_not_overwritten() {
    let folder = Folder::new();
    std::fs::create_dir(folder.data()).unwrap();
    folder.start(&[]).terminate();
    let file = std::fs::read_dir(folder.data())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|extension| extension == "db"))
        .expect("a database file");
    std::fs::write(&file, "this was a database once").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let output = folder.command(&[]).output().unwrap();
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains(&file.display().to_string()), "{message}");
    assert_eq!(
        std::fs::read_to_string(&file).unwrap(),
        "this was a database once"
    );
}

#[test]
fn an_empty_or_missing_folder_is_said_and_harmless() {
    let folder = Folder::new();
    let config = folder.config().display().to_string();
    let output = run(&["check", &config]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stdout).contains("no manifests"),
        "{}",
        text(&output.stdout)
    );
    let output = run(&["check", "/no/such/folder"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stdout).contains("/no/such/folder"),
        "{}",
        text(&output.stdout)
    );
    let started = folder.start(&[]);
    assert!(started.log().contains("no manifests"), "{}", started.log());
}

#[test]
fn there_is_no_queue_without_a_data_directory() {
    let (code, message) = failure(&["queue", "list", "--data-dir", "/no/such/data"]);
    assert_eq!(code, Some(1));
    assert!(
        message.contains("/no/such/data") && message.contains("hint:"),
        "{message}"
    );
}
