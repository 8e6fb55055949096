//! Many requests for one object within a moment: the first goes out at once, the rest are covered by
//! one at the end of the moment.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api::ObjectReference;
use domain::ports::{Clock, KeptCalls, ObjectError, ReconcileRequest, ReconcileRequester};
use domain::receiver::kept::NewKeptCall;
use tokio_util::task::TaskTracker;

use crate::kept::Content;
use crate::metrics::Metrics;

/// How long a moment is.
const MOMENT: Duration = Duration::from_secs(1);

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
    receiver_uid: String,
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
        {
            let mut waiting = self.lock();
            if let Some(last) = waiting.get_mut(&request.object) {
                *last = Some(Waiting {
                    request,
                    receiver_uid: receiver_uid.to_owned(),
                });
                self.metrics.coalesced();
                return Ok(Asked::Covered);
            }
            if waiting.len() < MOST_OBJECTS {
                waiting.insert(request.object.clone(), None);
            }
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
            Err(_) => Err(ObjectError::Unavailable("the request broke off".to_owned())),
        }
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
                ..last.request.clone()
            };
            if let Err(error) = self.send(&request).await {
                self.keep(last, &error).await;
            }
        }
    }

    async fn send(&self, request: &ReconcileRequest) -> Result<(), ObjectError> {
        let result = self.requester.request(request).await;
        self.metrics.request(match &result {
            Ok(()) => "ok",
            Err(ObjectError::NotFound) => "not_found",
            Err(ObjectError::Unavailable(_)) => "unavailable",
            Err(ObjectError::Refused(_)) => "refused",
        });
        result
    }

    /// Its callers were told that all is well, so this is not lost either.
    async fn keep(&self, last: Waiting, error: &ObjectError) {
        let object = &last.request.object;
        tracing::warn!(
            logger = "receiver-server",
            kind = object.kind,
            namespace = object.namespace,
            name = object.name,
            %error,
            "requesting reconciliation at the end of a burst failed"
        );
        if !matches!(error, ObjectError::Unavailable(_)) {
            return;
        }
        let now = self.clock.now();
        let Some(content) = Content::Object(object.clone()).to_json() else {
            return;
        };
        let kept = self.kept.keep(NewKeptCall {
            receiver: last.request.receiver.clone(),
            receiver_uid: last.receiver_uid,
            content: Some(content),
            accepted_at: now,
            due_at: now,
        });
        if let Err(error) = kept.await {
            tracing::error!(logger = "receiver-server", %error, "a request for reconciliation is lost");
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ObjectReference, Option<Waiting>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
