//! Opens alerts in Opsgenie and closes them.
//!
//! | Field | Use |
//! |---|---|
//! | `address` | `https://api.opsgenie.com/v2/alerts`, or `https://api.eu.opsgenie.com/v2/alerts` (required; here or in the Secret) |
//! | Secret `token` | key of an API integration that may create, update and read alerts (required) |
//! | `certSecretRef`, `proxySecretRef` | honoured |
//!
//! Every event opens an alert, as in Flux, informational ones too: message `<kind>/<name>`, the
//! event's message as description, the metadata and `severity` as details.
//! An informational event also closes the alerts that earlier errors of its object opened through this
//! Provider; events that say that something is still under way close nothing.
//! So let informational events through (`eventSeverity: info`), and tell Opsgenie to ignore alerts
//! whose detail `severity` is not `error` if nobody wants to see them.
//! Where a key may not read or update alerts, alerts are opened and stay open.
//!
//! The last 64 alerts of an object are remembered. Opsgenie takes 130 characters of message, 15,000 of
//! description and 8,000 of details; longer texts are cut.
//!
//! Opsgenie's documentation: <https://docs.opsgenie.com/docs/alert-api>.
//!
//! ```yaml
//! apiVersion: notification.toolkit.fluxcd.io/v1beta3
//! kind: Provider
//! metadata:
//!   name: opsgenie
//!   namespace: flux-system
//! spec:
//!   type: opsgenie
//!   address: https://api.opsgenie.com/v2/alerts
//!   secretRef:
//!     name: opsgenie-api-key
//! ```

use std::collections::BTreeMap;

use api::{Event, Problem, Provider};
use domain::Notification;
use domain::delivery::{Failure, Receipt, Remembered};
use futures::future::BoxFuture;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Method};
use outbound::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use crate::kind::{Guarantee, Protocol};
use crate::shared::fit::{self, Limits};
use crate::shared::incident::{CAPABILITIES, Ledger, Turn};
use crate::shared::json_post::set_json_body;
use crate::shared::truncate::{self, Unit};
use crate::shared::{address, answer};
use crate::{AttemptContext, ConfigError, Notifier, ProviderKind, ProviderSettings, classify};

pub(crate) const KIND: ProviderKind = ProviderKind {
    name: "opsgenie",
    title: "Opsgenie",
    capabilities: CAPABILITIES,
    guarantee: Guarantee::AtLeastOnce,
    protocol: Protocol::Http,
    check,
    build: |settings| Ok(Box::new(Opsgenie::new(settings)?) as Box<dyn Notifier>),
    page: include_str!("opsgenie.rs"),
};

/// <https://docs.opsgenie.com/docs/alert-api#create-alert>
const LONGEST_MESSAGE: usize = 130;
const LONGEST_DESCRIPTION: usize = 15_000;
const LONGEST_NOTE: usize = 25_000;
const DETAILS: Limits = Limits {
    unit: Unit::Characters,
    total: 8_000,
    text: 0,
    name: 8_000,
    value: 8_000,
    fields: 1_000,
    field_overhead: 0,
};

/// Severities are words, but nobody checks them.
const LONGEST_SEVERITY: usize = 100;

/// Ids of requests are UUIDs; what is longer is none and not remembered.
const LONGEST_ID: usize = 100;

/// How many open alerts of one object are remembered.
const MOST_OPEN: usize = 64;

const NO_KEY: &str = "no API key: put it into the key `token` of the Secret in spec.secretRef";

fn check(provider: &Provider) -> Vec<Problem> {
    let mut problems = address::check_with(
        provider,
        address::http_url,
        "for example https://api.opsgenie.com/v2/alerts",
    );
    problems.extend(address::check_secret(provider, NO_KEY));
    problems
}

struct Opsgenie {
    alerts: Url,
    authorization: HeaderValue,
    ledger: Ledger,
}

#[derive(Serialize)]
struct NewAlert {
    message: String,
    description: String,
    details: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Close {
    note: String,
}

impl NewAlert {
    fn of(event: &Event) -> Self {
        let object = &event.involved_object;
        let message = format!("{}/{}", object.kind, object.name);
        let severity = truncate::head_in(&event.severity, LONGEST_SEVERITY, Unit::Characters);
        let fixed = "severity".len() + severity.chars().count();
        let metadata = fit::sorted(&event.metadata, str::to_owned);
        let metadata = metadata.into_iter().filter(|(key, _)| key != "severity");
        let fitted = fit::fit("", metadata, fixed, &DETAILS);
        let mut details: BTreeMap<String, String> = fitted.fields.into_iter().collect();
        details.insert("severity".to_owned(), severity);
        Self {
            message: truncate::head_in(&message, LONGEST_MESSAGE, Unit::Characters),
            description: truncate::head_and_tail(
                &event.message,
                LONGEST_DESCRIPTION,
                Unit::Characters,
            ),
            details,
        }
    }
}

impl Opsgenie {
    fn new(settings: &ProviderSettings) -> Result<Self, ConfigError> {
        let key = settings.token.as_ref();
        let key = key.ok_or_else(|| ConfigError::new(NO_KEY))?;
        let alerts = settings.url()?;
        Ok(Self {
            ledger: Ledger::new("opsgenie", settings, &alerts, ""),
            alerts,
            authorization: ProviderSettings::secret_header(&format!("GenieKey {}", key.expose()))?,
        })
    }

    fn request(&self, method: Method, url: Url) -> HttpRequest {
        let mut request = HttpRequest::new(method, url);
        let authorization = self.authorization.clone();
        request.headers.insert(AUTHORIZATION, authorization);
        request
    }

    /// An address below that of all alerts.
    fn below(&self, segments: &[&str]) -> Url {
        let mut url = self.alerts.clone();
        // Fails only for URLs that cannot be a base, which HTTP ones can.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    async fn send(
        &self,
        request: HttpRequest,
        context: &AttemptContext<'_>,
    ) -> Result<(HttpResponse, Value), Failure> {
        let response = context.send(request).await?;
        classify::by_status(&response, context.clock.now())?;
        let said = serde_json::from_slice(&response.body).unwrap_or_default();
        Ok((response, said))
    }

    async fn create(
        &self,
        event: &Event,
        context: &AttemptContext<'_>,
    ) -> Result<(HttpResponse, Value), Failure> {
        let mut request = self.request(Method::POST, self.alerts.clone());
        set_json_body(&mut request, &NewAlert::of(event))?;
        self.send(request, context).await
    }

    /// Closes the alert that a request opened; gives whether that is settled. Opsgenie answers requests
    /// before it processes them, so the alert has to be asked for and may not be known yet.
    async fn close(
        &self,
        request_id: &str,
        event: &Event,
        context: &AttemptContext<'_>,
    ) -> Result<bool, Failure> {
        let look_up = self.request(Method::GET, self.below(&["requests", request_id]));
        let Some((_, said)) = settled(self.send(look_up, context).await)? else {
            return Ok(true);
        };
        let data = said.get("data").unwrap_or(&said);
        if data.get("isSuccess") == Some(&Value::Bool(false)) {
            // It never became an alert, for example because Opsgenie was told to ignore it.
            return Ok(true);
        }
        let Some(alert) = answer::text(data, "alertId").filter(|id| !id.is_empty()) else {
            return Ok(false);
        };
        let mut url = self.below(&[alert, "close"]);
        url.query_pairs_mut().append_pair("identifierType", "id");
        let mut request = self.request(Method::POST, url);
        let note = truncate::head_and_tail(&event.message, LONGEST_NOTE, Unit::Characters);
        set_json_body(&mut request, &Close { note })?;
        settled(self.send(request, context).await)?;
        Ok(true)
    }

    /// Closes what is open, the oldest first; gives what could not be closed yet. Leaves time to open
    /// the event's own alert.
    async fn close_all(
        &self,
        open: Vec<String>,
        event: &Event,
        context: &AttemptContext<'_>,
    ) -> Result<Vec<String>, Failure> {
        let time_left = || context.deadline.saturating_duration_since(Instant::now());
        let reserve = time_left() / 2;
        let mut left = Vec::new();
        for request_id in open {
            if time_left() < reserve || !self.close(&request_id, event, context).await? {
                left.push(request_id);
            }
        }
        Ok(left)
    }
}

/// A refusal to close is final and must not keep the event from being sent; everything else is tried
/// again.
fn settled<T>(result: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(failure) if failure.status.is_some() && !failure.class.blames_destination() => Ok(None),
        Err(failure) => Err(Failure {
            detail: format!("closing the alert: {}", failure.detail),
            ..failure
        }),
    }
}

impl Notifier for Opsgenie {
    fn notify<'a>(
        &'a self,
        notification: &'a Notification,
        context: &'a AttemptContext<'a>,
    ) -> BoxFuture<'a, Result<Receipt, Failure>> {
        Box::pin(async move {
            let event = &notification.event;
            let key = self.ledger.key(notification);
            let turn = Turn::of(event);
            let known = match turn {
                Turn::Neither => None,
                _ => context.memory.recall(&key).await,
            };
            let known = known.and_then(|text| serde_json::from_str::<Vec<String>>(&text).ok());
            let known = known.unwrap_or_default();
            let mut open = known.clone();
            if turn == Turn::Recovers {
                // First, because closing twice does no harm and opening twice does.
                open = self.close_all(open, event, context).await?;
            }
            let (response, said) = self.create(event, context).await?;
            if turn == Turn::Fails
                && let Some(request_id) = answer::text(&said, "requestId")
                && request_id.len() <= LONGEST_ID
            {
                open.push(request_id.to_owned());
                let too_many = open.len().saturating_sub(MOST_OPEN);
                open.drain(..too_many);
            }
            // Lists of texts always serialise.
            let value = serde_json::to_string(&open).unwrap_or_default();
            let remember = (open != known).then_some(Remembered { key, value });
            Ok(Receipt {
                status: Some(response.status.as_u16()),
                unchanged: false,
                remember: remember.into_iter().collect(),
            })
        })
    }
}
