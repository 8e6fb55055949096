//! Senders of numbered events: one connection per object, one event at a time, until it is answered.
//!
//! A sender that gets no answer does not know what became of its event and sends the same one again,
//! as GitOps controllers do. So the order of a lane is known, and so is what was accepted.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::client::Client;
use crate::stamp::Stamp;
use crate::target::{Reply, Target};

/// Between two tries of one event.
const AGAIN: Duration = Duration::from_millis(15);

/// How long a sender keeps trying the event it has in hand after the load was told to end.
const LAST_EVENT: Duration = Duration::from_mins(1);

/// What the senders saw.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// Events that are owed, and since when.
    pub(crate) accepted: BTreeMap<Stamp, Instant>,
    /// Requests without an answer.
    pub(crate) unanswered: u64,
    /// Answers that said later, by status.
    pub(crate) later: BTreeMap<u16, u64>,
    /// Answers that refused an event, by status.
    pub(crate) refused: BTreeMap<u16, u64>,
    /// Senders that gave their last event up.
    pub(crate) given_up: u64,
}

/// A running load.
pub(crate) struct Load {
    answers: Arc<Mutex<Answers>>,
    is_over: Arc<AtomicBool>,
    senders: Mutex<JoinSet<()>>,
}

/// How to send.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    /// Events per second of all lanes together.
    pub(crate) rate: u32,
    /// How many lanes.
    pub(crate) lanes: u32,
}

impl Load {
    /// Starts it; lane `n` sends to endpoint `n` modulo their number.
    pub(crate) fn start(target: &Arc<dyn Target>, endpoints: &[SocketAddr], pace: &Pace) -> Self {
        let answers: Arc<Mutex<Answers>> = Arc::default();
        let is_over = Arc::new(AtomicBool::new(false));
        let mut senders = JoinSet::new();
        let period = Duration::from_secs(1) * pace.lanes / pace.rate.max(1);
        for (lane, endpoint) in (0..pace.lanes).zip(endpoints.iter().cycle()) {
            let sender = Sender {
                target: Arc::clone(target),
                endpoint: *endpoint,
                client: None,
                answers: Arc::clone(&answers),
                is_over: Arc::clone(&is_over),
            };
            senders.spawn(sender.run(lane, period));
        }
        Self {
            answers,
            is_over,
            senders: Mutex::new(senders),
        }
    }

    /// What was answered so far.
    pub(crate) fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends it: every sender finishes the event that it has in hand.
    pub(crate) async fn stop(&self) {
        self.is_over.store(true, Ordering::Relaxed);
        let mut senders = {
            let mut held = self.senders.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *held)
        };
        while senders.join_next().await.is_some() {}
    }
}

struct Sender {
    target: Arc<dyn Target>,
    endpoint: SocketAddr,
    client: Option<Client>,
    answers: Arc<Mutex<Answers>>,
    is_over: Arc<AtomicBool>,
}

impl Sender {
    async fn run(mut self, lane: u32, period: Duration) {
        let mut due = Instant::now();
        for number in 0.. {
            if self.is_over.load(Ordering::Relaxed) {
                return;
            }
            self.send(Stamp { lane, number }).await;
            // A sender that was held up does not catch up in a burst.
            due = Instant::now().max(due + period);
            tokio::time::sleep_until(due.into()).await;
        }
    }

    /// Sends one event until it is answered for good.
    async fn send(&mut self, stamp: Stamp) {
        let mut over_since = None;
        loop {
            let status = self.post(stamp).await;
            {
                let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
                match status.map(|status| (status, self.target.reply(status))) {
                    Some((_, Reply::Accepted)) => {
                        answers.accepted.insert(stamp, Instant::now());
                        return;
                    }
                    Some((status, Reply::Refused)) => {
                        *answers.refused.entry(status).or_default() += 1;
                        return;
                    }
                    Some((status, Reply::Later)) => {
                        *answers.later.entry(status).or_default() += 1;
                    }
                    None => answers.unanswered += 1,
                }
                if self.is_over.load(Ordering::Relaxed) {
                    let since = *over_since.get_or_insert_with(Instant::now);
                    if since.elapsed() > LAST_EVENT {
                        answers.given_up += 1;
                        return;
                    }
                }
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn post(&mut self, stamp: Stamp) -> Option<u16> {
        let mut client = match self.client.take() {
            Some(client) => client,
            None => Client::connect(self.endpoint).await.ok()?,
        };
        let request = self.target.request(stamp);
        let answer = client.send("POST", request.path, request.body.into()).await;
        let (status, _) = answer.ok()?;
        // A connection that broke is not kept.
        self.client = Some(client);
        Some(status)
    }
}
