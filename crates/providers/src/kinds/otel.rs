//! Sends each event as a span to an OpenTelemetry collector, over OTLP/HTTP.
//!
//! | Field | Use |
//! |---|---|
//! | `address` | URL of the collector, `http` or `https`; without a path `/v1/traces` is added, a query is dropped (required; here or in the Secret) |
//! | Secret `headers` | YAML map of extra headers, such as a tenant's |
//! | Secret `token`, or `password` | `Authorization: Bearer <token>`, or Basic credentials if there is a `username` too; an `Authorization` among the `headers` wins |
//! | `username` | user name of the Basic credentials |
//! | `certSecretRef` | honoured; it needs an `https` address |
//! | `proxySecretRef` | honoured |
//!
//! All events of one Alert about one revision share a trace: its id is made of the Alert's uid and the
//! revision, `<app-version>@<oci-digest>` if the metadata has both. Spans have no parent, so that
//! events show side by side whatever order they come in; span ids stay the same when a delivery is
//! repeated. A span is called `<Kind>: <namespace>/<name>`, starts when the event happened, ends when
//! it was accepted, and carries `object.uid`, `object.kind`, `object.name`, `object.namespace` and the
//! event's metadata. An `error` event has status ERROR with the event's message, any other OK.
//!
//! Events of Helm repositories (kind `HelmRepository`) are left out.
//! A collector that rejects the span, also if it does so within a success (`partial_success`), fails
//! the delivery with its reason.
//! `fanfare render` shows the numbers of fields and their texts, as `protoc --decode_raw` does.
//!
//! Protocol: <https://opentelemetry.io/docs/specs/otlp/#otlphttp>.
//!
//! ```yaml
//! apiVersion: notification.toolkit.fluxcd.io/v1beta3
//! kind: Provider
//! metadata:
//!   name: collector
//!   namespace: flux-system
//! spec:
//!   type: otel
//!   address: https://collector.example.com:4318
//! ```

mod answer;
mod span;

use api::{Problem, Provider};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use domain::delivery::Failure;
use domain::ports::Clock;
use domain::provider::Progressing;
use domain::{Capabilities, Family, Notification};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use outbound::{HttpRequest, HttpResponse};
use url::Url;

use crate::kind::Guarantee;
use crate::settings::headers;
use crate::shared::address;
use crate::{ConfigError, Notifier, OneRequest, ProviderKind, ProviderSettings};

pub(crate) const KIND: ProviderKind = ProviderKind {
    name: "otel",
    title: "OpenTelemetry traces",
    capabilities: Capabilities {
        family: Family::Trace,
        commit_status_updates: false,
        commit_status: false,
        change_request: false,
        progressing: Progressing::Sent,
        expires: false,
        skipped_kinds: &["HelmRepository"],
    },
    // A repeated span has the same ids.
    guarantee: Guarantee::AtLeastOnce,
    check,
    build: |settings| Ok(Box::new(Otel::new(settings)?) as Box<dyn Notifier>),
    page: include_str!("otel.rs"),
};

/// The content type of requests and answers.
const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");

/// Where collectors take traces.
const DEFAULT_PATH: &str = "/v1/traces";

const TLS_WITHOUT_HTTPS: &str = "insecure HTTP endpoint cannot use TLS client configuration";

fn check(provider: &Provider) -> Vec<Problem> {
    let mut problems = address::check_url(provider);
    let url = Url::parse(&provider.address).ok();
    let Some(url) = url.filter(|_| problems.is_empty()) else {
        return problems;
    };
    if url.scheme() == "http" && provider.certificate_secret.is_some() {
        problems.push(
            Problem::error("spec.certSecretRef", TLS_WITHOUT_HTTPS)
                .with_hint("use an https address, or remove certSecretRef"),
        );
    }
    if url.path() == "/" && names_a_path(&provider.address) {
        problems.push(
            Problem::warning("spec.address", "spans are sent to the path /")
                .with_hint("collectors take them at /v1/traces, which an address without a path gets; remove the slash at the end"),
        );
    }
    problems
}

/// Whether an address has a path, if only a slash; parsed URLs do not tell.
fn names_a_path(address: &str) -> bool {
    address
        .split_once("://")
        .is_some_and(|(_, rest)| rest.split(['?', '#']).next().unwrap_or(rest).contains('/'))
}

struct Otel {
    url: Url,
    headers: HeaderMap,
}

impl Otel {
    fn new(settings: &ProviderSettings) -> Result<Self, ConfigError> {
        let mut url = settings.url()?;
        if url.scheme() == "http" && settings.route.tls.is_some() {
            return Err(ConfigError::new(TLS_WITHOUT_HTTPS));
        }
        url.set_query(None);
        if !names_a_path(settings.address.expose()) {
            url.set_path(DEFAULT_PATH);
        }
        let mut headers = headers::to_http(&settings.headers)?;
        if !headers.contains_key(AUTHORIZATION)
            && let Some(authorization) = authorization(settings)
        {
            let value = ProviderSettings::secret_header(&authorization)?;
            headers.insert(AUTHORIZATION, value);
        }
        headers.insert(CONTENT_TYPE, PROTOBUF);
        Ok(Self { url, headers })
    }
}

fn authorization(settings: &ProviderSettings) -> Option<String> {
    let secret = settings.token_or_password()?.expose();
    Some(if settings.username.is_empty() {
        format!("Bearer {secret}")
    } else {
        let pair = format!("{}:{secret}", settings.username);
        format!("Basic {}", STANDARD.encode(pair))
    })
}

impl OneRequest for Otel {
    fn request(&self, notification: &Notification) -> Result<HttpRequest, Failure> {
        Ok(HttpRequest {
            method: Method::POST,
            url: self.url.clone(),
            headers: self.headers.clone(),
            body: Bytes::from(span::export_request(notification)),
        })
    }

    fn judge(&self, response: &HttpResponse, clock: &dyn Clock) -> Result<(), Failure> {
        answer::judge(response, clock.now())
    }
}
