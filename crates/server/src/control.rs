//! Looking at a store and changing what waits in it: as a function, and over a Unix socket.
//!
//! While a process runs, its store belongs to it; others ask through the socket in its data
//! directory, which is for the same user only (mode 0600 in a directory of mode 0700), so nobody else
//! can see or change deliveries. When no process runs, the command line opens the store itself and
//! calls [`execute`].

use std::sync::Arc;

use api::ObjectKey;
use bytes::Bytes;
use delivery::store::{Backlog, DeliveryFilter, DeliveryView, EventView};
use delivery::{Handle, Store, StoreError};
use domain::Position;
use domain::delivery::{DeliveryId, DeliveryState};
use domain::ports::Clock;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::body::BodyBudget;
use crate::listener::Service;

mod socket;

pub use socket::ControlSocket;

/// Deliveries changed per command; callers repeat until fewer were changed.
pub const BATCH: usize = 1000;

/// Deliveries listed per command.
pub const MOST_LISTED: usize = 10_000;

/// Largest command; what selects most is a thousand ids.
const LONGEST_COMMAND: usize = 1 << 20;

/// Commands under way take at most so much memory together.
const ALL_COMMANDS_BYTES: usize = 8 << 20;

/// What can be asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Counts.
    Summary,
    /// Deliveries, newest first.
    List {
        /// Which.
        selection: Selection,
        /// Only older ones than this id.
        before: Option<String>,
        /// How many, at most [`MOST_LISTED`].
        limit: usize,
    },
    /// One event with everything that became of it.
    Event {
        /// Its place in the journal.
        position: u64,
    },
    /// Make settled deliveries live again, at most [`BATCH`].
    Replay(Selection),
    /// Give live deliveries up, at most [`BATCH`].
    Drop(Selection),
}

/// The answer to a command.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// To `Summary`.
    Summary {
        /// Counts in all.
        backlog: Backlog,
        /// Counts per Provider and state.
        providers: Vec<ProviderCount>,
    },
    /// To `List`.
    List(Vec<DeliveryView>),
    /// To `Event`.
    Event(Option<Box<EventView>>),
    /// To `Replay` and `Drop`: how many.
    Changed(u64),
    /// The command could not be carried out.
    Failed(String),
}

/// How many deliveries of a Provider are in a state.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProviderCount {
    /// The Provider.
    pub provider: ObjectKey,
    /// The state.
    pub state: DeliveryState,
    /// How many.
    pub count: u64,
}

/// Which deliveries a command is about. Conditions that are set must all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    /// In one of these states; empty means any.
    #[serde(default)]
    pub states: Vec<DeliveryState>,
    /// Of this Provider.
    #[serde(default)]
    pub provider: Option<ObjectKey>,
    /// Of this Alert.
    #[serde(default)]
    pub alert: Option<ObjectKey>,
    /// Exactly these ids; empty means any.
    #[serde(default)]
    pub ids: Vec<String>,
}

/// Why a command was not carried out.
#[derive(Debug, Error)]
pub enum CommandError {
    /// Malformed.
    #[error("{0}")]
    Malformed(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl CommandError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl Selection {
    fn filter(&self) -> Result<DeliveryFilter, CommandError> {
        Ok(DeliveryFilter {
            states: self.states.clone(),
            provider: self.provider.clone(),
            alert: self.alert.clone(),
            ids: self
                .ids
                .iter()
                .map(|id| parse_id(id))
                .collect::<Result<_, _>>()?,
        })
    }
}

fn parse_id(id: &str) -> Result<DeliveryId, CommandError> {
    id.parse().map_err(CommandError::Malformed)
}

/// Carries out a command on a store.
pub async fn execute(
    store: &dyn Store,
    command: &Command,
    now: Timestamp,
) -> Result<Reply, CommandError> {
    Ok(match command {
        Command::Summary => Reply::Summary {
            backlog: store.backlog(),
            providers: store
                .summary(MOST_LISTED)
                .await?
                .into_iter()
                .map(|(provider, state, count)| ProviderCount {
                    provider,
                    state,
                    count,
                })
                .collect(),
        },
        Command::List {
            selection,
            before,
            limit,
        } => {
            let before = before.as_deref().map(parse_id).transpose()?;
            let limit = (*limit).min(MOST_LISTED);
            Reply::List(store.list(&selection.filter()?, before, limit).await?)
        }
        Command::Event { position } => {
            Reply::Event(store.event(Position(*position)).await?.map(Box::new))
        }
        Command::Replay(selection) => {
            Reply::Changed(store.replay(&selection.filter()?, BATCH, now).await?)
        }
        Command::Drop(selection) => Reply::Changed(
            store
                .drop_deliveries(&selection.filter()?, BATCH, now)
                .await?,
        ),
    })
}

/// Carries out commands that come over the socket.
pub struct Control {
    engine: Handle,
    clock: Arc<dyn Clock>,
    budget: BodyBudget,
}

impl Control {
    /// Makes the service.
    pub fn new(engine: Handle, clock: Arc<dyn Clock>) -> Self {
        Self {
            engine,
            clock,
            budget: BodyBudget::new(ALL_COMMANDS_BYTES),
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Reply, CommandError> {
        let malformed = |reason: String| CommandError::Malformed(reason);
        if request.method() != Method::POST || request.uri().path() != "/" {
            return Err(malformed("a command is a `POST /`".to_owned()));
        }
        let body = self
            .budget
            .read(request.into_body(), LONGEST_COMMAND)
            .await
            .map_err(|error| malformed(error.to_string()))?;
        let command: Command =
            serde_json::from_slice(&body).map_err(|error| malformed(error.to_string()))?;
        let store = self.engine.store();
        let reply = execute(&**store, &command, self.clock.now()).await?;
        if matches!(command, Command::Replay(_) | Command::Drop(_)) {
            // Heads of lanes changed; the worker has to look at them anew.
            let due = store.due().await?;
            let providers = due.into_iter().map(|(provider, _)| provider).collect();
            self.engine.due(providers).await;
        }
        Ok(reply)
    }
}

impl Service for Control {
    async fn call(self: Arc<Self>, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (status, reply) = match self.answer(request).await {
            Ok(reply) => (StatusCode::OK, reply),
            Err(error) => (error.status(), Reply::Failed(error.to_string())),
        };
        let body = serde_json::to_vec(&reply).unwrap_or_default();
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = status;
        response
    }
}
