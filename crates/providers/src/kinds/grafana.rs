//! Adds annotations to Grafana's graphs.
//!
//! | Field | Use |
//! |---|---|
//! | `address` | `https://<your Grafana>/api/annotations` (required; here or in the Secret) |
//! | Secret `token` | token of a service account that may write annotations, or |
//! | Secret `username`, `password` | a user who may; the user name may also be `spec.username`. The token wins |
//! | `certSecretRef`, `proxySecretRef` | honoured |
//!
//! The annotation's text is `<kind>/<name>.<namespace>`, as in Flux: the event's message is not sent.
//! Its tags are `flux`, the reporting controller, kind, name, namespace, and the metadata, sorted, as
//! `<key>: <value>`; a colon inside a key or value becomes `|`, since Grafana splits tags at colons.
//! Grafana dates the annotation when it arrives, so old information is not sent late.
//!
//! Grafana takes tags of 500 bytes in all unless its `[annotations] tags_length` says otherwise, and
//! keys and values of 100 characters.
//! Longer values are cut, and metadata that finds no room is counted in a last tag.
//!
//! Grafana's documentation:
//! <https://grafana.com/docs/grafana/latest/developers/http_api/annotations/>.
//!
//! ```yaml
//! apiVersion: notification.toolkit.fluxcd.io/v1beta3
//! kind: Provider
//! metadata:
//!   name: grafana
//!   namespace: flux-system
//! spec:
//!   type: grafana
//!   address: https://grafana.example.com/api/annotations
//!   secretRef:
//!     name: grafana-token
//! ```

use api::Event;
use domain::delivery::Failure;
use domain::{Capabilities, Family, Notification};
use http::HeaderValue;
use http::header::AUTHORIZATION;
use outbound::HttpRequest;
use serde::Serialize;
use url::Url;

use crate::kind::{Guarantee, Protocol};
use crate::shared::fit::{self, Limits};
use crate::shared::incident;
use crate::shared::json_post::json_post;
use crate::shared::title::title;
use crate::shared::truncate::{self, Unit};
use crate::shared::{address, authorization};
use crate::{ConfigError, Notifier, OneRequest, ProviderKind, ProviderSettings};

pub(crate) const KIND: ProviderKind = ProviderKind {
    name: "grafana",
    title: "Grafana annotations",
    capabilities: Capabilities {
        family: Family::Stream,
        // An annotation that comes late stands at the wrong place of the graph.
        expires: true,
        ..incident::CAPABILITIES
    },
    guarantee: Guarantee::AtLeastOnce,
    protocol: Protocol::Http,
    check: address::check_url,
    build: |settings| Ok(Box::new(Grafana::new(settings)?) as Box<dyn Notifier>),
    page: include_str!("grafana.rs"),
};

/// The column that holds texts takes 65,535 bytes in the smallest of Grafana's databases.
const LONGEST_TEXT: usize = 65_535;

/// The columns that hold keys and values of tags take 100 characters each.
const LONGEST_PART: usize = 100;

/// Bytes of all tags as a JSON list, `[annotations] tags_length` in
/// <https://grafana.com/docs/grafana/latest/setup-grafana/configure-grafana/#tags_length>.
const TAGS: Limits = Limits {
    unit: Unit::Bytes,
    total: 500,
    text: 0,
    name: 500,
    value: 500,
    fields: 500,
    // The separator, and what a tag costs in the list.
    field_overhead: ": ".len() + TAG_OVERHEAD,
};

/// Quotes and a comma.
const TAG_OVERHEAD: usize = 3;

/// Those around the list, less the comma that the last tag does not have.
const BRACKETS: usize = 1;

struct Grafana {
    url: Url,
    authorization: Option<HeaderValue>,
}

#[derive(Serialize)]
struct Annotation {
    /// Unix time in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    when: Option<i64>,
    text: String,
    tags: Vec<String>,
}

impl Grafana {
    fn new(settings: &ProviderSettings) -> Result<Self, ConfigError> {
        let authorization = match authorization::bearer(settings)? {
            Some(token) => Some(token),
            None => authorization::basic(settings)?,
        };
        Ok(Self {
            url: settings.url()?,
            authorization,
        })
    }
}

/// A key or value of a tag.
fn part(text: &str) -> String {
    truncate::head_in(text, LONGEST_PART, Unit::Characters)
}

/// A part of a tag that is always there. Names in Kubernetes are ASCII, so that bytes and characters
/// are the same; all of these together leave room below the limit whatever they hold.
fn fixed_part(text: &str) -> String {
    truncate::head(text, LONGEST_PART)
}

fn tags(event: &Event) -> Vec<String> {
    let object = &event.involved_object;
    let before = ["flux".to_owned(), fixed_part(&event.reporting_controller)];
    let after = [
        ("kind", &object.kind),
        ("name", &object.name),
        ("namespace", &object.namespace),
    ]
    .map(|(key, value)| format!("{key}: {}", fixed_part(value)));
    let fixed = before.iter().chain(&after);
    let fixed = BRACKETS + fixed.map(|tag| tag.len() + TAG_OVERHEAD).sum::<usize>();
    let metadata = fit::sorted(&event.metadata, |text| part(&text.replace(':', "|")));
    let fitted = fit::fit("", metadata, fixed, &TAGS).fields.into_iter();
    let metadata = fitted.map(|(key, value)| format!("{key}: {value}"));
    before.into_iter().chain(metadata).chain(after).collect()
}

impl OneRequest for Grafana {
    fn request(&self, notification: &Notification) -> Result<HttpRequest, Failure> {
        let event = &notification.event;
        let annotation = Annotation {
            when: event.timestamp.map(jiff::Timestamp::as_second),
            text: truncate::head_in(&title(event), LONGEST_TEXT, Unit::Bytes),
            tags: tags(event),
        };
        let mut request = json_post(&self.url, &annotation)?;
        if let Some(authorization) = &self.authorization {
            request.headers.insert(AUTHORIZATION, authorization.clone());
        }
        Ok(request)
    }
}
