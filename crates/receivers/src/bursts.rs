//! Many requests for one object within a moment: the first goes out at once, the rest are covered by
//! one at the end of the moment.
//!
//! That a request is covered is said only when it is on the medium, so that a crash before the end of
//! the moment loses nothing; where there is no room on it, it is said when the end has come.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api::ObjectReference;
use domain::delivery::retry::later;
use domain::ports::{
    Clock, KeepError, KeptCalls, ObjectError, ReconcileRequest, ReconcileRequester,
};
use domain::receiver::kept::{KeptCallId, NewKeptCall};
use futures::FutureExt;
use tokio::sync::{OnceCell, watch};
use tokio_util::task::TaskTracker;

use crate::kept::Content;
use crate::metrics::Metrics;

/// How long a moment is.
const MOMENT: Duration = Duration::from_secs(1);

/// When a request that is kept for its moment is due: long after the moment, whose end usually goes
/// out before.
const DUE: Duration = Duration::from_secs(5);

/// Objects within a moment; beyond it requests go out one by one.
const MOST_OBJECTS: usize = 10_000;

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It went out.
    Now,
    /// Another one covers it.
    Covered,
}

/// Sends requests, at most two for one object and moment.
pub(crate) struct Bursts {
    requester: Arc<dyn ReconcileRequester>,
    kept: Arc<dyn KeptCalls>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    /// Objects within their moment, and the last request that waits for its end.
    waiting: Mutex<HashMap<ObjectReference, Option<Waiting>>>,
    tasks: TaskTracker,
}

struct Waiting {
    request: ReconcileRequest,
    end: End,
}

/// The end of a moment, which all requests wait for that it covers.
#[derive(Clone)]
struct End {
    /// The record of it; the first request makes it.
    record: Arc<OnceCell<Result<KeptCallId, KeepError>>>,
    /// What became of it.
    outcome: watch::Receiver<Option<Result<(), ObjectError>>>,
    tell: watch::Sender<Option<Result<(), ObjectError>>>,
}

impl End {
    fn new() -> Self {
        let (tell, outcome) = watch::channel(None);
        Self {
            record: Arc::default(),
            outcome,
            tell,
        }
    }
}

impl Bursts {
    pub(crate) fn new(
        requester: Arc<dyn ReconcileRequester>,
        kept: Arc<dyn KeptCalls>,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
    ) -> Self {
        Self {
            requester,
            kept,
            clock,
            metrics,
            waiting: Mutex::default(),
            tasks: TaskTracker::new(),
        }
    }

    /// Asks for one object. What was begun goes on if the caller is gone.
    pub(crate) async fn request(
        self: &Arc<Self>,
        request: ReconcileRequest,
        receiver_uid: &str,
    ) -> Result<Asked, ObjectError> {
        if let Some(end) = self.cover(&request) {
            return self.covered(request, receiver_uid, end).await;
        }
        let bursts = self.clone();
        let sent = self.tasks.spawn(async move {
            let result = bursts.send(&request).await;
            let object = request.object;
            let moment = bursts.clone();
            bursts.tasks.spawn(async move { moment.end(object).await });
            result
        });
        match sent.await {
            Ok(result) => result.map(|()| Asked::Now),
            Err(_) => broken_off().map(|()| Asked::Now),
        }
    }

    /// Puts a request under the end of a moment that has begun; `None` if none has.
    fn cover(&self, request: &ReconcileRequest) -> Option<End> {
        let mut waiting = self.lock();
        if let Some(last) = waiting.get_mut(&request.object) {
            let end = last.take().map_or_else(End::new, |before| before.end);
            *last = Some(Waiting {
                request: request.clone(),
                end: end.clone(),
            });
            return Some(end);
        }
        if waiting.len() < MOST_OBJECTS {
            waiting.insert(request.object.clone(), None);
        }
        None
    }

    async fn covered(
        &self,
        request: ReconcileRequest,
        receiver_uid: &str,
        mut end: End,
    ) -> Result<Asked, ObjectError> {
        self.metrics.coalesced();
        let record = end
            .record
            .get_or_init(async || {
                let content = Content::Object(request.object.clone()).to_json();
                let now = self.clock.now();
                self.kept
                    .keep(NewKeptCall {
                        receiver: request.receiver.clone(),
                        receiver_uid: receiver_uid.to_owned(),
                        // An object's name is never too long to be kept.
                        content: Some(content.ok_or(KeepError::Full)?),
                        accepted_at: now,
                        due_at: later(now, DUE),
                    })
                    .await
            })
            .await;
        if record.is_ok() {
            return Ok(Asked::Covered);
        }
        let outcome = end.outcome.wait_for(Option::is_some).await;
        let outcome = outcome.ok().and_then(|outcome| outcome.clone());
        outcome.unwrap_or_else(broken_off).map(|()| Asked::Covered)
    }

    /// Waits until everything that was begun is done.
    pub(crate) async fn finish(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Sees the moments of an object through: as long as requests come, one per moment goes out.
    async fn end(&self, object: ObjectReference) {
        loop {
            // A stop does not wait for the end of the moment.
            tokio::time::sleep(MOMENT).await;
            let last = {
                let mut waiting = self.lock();
                let last = waiting.get_mut(&object).and_then(Option::take);
                if last.is_none() {
                    waiting.remove(&object);
                }
                last
            };
            let Some(last) = last else { return };
            let request = ReconcileRequest {
                at: self.clock.now(),
                ..last.request
            };
            let result = self.send(&request).await;
            self.settle(&request, &last.end, &result).await;
            let _ = last.end.tell.send(Some(result));
        }
    }

    async fn send(&self, request: &ReconcileRequest) -> Result<(), ObjectError> {
        let requesting = AssertUnwindSafe(self.requester.request(request)).catch_unwind();
        // Whoever waits for the end of the moment must not wait for ever.
        let result = requesting.await.unwrap_or_else(|_| broken_off());
        self.metrics.request(match &result {
            Ok(()) => "ok",
            Err(ObjectError::NotFound) => "not_found",
            Err(ObjectError::Unavailable(_)) => "unavailable",
            Err(ObjectError::Refused(_)) => "refused",
        });
        result
    }

    /// The record goes when there is nothing left to be done for it; else it is tried again when it is
    /// due. One that is still being written stays, and asks once more than needed.
    async fn settle(
        &self,
        request: &ReconcileRequest,
        end: &End,
        result: &Result<(), ObjectError>,
    ) {
        if let Err(error) = result {
            let object = &request.object;
            tracing::warn!(
                logger = "receiver-server",
                kind = object.kind,
                namespace = object.namespace,
                name = object.name,
                %error,
                "requesting reconciliation at the end of a burst failed"
            );
        }
        if matches!(result, Err(ObjectError::Unavailable(_))) {
            return;
        }
        let Some(Ok(id)) = end.record.get() else {
            return;
        };
        if let Err(error) = self.kept.forget(*id).await {
            tracing::warn!(logger = "receiver-server", %error, "forgetting a kept call failed");
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ObjectReference, Option<Waiting>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn broken_off() -> Result<(), ObjectError> {
    Err(ObjectError::Unavailable("the request broke off".to_owned()))
}
