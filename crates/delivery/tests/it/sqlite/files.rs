//! Files that are in use, broken, or somebody else's.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use delivery::store::open::{OpenError, StoreSettings, open};
use domain::delivery::Position;

use super::{Directory, settings};
use crate::setting::{Place, append};

fn refused(directory: &Path) -> OpenError {
    let settings = StoreSettings {
        lock_wait: Duration::ZERO,
        ..settings(directory)
    };
    match open(settings) {
        Ok(_) => panic!("the store was opened"),
        Err(error) => error,
    }
}

/// A directory with a closed store that holds some events.
async fn with_events() -> Directory {
    let directory = Directory::empty();
    let store = directory.open();
    for number in 0..200 {
        append(&*store, &format!("event {number} {}", "x".repeat(500))).await;
    }
    store.close().await;
    directory
}

/// Refused, with a hint, and without a changed byte.
fn refused_untouched(directory: &Directory) -> OpenError {
    let before = std::fs::read(directory.database()).unwrap();
    let error = refused(directory.path());
    assert_eq!(std::fs::read(directory.database()).unwrap(), before);
    assert!(error.hint().is_some());
    let text = error.to_string();
    assert!(
        text.contains(directory.database().to_str().unwrap()),
        "{text}"
    );
    error
}

#[tokio::test]
async fn a_second_process_is_refused_and_told_who_the_first_one_is() {
    let directory = Directory::empty();
    let store = directory.open();
    let error = refused(directory.path());
    assert!(matches!(error, OpenError::Locked { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains(directory.path().to_str().unwrap()), "{text}");
    assert!(text.contains(&std::process::id().to_string()), "{text}");
    assert!(error.hint().is_some());
    append(&*store, "the first one works on").await;
}

#[tokio::test]
async fn a_second_process_waits_until_the_first_one_lets_go() {
    let directory = Directory::empty();
    let first = directory.open();
    append(&*first, "from the first one").await;
    let place = settings(directory.path());
    let second = tokio::task::spawn_blocking(move || open(place).unwrap());
    first.close().await;
    let entries = second
        .await
        .unwrap()
        .read_after(Position(0), 10)
        .await
        .unwrap();
    assert_eq!(entries.len(), 1);
}

#[tokio::test]
async fn dropping_the_store_lets_the_directory_go() {
    let directory = Directory::empty();
    let store = directory.open();
    append(&*store, "kept").await;
    drop(store);
    let entries = directory.open().read_after(Position(0), 10).await.unwrap();
    assert_eq!(entries.len(), 1);
}

#[tokio::test]
async fn directory_and_files_are_for_this_user_only() {
    let parent = Directory::empty();
    let inside = parent.path().join("deep").join("data");
    let store = open(settings(&inside)).unwrap();
    append(&*store, "private").await;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&inside), 0o700);
    let mut files = 0;
    for file in std::fs::read_dir(&inside).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        files += 1;
    }
    assert_eq!(files, 5, "lock, arrivals, database, log and its index");
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let directory = Directory::empty();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = refused(&file.join("data"));
    assert!(matches!(error, OpenError::Directory { .. }), "{error}");
    assert!(error.to_string().contains("file/data"), "{error}");
}

#[test]
fn a_file_that_is_no_database_is_damaged() {
    let directory = Directory::empty();
    std::fs::write(directory.database(), "{}".repeat(5000)).unwrap();
    let error = refused_untouched(&directory);
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
}

#[test]
fn a_database_of_another_program_is_left_alone() {
    let directory = Directory::empty();
    let other = rusqlite::Connection::open(directory.database()).unwrap();
    other.execute_batch("CREATE TABLE theirs(a)").unwrap();
    drop(other);
    let error = refused_untouched(&directory);
    assert!(matches!(error, OpenError::NotOurs { .. }), "{error}");
}

#[tokio::test]
async fn a_store_of_a_later_version_is_left_alone() {
    let directory = with_events().await;
    let connection = rusqlite::Connection::open(directory.database()).unwrap();
    connection.pragma_update(None, "user_version", 7).unwrap();
    drop(connection);
    let error = refused_untouched(&directory);
    assert!(
        matches!(error, OpenError::Newer { found: 7, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_store_whose_end_is_missing_is_damaged() {
    let directory = with_events().await;
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(directory.database())
        .unwrap();
    file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    let error = refused_untouched(&directory);
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
}

#[tokio::test]
async fn a_store_with_a_broken_page_is_damaged() {
    let directory = with_events().await;
    let mut bytes = std::fs::read(directory.database()).unwrap();
    let page = bytes.len() / 4096 / 2;
    bytes[page * 4096..(page + 1) * 4096].fill(0x5a);
    std::fs::write(directory.database(), &bytes).unwrap();
    let error = refused_untouched(&directory);
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
}

#[tokio::test]
async fn a_first_start_that_was_cut_short_leaves_nothing_in_the_way() {
    let directory = Directory::empty();
    let name = |suffix: &str| directory.path().join(format!("fanfare.db{suffix}"));
    std::fs::write(name(""), "").unwrap();
    std::fs::write(name(".new"), "half of a database").unwrap();
    std::fs::write(name(".new-journal"), "and of its journal").unwrap();
    let store = directory.open();
    append(&*store, "kept").await;
    store.close().await;
    assert!(!name(".new").exists() && !name(".new-journal").exists());
    let entries = directory.open().read_after(Position(0), 10).await.unwrap();
    assert_eq!(entries.len(), 1);
}

#[test]
fn a_log_without_its_database_is_damage_and_not_a_new_store() {
    let directory = Directory::empty();
    std::fs::write(directory.database(), "").unwrap();
    std::fs::write(directory.path().join("fanfare.db-wal"), "left over").unwrap();
    let error = refused_untouched(&directory);
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
}

#[tokio::test]
async fn a_torn_end_of_the_log_takes_nothing_that_was_acknowledged() {
    let directory = Directory::empty();
    let store = directory.open();
    for number in 0..20 {
        append(&*store, &format!("event {number}")).await;
    }
    let crashed = directory.copy();
    let mut log = std::fs::OpenOptions::new()
        .append(true)
        .open(crashed.path().join("fanfare.db-wal"))
        .unwrap();
    log.write_all(&[0x5a; 3000]).unwrap();
    let entries = crashed.open().read_after(Position(0), 100).await.unwrap();
    assert_eq!(entries.len(), 20);
}
