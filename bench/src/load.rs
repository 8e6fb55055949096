//! The load generator: as fast as answers come, or on a fixed schedule whatever the answers do.
//!
//! One request at a time per connection, as real senders do it. On a schedule, latency counts from
//! the moment a request was due, not from the moment a connection was free for it: a stall of the
//! server shows in every request that should have been sent meanwhile.

mod connection;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::event::Stamp;
use crate::histogram::Histogram;
use crate::ledger::Ledger;
use crate::request::Requests;

pub(crate) use connection::{Connection, Security};

/// How long after its planned end a load is given up.
const GRACE: Duration = Duration::from_secs(30);
/// How many broken connections one worker takes before it gives up.
const MOST_BROKEN: u32 = 1000;

/// Where and how to send.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Address to connect to.
    pub(crate) address: SocketAddr,
    /// TLS or not.
    pub(crate) security: Security,
    /// What to send.
    pub(crate) requests: Requests,
    /// How many connections.
    pub(crate) connections: u32,
    /// Start of this program; events say how long after it they were sent.
    pub(crate) epoch: Instant,
    /// Number of the first request of each source, so that loads after each other stay unique.
    pub(crate) first_number: u64,
    /// Where accepted events are entered; each source then stays on one connection, so that the
    /// order of its events is known.
    pub(crate) accepted: Option<Arc<Ledger>>,
}

/// What came of a load.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// Answers with 200 or 202.
    pub(crate) accepted: u64,
    /// Other answers, by status.
    pub(crate) refused: BTreeMap<u16, u64>,
    /// Requests without an answer.
    pub(crate) unanswered: u64,
    /// Time of each answer; on a schedule, from the moment the request was due.
    pub(crate) latency: Histogram,
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
}

impl Outcome {
    /// Accepted per second.
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
    pub(crate) fn rate(&self) -> f64 {
        self.accepted as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// Answers of any kind per second.
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
    pub(crate) fn answers(&self) -> f64 {
        let answers = self.accepted + self.refused.values().sum::<u64>();
        answers as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// Answers with this status.
    pub(crate) fn with_status(&self, status: u16) -> u64 {
        self.refused.get(&status).copied().unwrap_or(0)
    }

    /// All requests that were not accepted.
    pub(crate) fn lost(&self) -> u64 {
        self.unanswered + self.refused.values().sum::<u64>()
    }

    fn take(&mut self, status: Option<u16>, latency: Duration) {
        match status {
            Some(200 | 202) => self.accepted += 1,
            Some(status) => *self.refused.entry(status).or_default() += 1,
            None => self.unanswered += 1,
        }
        self.latency.record(latency);
    }

    fn merge(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.unanswered += other.unanswered;
        for (status, count) in &other.refused {
            *self.refused.entry(*status).or_default() += count;
        }
        self.latency.merge(&other.latency);
    }
}

/// Sends as fast as answers come, until `most` requests were sent or the time is over.
pub(crate) async fn saturate(
    target: &Target,
    most: u64,
    time: Duration,
) -> anyhow::Result<Outcome> {
    let start = Instant::now();
    let until = start + time;
    let issued = Arc::new(AtomicU64::new(0));
    let mut workers = JoinSet::new();
    for number in 0..target.connections {
        let mut worker = Worker::new(target, number).await?;
        let issued = issued.clone();
        workers.spawn(async move {
            loop {
                if Instant::now() >= until {
                    break;
                }
                let index = issued.fetch_add(1, Ordering::Relaxed);
                if index >= most || !worker.send(index, Instant::now()).await {
                    break;
                }
            }
            worker.outcome
        });
    }
    gather(workers, start, until + GRACE).await
}

/// Sends `count` requests, `rate` per second, each when it is due.
pub(crate) async fn on_schedule(target: &Target, rate: u32, count: u64) -> anyhow::Result<Outcome> {
    let due = Arc::new(Semaphore::new(0));
    let issued = Arc::new(AtomicU64::new(0));
    let mut workers = JoinSet::new();
    let mut ready = Vec::new();
    for number in 0..target.connections {
        ready.push(Worker::new(target, number).await?);
    }
    let start = Instant::now() + Duration::from_millis(20);
    let at = move |index: u64| start + moment(index, rate);
    for mut worker in ready {
        let due = due.clone();
        let issued = issued.clone();
        workers.spawn(async move {
            while let Ok(permit) = due.acquire().await {
                permit.forget();
                let index = issued.fetch_add(1, Ordering::Relaxed);
                if index >= count || !worker.send(index, at(index)).await {
                    break;
                }
            }
            worker.outcome
        });
    }
    // The runtime's timers are as coarse as a millisecond; a thread of its own is not.
    let pace = due.clone();
    let connections = usize::try_from(target.connections).unwrap_or(usize::MAX);
    let pacer = std::thread::spawn(move || {
        for index in 0..count {
            std::thread::sleep(at(index).saturating_duration_since(Instant::now()));
            pace.add_permits(1);
        }
        // Lets every worker see that there is no more.
        pace.add_permits(connections);
    });
    let mut outcome = gather(workers, start, at(count) + GRACE).await?;
    if pacer.join().is_err() {
        anyhow::bail!("the pacer of the load broke");
    }
    let answered = outcome.accepted + outcome.lost();
    let given_up = count.saturating_sub(answered);
    outcome.unanswered += given_up;
    outcome.latency.record_many(outcome.elapsed, given_up);
    Ok(outcome)
}

/// When a request is due, counted from the start.
fn moment(index: u64, rate: u32) -> Duration {
    let nanoseconds = u128::from(index) * 1_000_000_000 / u128::from(rate.max(1));
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

async fn gather(
    mut workers: JoinSet<Outcome>,
    start: Instant,
    limit: Instant,
) -> anyhow::Result<Outcome> {
    let mut sum = Outcome::default();
    loop {
        match tokio::time::timeout_at(limit.into(), workers.join_next()).await {
            Ok(Some(outcome)) => sum.merge(&outcome?),
            Ok(None) => break,
            Err(_) => anyhow::bail!("the load did not end within its time"),
        }
    }
    sum.elapsed = start.elapsed();
    Ok(sum)
}

/// One connection and what it counted.
struct Worker {
    target: Target,
    connection: Option<Connection>,
    request: Vec<u8>,
    /// Sources of this connection with their next number, if sources are tied to connections.
    own: Vec<(u32, u64)>,
    turn: usize,
    broken: u32,
    outcome: Outcome,
}

impl Worker {
    async fn new(target: &Target, number: u32) -> anyhow::Result<Self> {
        let own = if target.accepted.is_some() {
            let step = usize::try_from(target.connections)?;
            (number..target.requests.sources())
                .step_by(step)
                .map(|object| (object, target.first_number))
                .collect()
        } else {
            Vec::new()
        };
        Ok(Self {
            connection: Some(Connection::open(target.address, &target.security).await?),
            target: target.clone(),
            request: Vec::new(),
            own,
            turn: 0,
            broken: 0,
            outcome: Outcome::default(),
        })
    }

    /// Sends one request; answers whether to go on.
    async fn send(&mut self, index: u64, due: Instant) -> bool {
        let Some((object, number)) = self.next(index) else {
            return false;
        };
        let stamp = Stamp {
            object,
            number,
            sent: self.target.epoch.elapsed(),
        };
        self.target.requests.write(stamp, &mut self.request);
        let status = match &mut self.connection {
            Some(connection) => connection.exchange(&self.request).await.ok(),
            None => None,
        };
        self.outcome.take(status, due.elapsed());
        match status {
            Some(200 | 202) => {
                if let Some(ledger) = &self.target.accepted {
                    ledger.enter(stamp);
                }
                true
            }
            Some(_) => true,
            None => self.reconnect().await,
        }
    }

    fn next(&mut self, index: u64) -> Option<(u32, u64)> {
        if self.target.accepted.is_none() {
            let sources = u64::from(self.target.requests.sources());
            let object = u32::try_from(index % sources).ok()?;
            return Some((object, self.target.first_number + index / sources));
        }
        let turn = self.turn % self.own.len().max(1);
        self.turn = turn + 1;
        let (object, number) = self.own.get_mut(turn)?;
        *number += 1;
        Some((*object, *number - 1))
    }

    async fn reconnect(&mut self) -> bool {
        self.broken += 1;
        if self.broken > MOST_BROKEN {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
        let opening = Connection::open(self.target.address, &self.target.security);
        self.connection = opening.await.ok();
        true
    }
}

#[cfg(test)]
mod tests;
