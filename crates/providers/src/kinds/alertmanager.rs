//! Fires alerts in Prometheus' Alertmanager and resolves them.
//!
//! | Field | Use |
//! |---|---|
//! | `address` | the alerts of API version 2, `https://<your Alertmanager>/api/v2/alerts` (required; here or in the Secret) |
//! | Secret `username`, `password` | Basic authentication; the user name may also be `spec.username`, or |
//! | Secret `token` | a bearer token. User name and password win |
//! | `certSecretRef`, `proxySecretRef` | honoured |
//!
//! Every event fires an alert, as in Flux. Its labels are `alertname`
//! (`Flux<Kind><Reason>`, the reason with a capital first letter and the rest in lower case),
//! `severity`, `reason`, `kind`, `name`, `namespace`, `reportingcontroller`, and the metadata.
//! What changes with every deployment would make every repetition another alert, so `revision`,
//! `originRevision`, `commit`, `app-version`, `oci-digest` and values that are timestamps are
//! annotations, like `summary` and the event's `message`.
//! Characters that label names cannot have become `_`.
//!
//! An informational event also resolves the alerts that earlier errors of its object fired through
//! this Provider, whatever their reason was; events that say that something is still under way
//! resolve nothing.
//! So let informational events through (`eventSeverity: info`), and tell Alertmanager apart what
//! should wake somebody: a route that matches `severity="error"`.
//! What is not resolved ends after Alertmanager's `resolve_timeout`, 5 minutes by default. Flux
//! repeats an error at every failed attempt: set the timeout above your longest `retryInterval`.
//!
//! The last 16 firing alerts of an object are remembered, as far as their labels take 32 KiB. Label
//! values are cut at 1,024 characters.
//!
//! Alertmanager's documentation: <https://prometheus.io/docs/alerting/latest/alerts_api/>.
//!
//! ```yaml
//! apiVersion: notification.toolkit.fluxcd.io/v1beta3
//! kind: Provider
//! metadata:
//!   name: alertmanager
//!   namespace: flux-system
//! spec:
//!   type: alertmanager
//!   address: http://alertmanager.monitoring.svc:9093/api/v2/alerts
//! ```

mod labels;
mod open;

use std::collections::BTreeMap;

use api::{Event, Problem, Provider};
use domain::Notification;
use domain::delivery::{Failure, Receipt, Remembered};
use domain::ports::Clock;
use futures::future::BoxFuture;
use http::HeaderValue;
use http::header::AUTHORIZATION;
use jiff::Timestamp;
use outbound::HttpResponse;
use serde::Serialize;
use serde_json::Value;
use url::Url;

use crate::kind::{Guarantee, Protocol};
use crate::shared::answer::{self, Complaint};
use crate::shared::incident::{CAPABILITIES, Ledger, Turn};
use crate::shared::json_post::json_post;
use crate::shared::{address, authorization};
use crate::{AttemptContext, ConfigError, Notifier, ProviderKind, ProviderSettings};

use open::{Firing, Open};

pub(crate) const KIND: ProviderKind = ProviderKind {
    name: "alertmanager",
    title: "Alertmanager",
    capabilities: CAPABILITIES,
    // Alerts with the same labels are the same alert.
    guarantee: Guarantee::ExactlyOnce,
    protocol: Protocol::Http,
    check,
    build: |settings| Ok(Box::new(Alertmanager::new(settings)?) as Box<dyn Notifier>),
    page: include_str!("alertmanager.rs"),
};

/// No time at all, which Alertmanager takes for "not said".
const NEVER: &str = "0001-01-01T00:00:00Z";

fn check(provider: &Provider) -> Vec<Problem> {
    let mut problems = address::check_url(provider);
    if provider
        .address
        .trim_end_matches('/')
        .ends_with("/api/v1/alerts")
    {
        problems.push(
            Problem::warning("spec.address", "names version 1 of the API, which is gone")
                .with_hint("end the address in /api/v2/alerts"),
        );
    }
    problems
}

struct Alertmanager {
    url: Url,
    authorization: Option<HeaderValue>,
    ledger: Ledger,
}

#[derive(Serialize)]
struct WireAlert<'a> {
    /// Not part of the API, but what the reference sends and other receivers may read.
    status: &'static str,
    labels: &'a BTreeMap<String, String>,
    annotations: &'a BTreeMap<String, String>,
    #[serde(rename = "startsAt")]
    starts_at: String,
    #[serde(rename = "endsAt")]
    ends_at: String,
}

impl Alertmanager {
    fn new(settings: &ProviderSettings) -> Result<Self, ConfigError> {
        let authorization = match authorization::basic(settings)? {
            Some(pair) => Some(pair),
            None => authorization::bearer(settings)?,
        };
        let url = settings.url()?;
        Ok(Self {
            ledger: Ledger::new("alertmanager", settings, &url, ""),
            url,
            authorization,
        })
    }

    /// Sends the alert of the event itself and the end of those that it resolves.
    async fn send(
        &self,
        notification: &Notification,
        resolved: &[Firing],
        context: &AttemptContext<'_>,
    ) -> Result<HttpResponse, Failure> {
        let event = &notification.event;
        let labels = labels::labels(event);
        let annotations = labels::annotations(event);
        let now = context.clock.now();
        let mut alerts = vec![WireAlert {
            status: "firing",
            labels: &labels,
            annotations: &annotations,
            starts_at: print(began(event, now)),
            ends_at: NEVER.to_owned(),
        }];
        alerts.extend(resolved.iter().map(|firing| {
            let (starts_at, ends_at) = span(firing, event, now);
            WireAlert {
                status: "resolved",
                labels: &firing.labels,
                annotations: &annotations,
                starts_at: print(starts_at),
                ends_at: print(Some(ends_at)),
            }
        }));
        let mut request = json_post(&self.url, &alerts)?;
        if let Some(authorization) = &self.authorization {
            request.headers.insert(AUTHORIZATION, authorization.clone());
        }
        let response = context.send(request).await?;
        judge(&response, context.clock)?;
        Ok(response)
    }
}

/// When an alert began. Alertmanager refuses what begins after it would end by itself, so the clock of
/// a sender that is ahead does not count.
fn began(event: &Event, now: Timestamp) -> Option<Timestamp> {
    event.timestamp.map(|time| time.min(now))
}

/// When an alert began and ended. An end in the future would keep it firing, and one before its
/// beginning would be refused, so clocks that go wrong are put right.
fn span(firing: &Firing, event: &Event, now: Timestamp) -> (Option<Timestamp>, Timestamp) {
    let starts_at = firing.starts_at.map(|starts_at| starts_at.min(now));
    let ends_at = event.timestamp.unwrap_or(now).min(now);
    let ends_at = starts_at.map_or(ends_at, |starts_at| ends_at.max(starts_at));
    (starts_at, ends_at)
}

fn print(time: Option<Timestamp>) -> String {
    time.map_or_else(|| NEVER.to_owned(), |time| time.to_string())
}

/// Alertmanager answers nothing at all; what stands before it may say 200 and mean no.
fn judge(response: &HttpResponse, clock: &dyn Clock) -> Result<(), Failure> {
    answer::judge(response, clock, KIND.title, |said: Value| {
        let reasons = answer::texts(&said, &["errorType", "error", "errors"]);
        let is_error = answer::text(&said, "status") == Some("error");
        let without_reason = || Complaint::of(&["error".to_owned()]).filter(|_| is_error);
        Complaint::of(&reasons).or_else(without_reason)
    })
}

impl Notifier for Alertmanager {
    fn notify<'a>(
        &'a self,
        notification: &'a Notification,
        context: &'a AttemptContext<'a>,
    ) -> BoxFuture<'a, Result<Receipt, Failure>> {
        Box::pin(async move {
            let event = &notification.event;
            let key = self.ledger.key(notification);
            let turn = Turn::of(event);
            let mut open = match turn {
                Turn::Neither => Open::default(),
                _ => Open::recall(context.memory.recall(&key).await),
            };
            let resolved = match turn {
                Turn::Recovers => open.take(),
                _ => Vec::new(),
            };
            let response = self.send(notification, &resolved, context).await?;
            if turn == Turn::Fails {
                let began = began(event, context.clock.now());
                open.add(labels::labels(event), began);
            }
            // Healthy objects need no memory.
            let remember = match turn {
                Turn::Fails => Some(open.remember()),
                Turn::Recovers if !resolved.is_empty() => Some(open.remember()),
                _ => None,
            };
            let remember = remember.map(|value| Remembered { key, value });
            Ok(Receipt {
                status: Some(response.status.as_u16()),
                unchanged: false,
                remember: remember.into_iter().collect(),
            })
        })
    }
}

#[cfg(test)]
mod tests;
