//! `kill -9` at random points under load: every 202 is accounted for.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use testkit::{Answer, HttpSink};

use crate::support::{Client, Folder, event, first_arrivals, received};

const ROUNDS: u64 = 12;
const OBJECTS: usize = 8;

/// Small, seeded, good enough to choose moments.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// T20: a crash between sending and recording leads to a repeat, never to a loss.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_was_answered_with_202_is_lost() {
    let sink = HttpSink::start().await;
    // One in ten fails, so that retries are under way as well.
    let failing = std::sync::atomic::AtomicUsize::new(0);
    sink.answer_by(
        move |_| match failing.fetch_add(1, Ordering::Relaxed) % 10 {
            9 => Answer::status(503).header("retry-after", "0"),
            _ => Answer::status(200),
        },
    );
    let folder = Folder::for_sink(&sink);
    let mut dice = Dice(0x5eed_f00d);
    let mut accepted: BTreeSet<(String, usize)> = BTreeSet::new();
    for round in 0..ROUNDS {
        let fanfare = folder.start(&[]);
        let over = Arc::new(AtomicBool::new(false));
        let mut posts = Vec::new();
        for object in 0..OBJECTS {
            let (events, over) = (fanfare.events.clone(), over.clone());
            posts.push(tokio::spawn(async move {
                let name = format!("object-{object}");
                let mut accepted = Vec::new();
                let Some(mut client) = Client::connect(&events).await else {
                    return accepted;
                };
                for number in 0..100_000 {
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    let number = usize::try_from(round).unwrap() * 100_000 + number;
                    match client.post(&event(&name, number)).await {
                        Some(202) => accepted.push((name.clone(), number)),
                        Some(status) => panic!("answered {status}"),
                        None => break,
                    }
                }
                accepted
            }));
        }
        tokio::time::sleep(Duration::from_millis(30 + dice.roll(250))).await;
        fanfare.kill();
        over.store(true, Ordering::Relaxed);
        for post in posts {
            accepted.extend(post.await.unwrap());
        }
    }
    assert!(
        accepted.len() > 100,
        "only {} were accepted",
        accepted.len()
    );
    let fanfare = folder.start(&[]);
    let deadline = std::time::Instant::now() + Duration::from_mins(2);
    let missing = loop {
        let arrived: BTreeSet<_> = received(&sink).into_iter().collect();
        let missing: Vec<_> = accepted.difference(&arrived).cloned().collect();
        if missing.is_empty() || std::time::Instant::now() > deadline {
            break missing;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    if let Some((object, _)) = missing.first() {
        let waiting = folder.queue(&["list", "--limit", "10000"]);
        let of_object = format!("Kustomization/apps/{object}");
        let mut waiting = waiting.as_array().unwrap().iter();
        let oldest = waiting.rfind(|delivery| delivery["object"] == of_object.as_str());
        panic!(
            "{} of {} lost; the oldest of {object} is {oldest:#?}",
            missing.len(),
            accepted.len()
        );
    }
    for (object, numbers) in first_arrivals(&received(&sink)) {
        assert!(numbers.is_sorted(), "{object} out of order");
    }
    drop(fanfare);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_is_recognised_after_a_crash() {
    let sink = HttpSink::start().await;
    let folder = Folder::for_sink(&sink);
    let fanfare = folder.start(&[]);
    assert_eq!(fanfare.post(&event("a", 1)).await, 202);
    fanfare.kill();
    let fanfare = folder.start(&[]);
    assert_eq!(fanfare.post(&event("a", 1)).await, 429);
    assert_eq!(fanfare.post(&event("a", 2)).await, 202);
}
