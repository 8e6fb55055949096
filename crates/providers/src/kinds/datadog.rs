//! Posts events to Datadog.
//!
//! | Field | Use |
//! |---|---|
//! | `address` | API of your Datadog site, such as `https://api.datadoghq.eu`; default `https://api.datadoghq.com`. Only scheme, host and port count |
//! | Secret `token` | an API key, not an application key (required) |
//! | `certSecretRef`, `proxySecretRef` | honoured |
//!
//! An event of severity `error` is an `error` in Datadog, any other `info`.
//! Tags are `flux_reporting_controller`, `flux_reason`, `kube_kind`, `kube_name`, `kube_namespace` and
//! the metadata, sorted; all in lower case, as Datadog shows them.
//!
//! Datadog takes 4,000 characters of text, which are cut in the middle, 500 of title, and tags of 200
//! characters. It refuses events that are too old.
//!
//! Datadog's documentation: <https://docs.datadoghq.com/api/latest/events/#post-an-event>.
//!
//! ```yaml
//! apiVersion: notification.toolkit.fluxcd.io/v1beta3
//! kind: Provider
//! metadata:
//!   name: datadog
//!   namespace: flux-system
//! spec:
//!   type: datadog
//!   address: https://api.datadoghq.eu
//!   secretRef:
//!     name: datadog-api-key
//! ```

use std::time::Duration;

use api::{Event, Problem, Provider};
use domain::delivery::{Failure, FailureClass};
use domain::ports::Clock;
use domain::{Capabilities, Family, Notification};
use http::HeaderValue;
use http::header::ACCEPT;
use outbound::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::Value;
use url::Url;

use crate::kind::{Guarantee, Protocol};
use crate::shared::answer::{self, Complaint};
use crate::shared::json_post::json_post;
use crate::shared::truncate::{self, Unit};
use crate::shared::{address, incident};
use crate::{ConfigError, Notifier, OneRequest, ProviderKind, ProviderSettings};

pub(crate) const KIND: ProviderKind = ProviderKind {
    name: "datadog",
    title: "Datadog",
    capabilities: Capabilities {
        family: Family::Stream,
        ..incident::CAPABILITIES
    },
    guarantee: Guarantee::AtLeastOnce,
    protocol: Protocol::Http,
    check,
    build: |settings| Ok(Box::new(Datadog::new(settings)?) as Box<dyn Notifier>),
    page: include_str!("datadog.rs"),
};

/// Where events go if the Provider says nothing, as in the reference.
const DEFAULT_SITE: &str = "https://api.datadoghq.com";

/// "Limited to 4000 characters", <https://docs.datadoghq.com/api/latest/events/#post-an-event>.
const LONGEST_TEXT: usize = 4_000;

/// The limit of the newer API; the page of this one names none.
const LONGEST_TITLE: usize = 500;

/// <https://docs.datadoghq.com/getting_started/tagging/#define-tags>
const LONGEST_TAG: usize = 200;

const NO_KEY: &str = "no API key: put it into the key `token` of the Secret in spec.secretRef";

fn check(provider: &Provider) -> Vec<Problem> {
    let mut problems = address::check_secret(provider, NO_KEY);
    if provider.address.trim().is_empty() {
        return problems;
    }
    problems.extend(address::check_with(
        provider,
        events_url,
        "for example https://api.datadoghq.eu",
    ));
    if let Ok(url) = events_url(provider.address.trim())
        && url.host_str().is_some_and(|host| host.starts_with("app."))
    {
        problems.push(
            Problem::warning("spec.address", "is Datadog's web site, not its API")
                .with_hint("for example https://api.datadoghq.eu"),
        );
    }
    problems
}

/// Where events are posted, given an address of which only scheme, host and port count.
fn events_url(address: &str) -> Result<Url, ConfigError> {
    let address = if address.is_empty() {
        DEFAULT_SITE
    } else {
        address
    };
    let url = address::http_url(address)?;
    Ok(address::at_origin(&url, "/api/v1/events"))
}

struct Datadog {
    url: Url,
    key: HeaderValue,
}

#[derive(Serialize)]
struct NewEvent {
    alert_type: &'static str,
    /// Unix time in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    date_happened: Option<i64>,
    source_type_name: &'static str,
    tags: Vec<String>,
    text: String,
    title: String,
}

impl Datadog {
    fn new(settings: &ProviderSettings) -> Result<Self, ConfigError> {
        let key = settings.token.as_ref();
        let key = key.ok_or_else(|| ConfigError::new(NO_KEY))?;
        Ok(Self {
            url: events_url(settings.address.expose())?,
            key: ProviderSettings::secret_header(key.expose())?,
        })
    }
}

fn tags(event: &Event) -> Vec<String> {
    let object = &event.involved_object;
    let about = [
        ("flux_reporting_controller", &event.reporting_controller),
        ("flux_reason", &event.reason),
        ("kube_kind", &object.kind),
        ("kube_name", &object.name),
        ("kube_namespace", &object.namespace),
    ];
    let metadata = event.metadata.iter();
    about
        .into_iter()
        .chain(metadata.map(|(key, value)| (key.as_str(), value)))
        .map(|(key, value)| format!("{key}:{value}").to_lowercase())
        .map(|tag| truncate::head_in(&tag, LONGEST_TAG, Unit::Characters))
        .collect()
}

impl OneRequest for Datadog {
    fn request(&self, notification: &Notification) -> Result<HttpRequest, Failure> {
        let event = &notification.event;
        let object = &event.involved_object;
        let title = format!(
            "Events from the {} {}/{}",
            object.kind, object.name, object.namespace
        );
        let body = NewEvent {
            alert_type: if event.is_error() { "error" } else { "info" },
            date_happened: event.timestamp.map(jiff::Timestamp::as_second),
            source_type_name: "fluxcd",
            tags: tags(event),
            text: truncate::head_and_tail(&event.message, LONGEST_TEXT, Unit::Characters),
            title: truncate::head_in(&title, LONGEST_TITLE, Unit::Characters),
        };
        let mut request = json_post(&self.url, &body)?;
        let headers = &mut request.headers;
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert("dd-api-key", self.key.clone());
        Ok(request)
    }

    fn judge(&self, response: &HttpResponse, clock: &dyn Clock) -> Result<(), Failure> {
        let judged = answer::judge(response, clock, KIND.title, |said: Value| {
            Complaint::of(&answer::texts(&said, &["errors", "error"]))
        });
        judged.map_err(|failure| Failure {
            retry_after: failure.retry_after.or_else(|| reset(&failure, response)),
            ..failure
        })
    }
}

/// Seconds until a limit resets: <https://docs.datadoghq.com/api/latest/rate-limits/>.
fn reset(failure: &Failure, response: &HttpResponse) -> Option<Duration> {
    if failure.class != FailureClass::Throttled {
        return None;
    }
    let seconds = response.headers.get("x-ratelimit-reset")?.to_str().ok()?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}
