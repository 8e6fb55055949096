//! A thread with a read-only connection. There is one for claims and the journal, which must be quick,
//! and one for people's questions, which may take long.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::fault::Fault;
use crate::store::StoreError;

/// Questions that may wait.
const QUEUE: usize = 1024;

type Work = Box<dyn FnOnce(&Connection) + Send>;

enum Message {
    Read(Work),
    Close(oneshot::Sender<()>),
}

/// Hands questions to the thread.
#[derive(Clone)]
pub(super) struct Reader(mpsc::Sender<Message>);

impl Reader {
    /// Starts the thread.
    pub(super) fn start(name: &str, connection: Connection) -> std::io::Result<Self> {
        let (sender, messages) = mpsc::channel(QUEUE);
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || run(connection, messages))?;
        Ok(Self(sender))
    }

    /// Runs a function in one read transaction, so that all it sees is of one moment.
    pub(super) async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
        T: Send + 'static,
    {
        self.read_or(work, |_| {}).await
    }

    /// As [`Self::read`]; what nobody takes any more goes to `unclaimed`.
    pub(super) async fn read_or<T, F, U>(&self, work: F, unclaimed: U) -> Result<T, StoreError>
    where
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
        U: FnOnce(T) + Send + 'static,
        T: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let work = Box::new(move |connection: &Connection| {
            if reply.is_closed() {
                return;
            }
            let result = in_transaction(connection, work).map_err(|fault| (&fault).into());
            if let Err(Ok(lost)) = reply.send(result) {
                unclaimed(lost);
            }
        });
        self.0
            .send(Message::Read(work))
            .await
            .map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Finishes what was asked, then ends the thread.
    pub(super) async fn close(&self) {
        let (reply, done) = oneshot::channel();
        if self.0.send(Message::Close(reply)).await.is_ok() {
            let _ = done.await;
        }
    }
}

fn in_transaction<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, Fault>,
) -> Result<T, Fault> {
    connection.prepare_cached("BEGIN")?.execute([])?;
    let result = work(connection);
    // It only read, so there is nothing to keep.
    connection.prepare_cached("ROLLBACK")?.execute([])?;
    result
}

fn run(connection: Connection, mut messages: mpsc::Receiver<Message>) {
    let mut closers = Vec::new();
    while let Some(message) = messages.blocking_recv() {
        match message {
            Message::Read(work) => {
                if catch_unwind(AssertUnwindSafe(|| work(&connection))).is_err() {
                    tracing::error!("reading from the store panicked");
                }
            }
            Message::Close(reply) => {
                messages.close();
                closers.push(reply);
            }
        }
    }
    drop(connection);
    for reply in closers {
        let _ = reply.send(());
    }
}
