//! What is sent during a recorded run, and how its destinations behave.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use testkit::{Answer, HttpSink, SeenRequest};

use super::promises::Promises;
use super::record;
use crate::client::Client;
use crate::destination::Role;
use crate::dice::Dice;
use crate::stamp::Stamp;
use crate::target::{Reply, Route, Target};

/// Objects that events come from, each by a connection of its own.
pub(crate) const LANES: u32 = 8;

/// Destinations, in the order of their numbers: one that works and one that often does not.
pub(crate) const DESTINATIONS: [Role; 2] = [Role::Steady, Role::Victim];

/// Longest attempt at a destination.
const ATTEMPT: Duration = Duration::from_secs(5);

/// Between two tries to send the same event.
pub(crate) const AGAIN: Duration = Duration::from_millis(10);

/// What was promised and settled so far, by moments of a record.
pub(crate) struct History {
    promises: Mutex<Promises>,
    record: PathBuf,
    /// Why a moment could not be told, if that happened.
    trouble: Mutex<Option<anyhow::Error>>,
}

impl History {
    /// An empty one beside a record.
    pub(crate) fn new(record: PathBuf) -> Self {
        Self {
            promises: Mutex::default(),
            record,
            trouble: Mutex::default(),
        }
    }

    /// What was promised so far.
    pub(crate) fn promises(&self) -> MutexGuard<'_, Promises> {
        self.promises.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Without all moments there is no history.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.take().map_or(Ok(()), Err)
    }

    fn moment(&self) -> u64 {
        record::moment(&self.record).unwrap_or_else(|error| {
            *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            0
        })
    }

    fn promise(&self, stamp: Stamp) {
        let moment = self.moment();
        self.promises().promise(stamp, moment);
    }

    /// A destination is asked; says what it answers.
    fn arrive(&self, destination: usize, request: &SeenRequest, seed: u64) -> Answer {
        let moment = self.moment();
        let answer = mood(destination, request, seed);
        let is_final = matches!(
            &answer,
            Answer::Send {
                status: 200 | 400,
                ..
            }
        );
        for stamp in Stamp::find_all(&request.body) {
            if is_final {
                self.promises().settle((destination, stamp), moment);
            }
        }
        answer
    }
}

/// The destinations of a recorded run, which tell its history.
pub(crate) async fn destinations(history: &Arc<History>, seed: u64) -> Vec<HttpSink> {
    let mut sinks = Vec::new();
    for number in 0..DESTINATIONS.len() {
        let sink = HttpSink::start().await;
        sink.keep_nothing();
        let history = Arc::clone(history);
        sink.answer_by(move |request| history.arrive(number, request, seed));
        sinks.push(sink);
    }
    sinks
}

/// What the target is told about destinations, all of which are asked at this path.
pub(crate) fn routes(sinks: &[HttpSink], path: &str) -> Vec<Route> {
    let both = DESTINATIONS.iter().zip(sinks);
    both.map(|(role, sink)| Route {
        role: *role,
        url: sink.url(path),
        authority: None,
        timeout: ATTEMPT,
    })
    .collect()
}

/// What a destination answers: the steady one takes nearly everything at once, the other one half of
/// it, refuses some for good and never takes what comes from some objects.
fn mood(destination: usize, request: &SeenRequest, seed: u64) -> Answer {
    let again = Answer::status(503).header("retry-after", "0");
    let stamps = Stamp::find_all(&request.body);
    let Some(stamp) = stamps.first() else {
        return Answer::status(200);
    };
    let purpose = format!("{destination} {stamp} {}", request.connection);
    let throw = Dice::of_purpose(seed, &purpose).below(20);
    match (destination, throw) {
        (0, 1..) => Answer::status(200),
        (0, _) => again,
        _ if stamp.lane % 4 == 3 => again,
        (_, 8..) => Answer::status(200),
        (_, 7) => Answer::status(400),
        (_, 6) => Answer::Close,
        _ => again,
    }
}

/// Sends events of one lane, one after the other, each until it is promised.
pub(crate) async fn send(
    target: Arc<dyn Target>,
    endpoint: SocketAddr,
    lane: u32,
    count: u64,
    history: Arc<History>,
) -> anyhow::Result<()> {
    let mut kept = None;
    for number in 0..count {
        let stamp = Stamp { lane, number };
        loop {
            let status = post(&*target, endpoint, &mut kept, stamp).await;
            match status.map(|status| target.reply(status)) {
                Some(Reply::Accepted) => break history.promise(stamp),
                Some(Reply::Refused) => anyhow::bail!("the target refuses the good event {stamp}"),
                Some(Reply::Later) | None => tokio::time::sleep(AGAIN).await,
            }
        }
    }
    Ok(())
}

/// Sends an event once; the status, if there was an answer.
pub(crate) async fn post(
    target: &dyn Target,
    endpoint: SocketAddr,
    kept: &mut Option<Client>,
    stamp: Stamp,
) -> Option<u16> {
    let mut client = match kept.take() {
        Some(client) => client,
        None => Client::connect(endpoint).await.ok()?,
    };
    let request = target.request(stamp);
    let answer = client.send("POST", request.path, request.body.into()).await;
    let (status, _) = answer.ok()?;
    *kept = Some(client);
    Some(status)
}
