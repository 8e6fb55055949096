//! What a call is answered, from the look-up of its path to the deeds that follow.
//!
//! Order: the path is looked up, headers are screened, the body is read by the server, the call is
//! verified, and only then is it parsed and asked for. Statuses: `receivers.md` section 3 with the
//! differences of `conformance/differences.toml`.

use std::sync::Arc;
use std::time::Duration;

use domain::ports::{Clock, KeptCalls, ReconcileRequester, Resources};
use domain::receiver::PathDigest;
use domain::receiver::kept::NewKeptCall;
use http::HeaderMap;
use http::StatusCode;
use prometheus_client::registry::Registry;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::error::Elapsed;

use crate::authenticator::Authenticator;
use crate::bursts::Bursts;
use crate::call::{Call, header};
use crate::kept;
use crate::metrics::{Completeness, Metrics};
use crate::oidc::KeyStore;
use crate::payload::Payload;
use crate::reconcile::{Content, Reconciler, Report};
use crate::rejection::Rejection;
use crate::screening::{Possible, Screening};
use crate::signature::{BodyCheck, SignaturePolicy};
use crate::table::{Found, Service, Table};

/// Bodies up to this size are read without further ado.
const SMALL_BODY: usize = 64 << 10;

/// What larger bodies that are read at once may have together, in units of [`SMALL_BODY`]. JSON takes
/// many times its size in memory: six bytes of a list can become thirty-two.
const LARGE_BODIES: usize = 96;

/// How long a large body waits for others.
const PATIENCE: Duration = Duration::from_secs(2);

/// How calls are answered.
#[derive(Clone, Copy, Debug, Default)]
pub struct HooksSettings {
    /// Which signatures are good enough.
    pub signatures: SignaturePolicy,
}

/// Through which the outside is asked.
pub struct HooksPorts {
    /// The Receivers that can be called; whoever reads configuration keeps it up to date.
    pub table: Arc<Table>,
    /// Reads objects.
    pub resources: Arc<dyn Resources>,
    /// Asks objects to reconcile.
    pub requester: Arc<dyn ReconcileRequester>,
    /// Keeps calls for later.
    pub kept: Arc<dyn KeptCalls>,
    /// Reaches the issuers of tokens.
    pub transport: Arc<dyn outbound::HttpTransport>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Seconds after which to call again while Receivers are still being read.
const STARTING: u32 = 5;

/// All that answers calls.
pub struct Hooks {
    table: Arc<Table>,
    authenticator: Authenticator,
    reconciler: Reconciler,
    bursts: Arc<Bursts>,
    kept: Arc<dyn KeptCalls>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    large_bodies: Semaphore,
}

/// The answer to a call; its body is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// Seconds after which it makes sense to call again.
    pub retry_after: Option<u32>,
}

impl Answer {
    /// No Receiver has this path.
    pub const UNKNOWN: Self = Self::of(StatusCode::NOT_FOUND);
    /// It is not genuine, or cannot be read.
    pub const REJECTED: Self = Self::of(StatusCode::BAD_REQUEST);
    const DONE: Self = Self::of(StatusCode::OK);
    const FAILED: Self = Self::of(StatusCode::INTERNAL_SERVER_ERROR);

    const fn of(status: StatusCode) -> Self {
        Self {
            status,
            retry_after: None,
        }
    }

    const fn later(status: StatusCode, seconds: u32) -> Self {
        Self {
            status,
            retry_after: Some(seconds),
        }
    }
}

impl Hooks {
    /// Puts it together; no I/O.
    pub fn new(ports: HooksPorts, settings: HooksSettings, registry: &mut Registry) -> Self {
        let metrics = Metrics::new(registry);
        registry.register_collector(Box::new(Completeness(ports.table.clone())));
        let HooksPorts {
            table,
            resources,
            requester,
            kept,
            transport,
            clock,
        } = ports;
        let bursts = Arc::new(Bursts::new(
            requester,
            kept.clone(),
            clock.clone(),
            metrics.clone(),
        ));
        let keys = KeyStore::new(transport, clock.clone());
        Self {
            table,
            authenticator: Authenticator::new(keys, clock.clone(), settings.signatures),
            reconciler: Reconciler::new(resources, bursts.clone(), clock.clone()),
            bursts,
            kept,
            clock,
            metrics,
            large_bodies: Semaphore::new(LARGE_BODIES),
        }
    }

    /// Whether all Receivers are known, so that an unknown path belongs to none.
    pub fn knows_all(&self) -> bool {
        self.table.is_complete()
    }

    /// The Receivers of what follows `/hook/` in a path.
    pub fn find(&self, digest: &str) -> Vec<Found> {
        PathDigest::parse(digest).map_or_else(Vec::new, |digest| {
            self.table.find(&digest, self.clock.now())
        })
    }

    /// Turns away the Receivers for which the headers alone show that the call is not genuine, and
    /// says what is to be done with the body. `decoy` is a key that nobody knows, for work that is done
    /// for nothing: it takes a caller without proof the same, whether or not the path is known.
    pub fn screen(&self, found: Vec<Found>, headers: &HeaderMap, decoy: &[u8]) -> Screening {
        let is_known = !found.is_empty();
        if !is_known {
            self.authenticator.screen_for_nobody(headers, decoy);
        }
        let is_possible = |found: Found| match self.authenticator.screen(&found, headers) {
            Ok(checks) => Some(Possible { found, checks }),
            Err(rejection) => {
                self.reject(&found, &rejection);
                None
            }
        };
        let possible = found.into_iter().filter_map(is_possible).collect();
        Screening::new(is_known, possible, headers, decoy)
    }

    /// Notes a call to a path that no Receiver has, as far as is known.
    fn unknown(&self) -> Answer {
        let answer = if self.table.is_complete() {
            self.metrics.call("", "unknown_path");
            Answer::UNKNOWN
        } else {
            self.metrics.call("", "not_ready");
            Answer::later(StatusCode::SERVICE_UNAVAILABLE, STARTING)
        };
        // A line, as for a call that is not genuine.
        tracing::warn!(
            logger = "receiver-server",
            "reconciler kind" = "Receiver",
            status = answer.status.as_u16(),
            "no receiver has the path of a call"
        );
        answer
    }

    /// Answers a call whose whole body passed the screening. Should it be genuine for several
    /// Receivers of its path, all are served and the gravest answer counts.
    pub async fn answer(&self, screening: Screening, call: &Call) -> Answer {
        let is_known = screening.is_known;
        let possible = screening.finish();
        if !is_known {
            return self.unknown();
        }
        let mut gravest: Option<Answer> = None;
        for Possible { found, checks } in possible {
            let answer = self.answer_one(&found, checks, call).await;
            if answer != Answer::REJECTED
                && gravest.is_none_or(|known| answer.status > known.status)
            {
                gravest = Some(answer);
            }
        }
        gravest.unwrap_or(Answer::REJECTED)
    }

    /// Waits until everything that was begun is done.
    pub async fn finish(&self) {
        self.bursts.finish().await;
    }

    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    pub(crate) fn kept(&self) -> &dyn KeptCalls {
        &*self.kept
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    pub(crate) fn reconciler(&self) -> &Reconciler {
        &self.reconciler
    }

    async fn answer_one(&self, found: &Found, checks: Vec<BodyCheck>, call: &Call) -> Answer {
        let receiver = &found.receiver;
        let checked = self.authenticator.check(found, checks, &call.headers);
        let proven = match checked.await {
            Ok(proven) => proven,
            Err(rejection) => return self.reject(found, &rejection),
        };
        match found.service {
            Service::Ready => {}
            Service::Suspended => {
                return self.refuse(found, "suspended", "receiver is suspended");
            }
            Service::NotReady => return self.refuse(found, "not_ready", "receiver is not ready"),
        }
        let now = self.clock.now();
        if !found.recent.throttle.admit(now) {
            self.say(found, "limited", "too many calls");
            return Answer::later(StatusCode::TOO_MANY_REQUESTS, 1);
        }
        let Ok(_room) = self.room(call.body.len()).await else {
            self.say(found, "limited", "too many large bodies at once");
            return Answer::later(StatusCode::SERVICE_UNAVAILABLE, 1);
        };
        let payload = match Payload::read(found.kind.reading, call) {
            Ok(payload) => payload,
            Err(rejection) => return self.reject(found, &rejection),
        };
        if let Some(name) = found.kind.event {
            let event = header(&call.headers, name).unwrap_or_default();
            if !receiver.takes_event(event) {
                self.say(found, "filtered", "the event is not one of spec.events");
                return Answer::DONE;
            }
        }
        let content = if receiver.has_filters() {
            match payload.seen_by_filters(call) {
                Ok(payload) => Some(Content {
                    payload,
                    claims: proven.claims,
                }),
                Err(rejection) => return self.reject(found, &rejection),
            }
        } else {
            None
        };
        let number = found
            .kind
            .delivery
            .iter()
            .find_map(|name| header(&call.headers, name));
        let replays = &found.recent.replays;
        let fingerprint = match number.map(|number| replays.note(number, &call.body, now)) {
            Some(None) => {
                self.say(found, "replayed", "the delivery came before");
                return Answer::DONE;
            }
            Some(Some(fingerprint)) => Some(fingerprint),
            None => None,
        };
        let answer = self.act(found, content).await;
        if !answer.status.is_success()
            && let Some(fingerprint) = fingerprint
        {
            replays.forget(&fingerprint);
        }
        answer
    }

    /// Waits until a body of that size may be read; what is answered is held until the call is done.
    async fn room(&self, bytes: usize) -> Result<Option<SemaphorePermit<'_>>, Elapsed> {
        if bytes <= SMALL_BODY {
            return Ok(None);
        }
        let units = u32::try_from(bytes.div_ceil(SMALL_BODY).min(LARGE_BODIES)).unwrap_or(1);
        let permit = tokio::time::timeout(PATIENCE, self.large_bodies.acquire_many(units)).await?;
        // It is never closed.
        Ok(permit.ok())
    }

    /// Does what a genuine call asks for.
    async fn act(&self, found: &Found, content: Option<Content>) -> Answer {
        let receiver = &found.receiver;
        let report = self.reconciler.run(receiver, content.clone()).await;
        if report.unavailable > 0 {
            return self.keep(found, content).await;
        }
        let answer = judge(&report);
        let (outcome, words) = match (answer, report.asked) {
            (Answer::DONE, 0) => ("filtered", "the call touches no object"),
            (Answer::DONE, _) => ("accepted", "reconciliation requested"),
            _ => ("failed", "reconciliation could not be requested"),
        };
        self.say(found, outcome, words);
        answer
    }

    async fn keep(&self, found: &Found, content: Option<Content>) -> Answer {
        let unavailable = Answer::later(StatusCode::SERVICE_UNAVAILABLE, 5);
        let content =
            content.map(|Content { payload, claims }| kept::Content::Call { payload, claims });
        let text = content.as_ref().map(kept::Content::to_json);
        if text == Some(None) {
            self.say(
                found,
                "failed",
                "the call is too large to be kept for later",
            );
            return unavailable;
        }
        let now = self.clock.now();
        let call = NewKeptCall {
            receiver: found.receiver.key.clone(),
            receiver_uid: found.receiver.uid.clone(),
            content: text.flatten(),
            accepted_at: now,
            due_at: now,
        };
        match self.kept.keep(call).await {
            Ok(_) => {
                self.say(found, "kept", "the call is kept and will be tried again");
                Answer::of(StatusCode::ACCEPTED)
            }
            Err(error) => {
                tracing::warn!(logger = "receiver-server", %error, "keeping a call failed");
                self.say(found, "failed", "the call could not be kept for later");
                unavailable
            }
        }
    }

    fn refuse(&self, found: &Found, outcome: &'static str, words: &str) -> Answer {
        self.say(found, outcome, words);
        Answer::of(StatusCode::SERVICE_UNAVAILABLE)
    }

    fn reject(&self, found: &Found, rejection: &Rejection) -> Answer {
        let kind = found.kind.name;
        self.metrics.call(kind, "rejected");
        self.metrics.rejection(kind, rejection.label());
        tracing::warn!(
            logger = "receiver-server",
            "reconciler kind" = "Receiver",
            name = found.receiver.key.name,
            namespace = found.receiver.key.namespace,
            error = %rejection,
            "unable to validate payload"
        );
        Answer::REJECTED
    }

    fn say(&self, found: &Found, outcome: &'static str, words: &str) {
        self.metrics.call(found.kind.name, outcome);
        tracing::info!(
            logger = "receiver-server",
            "reconciler kind" = "Receiver",
            name = found.receiver.key.name,
            namespace = found.receiver.key.namespace,
            outcome,
            "{words}"
        );
    }
}

/// The status that follows from what became of the objects.
fn judge(report: &Report) -> Answer {
    let Report {
        asked,
        filtered,
        missing,
        unusable,
        failed,
        unavailable: _,
    } = *report;
    if unusable > 0 {
        // Senders show it, and nothing else tells.
        return Answer::FAILED;
    }
    if asked > 0 {
        return Answer::DONE;
    }
    if failed > 0 || (missing > 0 && filtered == 0) {
        return Answer::FAILED;
    }
    Answer::DONE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_missing_object_does_not_spoil_the_others() {
        let judged = |asked, filtered, missing, unusable, failed| {
            let report = Report {
                asked,
                filtered,
                missing,
                unusable,
                failed,
                unavailable: 0,
            };
            judge(&report).status.as_u16()
        };
        assert_eq!(judged(1, 0, 0, 0, 0), 200);
        assert_eq!(judged(1, 0, 1, 0, 0), 200);
        assert_eq!(judged(0, 1, 1, 0, 0), 200);
        assert_eq!(judged(0, 0, 1, 0, 0), 500);
        assert_eq!(judged(0, 0, 0, 0, 0), 200);
        assert_eq!(judged(1, 0, 0, 1, 0), 500);
        assert_eq!(judged(1, 0, 0, 0, 1), 200);
        assert_eq!(judged(0, 1, 0, 0, 1), 500);
    }
}
