//! A thread that reads, one question at a time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use futures::future::BoxFuture;
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::store::StoreError;

/// Questions that may wait.
const WAITING: usize = 1024;

/// Pause while there is no room.
const PAUSE: Duration = Duration::from_millis(1);

type Question = Box<dyn FnOnce(&Connection) + Send>;

pub(super) struct Reader {
    questions: Mutex<Option<SyncSender<Question>>>,
}

impl Reader {
    pub(super) fn start(connection: Connection) -> Self {
        let (questions, waiting) = sync_channel(WAITING);
        thread::spawn(move || answer(&connection, &waiting));
        Self {
            questions: Mutex::new(Some(questions)),
        }
    }

    /// Asks, and waits for the answer.
    pub(super) fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, StoreError>> {
        let questions = self
            .questions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        Box::pin(async move {
            let questions = questions.ok_or(StoreError::Closed)?;
            let (answer, answered) = oneshot::channel();
            let mut boxed: Question = Box::new(move |connection| {
                // Whoever asked may be gone.
                let _ = answer.send(question(connection));
            });
            loop {
                match questions.try_send(boxed) {
                    Ok(()) => break,
                    Err(TrySendError::Disconnected(_)) => return Err(StoreError::Closed),
                    Err(TrySendError::Full(back)) => boxed = back,
                }
                tokio::time::sleep(PAUSE).await;
            }
            drop(questions);
            answered.await.unwrap_or(Err(StoreError::Closed))
        })
    }

    pub(super) fn close(&self) {
        *self
            .questions
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = None;
    }
}

fn answer(connection: &Connection, waiting: &Receiver<Question>) {
    while let Ok(question) = waiting.recv() {
        // One question that goes wrong must not leave the others without answers.
        let asked = catch_unwind(AssertUnwindSafe(|| question(connection)));
        if asked.is_err() {
            tracing::error!("reading the store panicked");
        }
    }
}
