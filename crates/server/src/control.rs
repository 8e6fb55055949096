//! Control of a running process through a Unix socket in its data directory.
//!
//! The socket is for the user who runs the process only (mode 0600 in a directory of mode 0700), so
//! nobody else can replay or drop deliveries. Reading needs no socket: the store's file is enough.

use std::sync::Arc;

use bytes::Bytes;
use delivery::store::DeliveryFilter;
use delivery::{Handle, StoreError};
use domain::delivery::DeliveryState;
use domain::ports::Clock;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};

use crate::listener::Service;

/// File name of the socket in the data directory.
pub const SOCKET: &str = "control.sock";

/// Deliveries changed per request; callers repeat until nothing is left.
pub const BATCH: usize = 1000;

const LONGEST_REQUEST: usize = 1 << 20;

/// Which deliveries a request is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    /// States by label; empty means any.
    #[serde(default)]
    pub states: Vec<DeliveryState>,
    /// `namespace/name` of the Provider.
    #[serde(default)]
    pub provider: Option<api::ObjectKey>,
    /// `namespace/name` of the Alert.
    #[serde(default)]
    pub alert: Option<api::ObjectKey>,
    /// Delivery ids as text; empty means any.
    #[serde(default)]
    pub ids: Vec<String>,
}

impl Selection {
    /// The filter of the store.
    pub fn filter(&self) -> Result<DeliveryFilter, String> {
        Ok(DeliveryFilter {
            states: self.states.clone(),
            provider: self.provider.clone(),
            alert: self.alert.clone(),
            ids: self
                .ids
                .iter()
                .map(|id| id.parse())
                .collect::<Result<_, _>>()?,
        })
    }
}

/// How many deliveries a request changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// At most [`BATCH`]; fewer means that nothing is left.
    pub changed: u64,
}

/// Answers control requests.
pub struct Control {
    engine: Handle,
    clock: Arc<dyn Clock>,
}

impl Control {
    /// Makes the service.
    pub fn new(engine: Handle, clock: Arc<dyn Clock>) -> Self {
        Self { engine, clock }
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Changed, (StatusCode, String)> {
        let is_replay = match (request.method(), request.uri().path()) {
            (&Method::POST, "/replay") => true,
            (&Method::POST, "/drop") => false,
            _ => return Err((StatusCode::NOT_FOUND, "no such command".to_owned())),
        };
        let body = Limited::new(request.into_body(), LONGEST_REQUEST)
            .collect()
            .await
            .map_err(|error| bad_request(&error))?
            .to_bytes();
        let selection: Selection =
            serde_json::from_slice(&body).map_err(|error| bad_request(&error))?;
        let filter = selection.filter().map_err(|error| bad_request(&error))?;
        let store = self.engine.store();
        let now = self.clock.now();
        let changed = if is_replay {
            store.replay(&filter, BATCH, now).await
        } else {
            store.drop_deliveries(&filter, BATCH, now).await
        };
        let changed = changed.map_err(|error| failed(&error))?;
        if is_replay {
            let due = store.due().await.map_err(|error| failed(&error))?;
            self.engine
                .due(due.into_iter().map(|(provider, _)| provider).collect())
                .await;
        }
        Ok(Changed { changed })
    }
}

impl Service for Control {
    async fn call(self: Arc<Self>, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (status, body) = match self.answer(request).await {
            Ok(changed) => match serde_json::to_string(&changed) {
                Ok(body) => (StatusCode::OK, body),
                Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
            },
            Err(refusal) => refusal,
        };
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = status;
        response
    }
}

fn bad_request(error: &dyn std::fmt::Display) -> (StatusCode, String) {
    (StatusCode::BAD_REQUEST, error.to_string())
}

fn failed(error: &StoreError) -> (StatusCode, String) {
    (StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}
