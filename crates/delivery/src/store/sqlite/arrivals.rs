//! The way in: a thread that writes arrivals to a file of their own, syncs it, and only then answers.
//!
//! The database could do that, too, but now and then it has to move pages, and who waits for it then
//! waits long. The writer takes arrivals over ("files" them) with whatever it commits next; until then
//! they are in [`Unfiled`]. After a crash they are read back from the file.

mod frame;
mod log;
mod ring;
mod unfiled;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use self::log::{Log, WriteError};
use super::fault::Fault;
use super::ledger::Books;
use super::rows;
use super::writer::{self, Operation};
use crate::store::open::OpenError;
use crate::store::{NewEvent, OnAppended, StoreError};

pub(super) use self::frame::Arrival;
pub(super) use self::unfiled::Unfiled;

/// Arrivals that may wait to be written. Beyond it events are refused at once.
const QUEUE: usize = 4096;

/// Bytes of arrivals that are written at once, give or take one.
const BATCH: usize = 512 << 10;

/// So many arrivals that nobody has filed are pointed out to the writer.
const MANY: usize = 512;

/// How long an arrival waits for room in the file.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long closing waits for the writer.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// An event to append, and whom to tell.
struct Append {
    arrival: Arrival,
    answer: Answer,
}

/// Whom to tell. Nobody is left without an answer, not even when the thread is gone.
struct Answer(Option<OnAppended>);

impl Answer {
    fn tell(mut self, result: Result<i64, StoreError>) {
        self.call(result);
    }

    fn call(&mut self, result: Result<i64, StoreError>) {
        let Some(on_appended) = self.0.take() else {
            return;
        };
        let result = result.map(rows::position);
        // Answers are code of others; what goes wrong there must not end the thread.
        if catch_unwind(AssertUnwindSafe(|| on_appended(result))).is_err() {
            tracing::error!("a receiver of an answer of the store panicked");
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.call(Err(StoreError::Closed));
    }
}

enum Message {
    Append(Append),
    Close(oneshot::Sender<()>),
}

/// What was read from the file, before anything is written to it.
pub(super) struct Recovered {
    log: Log,
    unfiled: Arc<Unfiled>,
}

impl Recovered {
    /// Reads what the last process left; `filed` is the last position that is in the database.
    pub(super) fn read(directory: &Path, filed: i64) -> Result<Self, OpenError> {
        let (log, unfiled) = Log::open(directory, filed)?;
        let unfiled = Arc::new(unfiled);
        Ok(Self { log, unfiled })
    }

    /// What is to be filed, now and later.
    pub(super) fn unfiled(&self) -> Arc<Unfiled> {
        self.unfiled.clone()
    }
}

/// Hands events to the thread.
pub(super) struct Arrivals {
    sender: mpsc::Sender<Message>,
    unfiled: Arc<Unfiled>,
}

impl Arrivals {
    /// Starts the thread.
    pub(super) fn start(
        recovered: Recovered,
        writer: mpsc::Sender<writer::Message>,
    ) -> io::Result<Self> {
        let (sender, messages) = mpsc::channel(QUEUE);
        let unfiled = recovered.unfiled.clone();
        let clerk = Clerk {
            log: recovered.log,
            unfiled: recovered.unfiled,
            writer,
        };
        std::thread::Builder::new()
            .name("store-append".to_owned())
            .spawn(move || clerk.run(messages))?;
        Ok(Self { sender, unfiled })
    }

    /// See [`Store::append`](crate::Store::append).
    pub(super) fn append(&self, event: &NewEvent, on_appended: OnAppended) {
        // Encoded on the thread of the caller, since there are several of those.
        let body = match serde_json::to_vec(event.event.event()) {
            Ok(body) => body,
            Err(error) => return on_appended(Err(StoreError::from(&Fault::Encoding(error)))),
        };
        let arrival = Arrival {
            position: 0,
            received_at: rows::micros(event.received_at),
            interval_start: rows::micros(event.interval_start),
            key: event.key.0,
            body,
        };
        let append = Message::Append(Append {
            arrival,
            answer: Answer(Some(on_appended)),
        });
        // Waiting here would hold up the thread of the caller.
        let (refused, error) = match self.sender.try_send(append) {
            Ok(()) => return,
            Err(TrySendError::Full(refused)) => {
                let text = format!("{QUEUE} events wait for the disk");
                (refused, StoreError::Full(text))
            }
            Err(TrySendError::Closed(refused)) => (refused, StoreError::Closed),
        };
        if let Message::Append(append) = refused {
            append.answer.tell(Err(error));
        }
    }

    /// What is not in the database yet.
    pub(super) fn unfiled(&self) -> &Arc<Unfiled> {
        &self.unfiled
    }

    /// Finishes what was asked, has it filed, and ends the thread.
    pub(super) async fn close(&self) {
        let (reply, done) = oneshot::channel();
        if self.sender.send(Message::Close(reply)).await.is_ok() {
            let _ = done.await;
        }
    }
}

/// Has the writer commit what is unfiled, by being something to commit.
struct Reminder;

impl Operation for Reminder {
    fn weight(&self) -> usize {
        1
    }

    fn apply(&mut self, _books: &mut Books<'_>) -> Result<(), Fault> {
        Ok(())
    }

    fn answer(self: Box<Self>, result: Result<(), StoreError>) {
        if let Err(error) = result {
            tracing::warn!(%error, "moving accepted events into the database failed; they are kept and moved later");
        }
    }
}

struct Clerk {
    log: Log,
    unfiled: Arc<Unfiled>,
    writer: mpsc::Sender<writer::Message>,
}

impl Clerk {
    /// Works until the store is closed or dropped.
    fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        let mut closers = Vec::new();
        while let Some(first) = messages.blocking_recv() {
            let (mut arrivals, mut answers, mut bytes) = (Vec::new(), Vec::new(), 0);
            let mut next = Some(first);
            while let Some(message) = next {
                match message {
                    Message::Append(append) => {
                        bytes += append.arrival.encoded_len();
                        arrivals.push(append.arrival);
                        answers.push(append.answer);
                    }
                    Message::Close(reply) => {
                        // What was sent before is still received.
                        messages.close();
                        closers.push(reply);
                    }
                }
                next = if bytes < BATCH {
                    messages.try_recv().ok()
                } else {
                    None
                };
            }
            if !arrivals.is_empty() {
                self.take(arrivals, answers);
            }
        }
        self.finish();
        for reply in closers {
            let _ = reply.send(());
        }
    }

    fn take(&mut self, mut arrivals: Vec<Arrival>, answers: Vec<Answer>) {
        if let Err(error) = self.write(&mut arrivals) {
            for answer in answers {
                answer.tell(Err(StoreError::from(&error)));
            }
            return;
        }
        let positions: Vec<i64> = arrivals.iter().map(|arrival| arrival.position).collect();
        // Before the answers: whoever hears of a position may have it planned, and then it is filed.
        if self.unfiled.push(arrivals) >= MANY {
            self.remind();
        }
        for (answer, position) in answers.into_iter().zip(positions) {
            answer.tell(Ok(position));
        }
    }

    fn write(&mut self, arrivals: &mut [Arrival]) -> Result<(), WriteError> {
        let started = Instant::now();
        let mut filed = self.unfiled.filed_up_to();
        loop {
            let left = PATIENCE.saturating_sub(started.elapsed());
            match self.log.write(arrivals.iter_mut(), filed) {
                Err(WriteError::NoRoom) if !left.is_zero() => {
                    self.remind();
                    filed = self.unfiled.wait_for_more(filed, left);
                }
                written => return written,
            }
        }
    }

    fn remind(&self) {
        // A writer with so much to do files on the way.
        let _ = self
            .writer
            .try_send(writer::Message::Operate(Box::new(Reminder)));
    }

    fn finish(mut self) {
        let started = Instant::now();
        while self.unfiled.backlog().0 > 0 {
            let left = LAST_WAIT.saturating_sub(started.elapsed());
            if left.is_zero() {
                break;
            }
            self.remind();
            self.unfiled
                .wait_for_more(self.unfiled.filed_up_to(), left.min(PATIENCE));
        }
        if let Err(error) = self.log.empty(self.unfiled.filed_up_to()) {
            tracing::debug!(%error, "the file of arrivals stays until the next start");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn who_asked_is_told_once_even_if_the_thread_is_gone() {
        let (sender, told) = mpsc::channel();
        let ask = || {
            let sender = sender.clone();
            Answer(Some(Box::new(move |result| sender.send(result).unwrap())))
        };
        drop(ask());
        assert!(matches!(told.try_recv(), Ok(Err(StoreError::Closed))));
        ask().tell(Ok(3));
        assert!(told.try_recv().unwrap().is_ok());
        assert!(told.try_recv().is_err());
    }
}
