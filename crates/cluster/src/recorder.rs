//! Tells owners of Alerts through Kubernetes Events what went wrong, and owners of Receivers what
//! became of theirs.
//!
//! Plain core/v1 Events, created and patched, since that is what Flux's role grants. What repeats is
//! counted in one Event; there is a bound on how many an object gets. Texts are bounded, and redacted
//! before they come here.

mod series;

use std::sync::Arc;
use std::time::Duration;

use api::{GROUP, ObjectKey};
use domain::delivery::{DeliveryState, FailureClass};
use domain::ports::{Clock, Notice};
use domain::receiver::status::Notice as ReceiverNotice;
use jiff::Timestamp;
use kube::core::ApiResource;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::Client;
use crate::resource;
use crate::status::FIELD_MANAGER;
use crate::watch::failure_of;
use crate::world::World;

use series::{Ledger, Step};

/// Reports that wait to be written; more are not told.
const BACKLOG: usize = 256;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The pause between two writes, so that a bad day does not become the API server's.
const PACE: Duration = Duration::from_millis(200);

/// The longest text of an Event, in bytes.
const LONGEST_MESSAGE: usize = 1024;

/// The reference gives up after four retries, and then tells; so many attempts are as telling.
const TELLING_ATTEMPTS: u32 = 5;

/// Who reports; the same name as the reference's, for those who filter by it.
const COMPONENT: &str = "notification-controller";

/// An object whose owner is told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    Alert(ObjectKey),
    Receiver(ObjectKey),
}

impl Subject {
    fn key(&self) -> &ObjectKey {
        match self {
            Self::Alert(key) | Self::Receiver(key) => key,
        }
    }

    fn resource(&self) -> ApiResource {
        match self {
            Self::Alert(_) => resource::alerts(),
            Self::Receiver(_) => resource::receivers(),
        }
    }

    /// Its uid, if it exists.
    fn uid(&self, world: &World) -> Option<String> {
        let observed = match self {
            Self::Alert(key) => world.alerts.get(key).map(|record| &record.observed),
            Self::Receiver(key) => world.receivers.get(key).map(|record| &record.observed),
        };
        observed.map(|observed| observed.uid.clone())
    }
}

/// Something to tell the owner of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) about: Subject,
    pub(crate) is_warning: bool,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

impl Report {
    /// What to tell of a delivery, if it is worth telling; wording as in the reference
    /// (`providers-common.md` C13).
    pub(crate) fn of(notice: &Notice<'_>) -> Option<Self> {
        let class = notice.class?;
        let is_worth_it = match notice.state {
            DeliveryState::Failed => true,
            DeliveryState::Parked => notice.attempts == 1,
            DeliveryState::Pending => notice.attempts == TELLING_ATTEMPTS,
            _ => false,
        };
        if !is_worth_it {
            return None;
        }
        let object = notice.event.map_or_else(
            || "an event that cannot be read any more".to_owned(),
            |event| {
                let object = &event.event().involved_object;
                format!("{}/{}/{}", object.kind, object.namespace, object.name)
            },
        );
        let detail = notice.detail;
        let was_sent = class != FailureClass::Misconfigured || notice.status.is_some();
        let message = if was_sent {
            format!("failed to send notification for {object}: {detail}")
        } else {
            format!(
                "failed to dispatch notification for {object}: failed to initialize notifier for \
                 provider '{}': {detail}",
                notice.delivery.provider.name
            )
        };
        Some(Self {
            about: Subject::Alert(notice.delivery.alert.clone()),
            is_warning: true,
            reason: "NotificationDispatchFailed",
            message: cut(message),
        })
    }

    /// What to tell of a Receiver that was looked at.
    pub(crate) fn of_receiver(receiver: &ObjectKey, notice: ReceiverNotice) -> Self {
        Self {
            about: Subject::Receiver(receiver.clone()),
            is_warning: notice.is_warning,
            reason: notice.reason,
            message: cut(notice.message),
        }
    }
}

fn cut(mut text: String) -> String {
    if text.len() > LONGEST_MESSAGE {
        let end = text.floor_char_boundary(LONGEST_MESSAGE - '…'.len_utf8());
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Takes reports; cheap, and never waits.
#[derive(Clone)]
pub(crate) struct Reporter(mpsc::Sender<Report>);

impl Reporter {
    /// Tells, if there is room.
    pub(crate) fn tell(&self, report: Report) {
        // With so much to tell, one more Event would not be read either.
        let _ = self.0.try_send(report);
    }
}

/// Writes Events.
pub(crate) struct Recorder {
    pub(crate) reports: mpsc::Receiver<Report>,
}

/// A reporter and the recorder that it reports to.
pub(crate) fn channel() -> (Reporter, Recorder) {
    let (sender, reports) = mpsc::channel(BACKLOG);
    (Reporter(sender), Recorder { reports })
}

impl Recorder {
    /// Writes until dropped.
    pub(crate) async fn run(
        mut self,
        client: Client,
        clock: Arc<dyn Clock>,
        world: watch::Receiver<Arc<World>>,
    ) {
        let mut ledger = Ledger::default();
        while let Some(report) = self.reports.recv().await {
            let known = report.about.uid(&world.borrow());
            let Some(uid) = known else { continue };
            let now = clock.now();
            let step = ledger.note(&report, now);
            let path = format!("/api/v1/namespaces/{}/events", report.about.key().namespace);
            let written = match &step {
                Step::Nothing => continue,
                Step::Create(name) => {
                    let event = event(&report, name, &uid, now);
                    send(&client, http::Method::POST, &path, &event).await
                }
                Step::Count(name, count) => {
                    let patch = json!({"count": count, "lastTimestamp": time(now)});
                    send(
                        &client,
                        http::Method::PATCH,
                        &format!("{path}/{name}"),
                        &patch,
                    )
                    .await
                }
            };
            if let Err(reason) = written {
                // The next report of the same begins anew.
                ledger.forget(&report);
                tracing::debug!(
                    logger = "runtime",
                    error = reason,
                    "writing a Kubernetes Event failed"
                );
            }
            tokio::time::sleep(PACE).await;
        }
    }
}

async fn send(
    client: &Client,
    method: http::Method,
    path: &str,
    body: &Value,
) -> Result<(), String> {
    let is_patch = method == http::Method::PATCH;
    let content = if is_patch {
        "application/merge-patch+json"
    } else {
        "application/json"
    };
    let request = http::Request::builder()
        .method(method)
        .uri(format!("{path}?fieldManager={FIELD_MANAGER}"))
        .header(http::header::CONTENT_TYPE, content)
        .body(body.to_string().into_bytes())
        .map_err(|error| error.to_string())?;
    match timeout(PATIENCE, client.request_text(request)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(failure_of(&error).reason),
        Err(_) => Err("no answer".to_owned()),
    }
}

fn event(report: &Report, name: &str, uid: &str, now: Timestamp) -> Value {
    let (key, resource) = (report.about.key(), report.about.resource());
    json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": key.namespace},
        "involvedObject": {
            "apiVersion": format!("{GROUP}/{}", resource.version),
            "kind": resource.kind,
            "namespace": key.namespace,
            "name": key.name,
            "uid": uid,
        },
        "type": if report.is_warning { "Warning" } else { "Normal" },
        "reason": report.reason,
        "message": report.message,
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "firstTimestamp": time(now),
        "lastTimestamp": time(now),
        "count": 1,
    })
}

fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use domain::delivery::{Content, Lane, Position};
    use domain::{Delivery, DeliveryId};

    use super::*;

    fn told(
        state: DeliveryState,
        class: FailureClass,
        attempts: u32,
        status: Option<u16>,
        detail: &str,
    ) -> Option<String> {
        let delivery = Delivery {
            id: DeliveryId {
                position: Position(1),
                ordinal: 0,
            },
            lane: Lane(1),
            provider: ObjectKey::new("flux-system", "slack"),
            alert: ObjectKey::new("flux-system", "on-call"),
            accepted_at: Timestamp::UNIX_EPOCH,
            supersede_key: None,
            content: Content::default(),
        };
        let notice = Notice {
            delivery: &delivery,
            event: None,
            state,
            attempts,
            class: Some(class),
            status,
            detail,
            at: Timestamp::UNIX_EPOCH,
        };
        Report::of(&notice).map(|report| report.message)
    }

    #[test]
    fn words_say_whether_anything_was_sent() {
        let object = "an event that cannot be read any more";
        assert_eq!(
            told(
                DeliveryState::Failed,
                FailureClass::Rejected,
                1,
                Some(400),
                "no"
            ),
            Some(format!("failed to send notification for {object}: no"))
        );
        assert_eq!(
            told(
                DeliveryState::Parked,
                FailureClass::Misconfigured,
                1,
                Some(401),
                "no"
            ),
            Some(format!("failed to send notification for {object}: no"))
        );
        assert_eq!(
            told(
                DeliveryState::Parked,
                FailureClass::Misconfigured,
                1,
                None,
                "no"
            ),
            Some(format!(
                "failed to dispatch notification for {object}: failed to initialize notifier for \
                 provider 'slack': no"
            ))
        );
    }

    #[test]
    fn a_retry_is_not_worth_an_event_and_many_are_worth_one() {
        let pending = |attempts| {
            told(
                DeliveryState::Pending,
                FailureClass::Unreachable,
                attempts,
                None,
                "",
            )
            .is_some()
        };
        assert!((1..5).all(|attempts| !pending(attempts)));
        assert!(pending(5));
        assert!((6..100).all(|attempts| !pending(attempts)));
    }

    #[test]
    fn texts_are_bounded() {
        let long = "ü".repeat(10_000);
        let text = told(
            DeliveryState::Failed,
            FailureClass::Rejected,
            1,
            None,
            &long,
        )
        .unwrap();
        assert!(text.len() <= LONGEST_MESSAGE && text.ends_with('…'));
    }
}
