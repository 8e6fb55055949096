//! Opens and resolves incidents in PagerDuty, and records changes.
//!
//! | Field | Use |
//! |---|---|
//! | `address` | `https://events.pagerduty.com`, or `https://events.eu.pagerduty.com` (required; here or in the Secret). Only scheme, host and port count |
//! | `channel` | integration key of a service's Events API v2 integration, or |
//! | Secret `token` | the same, where it is no secret for everybody who may read Providers |
//! | `certSecretRef`, `proxySecretRef` | honoured |
//!
//! An event of severity `error` triggers an alert under the object's uid, so that there is one per
//! object, whatever goes wrong. Any other event resolves it, and one of severity `info` is recorded as
//! a change as well.
//! Events with reason `Progressing` are not sent, and others that say that something is still under
//! way resolve nothing.
//! What was resolved is not resolved again until the object fails the next time. An object without
//! uid gets the key that PagerDuty made for its first alert.
//!
//! PagerDuty takes 1,024 characters of summary and 512 KB in all; longer messages are cut in the
//! middle. It answers before it processes: what it finds wrong later shows in PagerDuty only.
//!
//! PagerDuty's documentation: <https://developer.pagerduty.com/docs/events-api-v2-overview>.
//!
//! ```yaml
//! apiVersion: notification.toolkit.fluxcd.io/v1beta3
//! kind: Provider
//! metadata:
//!   name: pagerduty
//!   namespace: flux-system
//! spec:
//!   type: pagerduty
//!   address: https://events.pagerduty.com
//!   secretRef:
//!     name: pagerduty-integration-key
//! ```

mod body;

use api::{Problem, Provider, Secret};
use domain::Capabilities;
use domain::Notification;
use domain::delivery::{Failure, FailureClass, Receipt, Remembered};
use domain::provider::Progressing;
use futures::future::BoxFuture;
use outbound::HttpResponse;
use serde::Serialize;
use serde_json::Value;
use url::Url;

use crate::kind::{Guarantee, Protocol};
use crate::shared::address;
use crate::shared::answer::{self, Complaint};
use crate::shared::incident::{CAPABILITIES, Ledger, Turn};
use crate::shared::json_post::json_post;
use crate::{AttemptContext, ConfigError, Notifier, ProviderKind, ProviderSettings};

pub(crate) const KIND: ProviderKind = ProviderKind {
    name: "pagerduty",
    title: "PagerDuty",
    capabilities: Capabilities {
        progressing: Progressing::Skipped,
        ..CAPABILITIES
    },
    // Alerts have a key, changes have none.
    guarantee: Guarantee::AtLeastOnce,
    protocol: Protocol::Http,
    check,
    build: |settings| Ok(Box::new(PagerDuty::new(settings)?) as Box<dyn Notifier>),
    page: include_str!("pagerduty.rs"),
};

/// How many open alerts of one object are remembered: more than one only if the object was made anew
/// while it failed.
const MOST_OPEN: usize = 8;

const NO_KEY: &str =
    "no routing key: set spec.channel or the key `token` of the Secret in spec.secretRef";

fn check(provider: &Provider) -> Vec<Problem> {
    let hint = "for example https://events.pagerduty.com";
    let mut problems = address::check_with(provider, address::http_url, hint);
    if provider.channel.trim().is_empty() && provider.secret.is_none() {
        problems.push(Problem::error("spec.channel", NO_KEY));
    }
    problems
}

struct PagerDuty {
    alerts: Url,
    changes: Url,
    routing_key: Secret<String>,
    ledger: Ledger,
}

impl PagerDuty {
    fn new(settings: &ProviderSettings) -> Result<Self, ConfigError> {
        let channel = settings.provider.spec.channel.trim();
        let routing_key = if channel.is_empty() {
            let token = settings.token.clone();
            token.ok_or_else(|| ConfigError::new(NO_KEY))?
        } else {
            Secret::new(channel.to_owned())
        };
        let url = settings.url()?;
        let alerts = address::at_origin(&url, "/v2/enqueue");
        Ok(Self {
            changes: address::at_origin(&url, "/v2/change/enqueue"),
            ledger: Ledger::new("pagerduty", settings, &alerts, routing_key.expose()),
            alerts,
            routing_key,
        })
    }

    /// Posts one event; gives what was answered.
    async fn post(
        &self,
        url: &Url,
        body: &impl Serialize,
        context: &AttemptContext<'_>,
    ) -> Result<(HttpResponse, Value), Failure> {
        let response = context.send(json_post(url, body)?).await?;
        let read = answer::read(&response, context.clock, KIND.title, |said: Value| {
            // The answer to a success has the status `success`.
            let is_error = answer::text(&said, "status")? != "success";
            let reasons = answer::texts(&said, &["status", "message", "errors"]);
            Complaint::of(&reasons).filter(|_| is_error)
        });
        match read {
            Ok(said) => Ok((response, said)),
            Err(failure) => Err(judge_refusal(failure, &response)),
        }
    }

    /// Opens the alert of a failing object; gives all keys that are open then.
    async fn trigger(
        &self,
        notification: &Notification,
        mut open: Vec<String>,
        context: &AttemptContext<'_>,
    ) -> Result<(HttpResponse, Vec<String>), Failure> {
        // Without a uid, the key that PagerDuty made last time.
        let key = body::dedup_key(&notification.event).or_else(|| open.last().cloned());
        let trigger = body::trigger(self.routing_key.expose(), key.as_deref(), notification);
        let (response, said) = self.post(&self.alerts, &trigger, context).await?;
        let made = answer::text(&said, "dedup_key").filter(|key| body::is_key(key));
        let key = key.or_else(|| made.map(str::to_owned));
        if let Some(key) = key {
            open.retain(|known| *known != key);
            open.push(key);
        }
        let too_many = open.len().saturating_sub(MOST_OPEN);
        open.drain(..too_many);
        Ok((response, open))
    }
}

/// A key that PagerDuty does not know is a fault of the configuration, not of the event.
fn judge_refusal(failure: Failure, response: &HttpResponse) -> Failure {
    let said = String::from_utf8_lossy(&response.body).to_lowercase();
    let is_about_key = said.contains("routing_key") || said.contains("routing key");
    match failure.class {
        FailureClass::Rejected if is_about_key => Failure {
            class: FailureClass::Misconfigured,
            ..failure
        },
        _ => failure,
    }
}

impl Notifier for PagerDuty {
    fn hidden(&self) -> Vec<&str> {
        vec![self.routing_key.expose()]
    }

    fn notify<'a>(
        &'a self,
        notification: &'a Notification,
        context: &'a AttemptContext<'a>,
    ) -> BoxFuture<'a, Result<Receipt, Failure>> {
        Box::pin(async move {
            let event = &notification.event;
            let key = self.ledger.key(notification);
            let known = context.memory.recall(&key).await;
            let known: Option<Vec<String>> =
                known.and_then(|text| serde_json::from_str(&text).ok());
            let mut last = None;
            let turn = Turn::of(event);
            let open = match turn {
                Turn::Fails => {
                    let known = known.unwrap_or_default();
                    let (response, open) = self.trigger(notification, known, context).await?;
                    last = Some(response);
                    Some(open)
                }
                Turn::Recovers => {
                    // What others may have opened is resolved too, once.
                    let keys =
                        known.unwrap_or_else(|| body::dedup_key(event).into_iter().collect());
                    for key in &keys {
                        let resolve = body::resolve(self.routing_key.expose(), key);
                        let (response, _) = self.post(&self.alerts, &resolve, context).await?;
                        last = Some(response);
                    }
                    (!keys.is_empty()).then(Vec::new)
                }
                Turn::Neither => None,
            };
            if event.severity == api::event::SEVERITY_INFO {
                let change = body::change(self.routing_key.expose(), notification);
                let (response, _) = self.post(&self.changes, &change, context).await?;
                last = Some(response);
            }
            // Lists of texts always serialise.
            let remember = open.and_then(|open| serde_json::to_string(&open).ok());
            let remember = remember.map(|value| Remembered { key, value });
            Ok(Receipt {
                status: last.as_ref().map(|response| response.status.as_u16()),
                unchanged: last.is_none(),
                remember: remember.into_iter().collect(),
            })
        })
    }
}
