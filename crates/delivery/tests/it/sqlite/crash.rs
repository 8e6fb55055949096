//! Processes that are killed and disks that have no room: children that run this test binary.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use delivery::Store;
use delivery::store::StoreError;
use domain::delivery::{DeliveryId, DeliveryState, Position};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{Directory, open, settings};
use crate::setting::{
    Place, accept, append, at, claim, deliver_all, delivery, in_states, new_event, planned,
    provider, settle, try_append,
};

/// Tells a child where to work.
const CHILD: &str = "FANFARE_TEST_STORE";

const ROUNDS: u64 = 24;

#[expect(
    clippy::disallowed_methods,
    reason = "how a child of this binary is told what it is"
)]
fn child_directory() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(PathBuf::from)
}

fn say(what: &str, number: impl std::fmt::Display) {
    // Past the capture of the test harness.
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "@{what} {number}").unwrap();
    stdout.flush().unwrap();
}

fn start(test: &str, directory: &Path, wrapper: Option<&str>) -> Child {
    let binary = std::env::current_exe().unwrap();
    let mut command = match wrapper {
        None => Command::new(&binary),
        Some(script) => {
            let mut shell = Command::new("sh");
            shell.args(["-c", script]).arg(&binary);
            shell
        }
    };
    command
        .args(["--exact", test, "--test-threads=1"])
        .env(CHILD, directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What a child said; killed after `most` lines, but heard to the end.
fn listen(mut child: Child, most: usize) -> Vec<(String, String)> {
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let mut said = Vec::new();
    for line in stdout.lines() {
        let line = line.unwrap();
        // The harness does not end its line before the test begins.
        let Some((_, line)) = line.split_once('@') else {
            continue;
        };
        let (what, number) = line.split_once(' ').unwrap();
        said.push((what.to_owned(), number.to_owned()));
        if said.len() == most {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    said
}

/// Accepts, plans and delivers without end, and says so after each acknowledgement.
#[tokio::test]
async fn child_that_is_killed() {
    let Some(directory) = child_directory() else {
        return;
    };
    let store = open(settings(&directory)).unwrap();
    let slack = provider("slack");
    for number in store.planned_up_to().await.unwrap().0.. {
        let appends = (0..8).map(|part| {
            let message = format!("event {number}.{part}");
            let store = store.clone();
            async move {
                let event = new_event(&message, at(0));
                let position = try_append(&*store, event).await.unwrap();
                say("appended", position.0);
            }
        });
        futures::future::join_all(appends).await;
        let after = store.planned_up_to().await.unwrap();
        let entries = store.read_after(after, 100).await.unwrap();
        let plans = entries.iter().map(|entry| {
            let lane = entry.position.0 % 5;
            planned(
                entry.position,
                vec![delivery(entry.position, 0, &slack, lane)],
            )
        });
        store.commit(plans.collect()).await.unwrap();
        say("planned", entries.last().unwrap().position.0);
        for claimed in claim(&*store, &slack, at(0)).await {
            settle(&*store, &claimed, DeliveryState::Delivered, at(0)).await;
            say("delivered", claimed.delivery.id);
        }
    }
}

#[tokio::test]
async fn nothing_that_was_acknowledged_is_lost_when_the_process_is_killed() {
    let directory = Directory::empty();
    let mut appended = 0;
    let mut delivered = Vec::new();
    for round in 0..ROUNDS {
        // A different moment each time, the same ones in every run.
        let moment = round.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 57;
        let child = start(
            "sqlite::crash::child_that_is_killed",
            directory.path(),
            None,
        );
        let said = listen(child, usize::try_from(moment).unwrap() + 1);
        let mut planned = 0;
        for (what, number) in said {
            match what.as_str() {
                "appended" => appended = appended.max(number.parse().unwrap()),
                "planned" => planned = number.parse().unwrap(),
                "delivered" => delivered.push(number.parse::<DeliveryId>().unwrap()),
                other => panic!("{other}"),
            }
        }

        let store = directory.open();
        assert!(store.planned_up_to().await.unwrap() >= Position(planned));
        let entries = store.read_after(Position(0), usize::MAX).await.unwrap();
        let positions: Vec<u64> = entries.iter().map(|entry| entry.position.0).collect();
        let expected: Vec<u64> = (1..=positions.len() as u64).collect();
        assert_eq!(positions, expected, "round {round}: no gaps");
        assert!(positions.len() as u64 >= appended, "round {round}");
        assert!(entries.iter().all(|entry| entry.event.is_some()));
        let arrived = in_states(&[DeliveryState::Delivered]);
        let views = store.list(&arrived, None, usize::MAX).await.unwrap();
        let listed: HashSet<DeliveryId> =
            views.iter().map(|view| view.id.parse().unwrap()).collect();
        for id in &delivered {
            assert!(listed.contains(id), "round {round}: {id} was delivered");
        }
        check_lanes(&*store).await;
        store.close().await;
    }
    assert!(appended > 0 && !delivered.is_empty());
}

/// Every lane with live deliveries has its first one as head: all of them can be delivered, in order.
async fn check_lanes(store: &dyn Store) {
    let live = store.backlog().live;
    let pending = in_states(&[DeliveryState::Pending]);
    let views = store.list(&pending, None, usize::MAX).await.unwrap();
    assert_eq!(views.len() as u64, live);
    let heads = claim(store, &provider("slack"), at(0)).await;
    for head in &heads {
        let lane = head.delivery.lane;
        let twin = heads
            .iter()
            .find(|other| other.delivery.lane == lane && other.delivery.id != head.delivery.id);
        assert!(twin.is_none(), "two heads in a lane");
    }
    assert_eq!(heads.is_empty(), live == 0);
}

/// Works on a disk with little room, then with enough.
#[tokio::test]
async fn child_without_room() {
    let Some(directory) = child_directory() else {
        return;
    };
    let store: Arc<dyn Store> = open(settings(&directory)).unwrap();
    let slack = provider("slack");
    let waiting = accept(&*store, &slack, 1).await;
    let text = "x".repeat(20_000);
    let mut accepted = Vec::new();
    let error = loop {
        match try_append(&*store, new_event(&text, at(0))).await {
            Ok(position) => accepted.push(position.0),
            Err(error) => break error,
        }
        assert!(accepted.len() < 10_000, "the limit does not work");
    };
    assert!(
        matches!(error, StoreError::Failed(_) | StoreError::Full(_)),
        "{error}"
    );
    // Many at once fail, too, and all are answered.
    let many = (0..600).map(|_| try_append(&*store, new_event(&text, at(0))));
    let failed = futures::future::join_all(many).await;
    let late = failed
        .iter()
        .filter_map(|result| result.as_ref().ok())
        .map(|position| position.0);
    accepted.extend(late);
    assert!(failed.iter().any(Result::is_err));
    // What only reads goes on.
    let claimed = claim(&*store, &slack, at(0)).await;
    assert_eq!(claimed[0].delivery.id, waiting);

    let Rlimit { maximum, .. } = getrlimit(Resource::Fsize);
    let room = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Fsize, room).unwrap();
    settle(&*store, &claimed[0], DeliveryState::Delivered, at(1)).await;
    accepted.push(append(&*store, "there is room again").await.0);
    for number in accepted {
        say("appended", number);
    }
    store.close().await;
    say("done", 0);
}

#[tokio::test]
async fn a_disk_without_room_fails_what_is_asked_and_nothing_after_it() {
    let directory = Directory::empty();
    // The signal would kill the child; with it ignored, writing fails like on a full disk.
    let script = "trap '' XFSZ; ulimit -S -f 6000; exec \"$0\" \"$@\"";
    let child = start(
        "sqlite::crash::child_without_room",
        directory.path(),
        Some(script),
    );
    let said = listen(child, usize::MAX);
    assert_eq!(
        said.last().map(|(what, _)| what.as_str()),
        Some("done"),
        "{said:?}"
    );

    let store = directory.open();
    let entries = store.read_after(Position(0), usize::MAX).await.unwrap();
    let stored: Vec<u64> = entries.iter().map(|entry| entry.position.0).collect();
    for (what, number) in &said {
        let number: u64 = number.parse().unwrap();
        assert!(
            what == "done" || stored.contains(&number),
            "{number} was acknowledged"
        );
    }
    // Its own, the first one, and none that failed.
    assert_eq!(stored.len(), said.len());
    assert_eq!(deliver_all(&*store, &provider("slack"), at(1)).await, 0);
}
