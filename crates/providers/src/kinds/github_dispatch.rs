//! Starts workflows of a GitHub repository: sends the event as a `repository_dispatch`.
//!
//! | Field | Use |
//! |---|---|
//! | `address` | the repository, `https://github.com/owner/repository` or an SSH address (required) |
//! | Secret `token` (or `password`) | a token that may write the repository's contents |
//! | Secret `githubAppID`, `githubAppPrivateKey`, `githubAppInstallationOwner` or `githubAppInstallationID`, `githubAppBaseURL` | a GitHub App instead of a token |
//! | `certSecretRef`, `proxySecretRef` | honoured |
//!
//! The type of the dispatch is `<Kind>/<name>.<namespace>`, which a workflow names under
//! `on.repository_dispatch.types`; the event is its `client_payload`, with merged metadata.
//! GitHub takes types of at most 100 characters and payloads of less than 64 KB: longer types are
//! cut at their end, and of longer events the message is cut in the middle.
//!
//! API: <https://docs.github.com/en/rest/repos/repos#create-a-repository-dispatch-event>.
//!
//! ```yaml
//! apiVersion: notification.toolkit.fluxcd.io/v1beta3
//! kind: Provider
//! metadata:
//!   name: github-dispatch
//!   namespace: flux-system
//! spec:
//!   type: githubdispatch
//!   address: https://github.com/octo/fleet-infra
//!   secretRef:
//!     name: github
//! ```

use api::Event;
use bytes::Bytes;
use domain::delivery::{Failure, FailureClass, Receipt};
use domain::provider::Progressing;
use domain::{Capabilities, Family, Notification};
use futures::future::BoxFuture;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method};
use outbound::HttpRequest;
use serde::Serialize;

use crate::kind::{Guarantee, Protocol};
use crate::shared::fit::{self, Fitted, Limits};
use crate::shared::github_api::{self, GitHubApi};
use crate::shared::truncate::{self, Unit};
use crate::{AttemptContext, Notifier, ProviderKind, classify};

pub(crate) const KIND: ProviderKind = ProviderKind {
    name: "githubdispatch",
    title: "GitHub repository dispatch",
    capabilities: Capabilities {
        family: Family::Forward,
        commit_status_updates: false,
        commit_status: false,
        change_request: false,
        progressing: Progressing::Sent,
        expires: false,
        skipped_kinds: &[],
    },
    guarantee: Guarantee::AtLeastOnce,
    protocol: Protocol::Http,
    check: github_api::check,
    build: |settings| {
        let api = GitHubApi::new(settings)?;
        Ok(Box::new(Dispatch { api }) as Box<dyn Notifier>)
    },
    page: include_str!("github_dispatch.rs"),
};

/// Characters that a type may have.
const LONGEST_TYPE: usize = 100;

/// Bytes that the whole body may have: the payload must be smaller than 64 KB.
const LARGEST: usize = (64 << 10) - 1;

/// A metadata entry's quotation marks, colon and comma.
const ENTRY_OVERHEAD: usize = 6;

struct Dispatch {
    api: GitHubApi,
}

#[derive(Serialize)]
struct Body<'a> {
    event_type: &'a str,
    client_payload: &'a Event,
}

/// The body of the request.
fn body(event_type: &str, event: &Event) -> Result<Vec<u8>, serde_json::Error> {
    let render = |client_payload: &Event| {
        serde_json::to_vec(&Body {
            event_type,
            client_payload,
        })
    };
    let whole = render(event)?;
    if whole.len() <= LARGEST {
        return Ok(whole);
    }
    let frame = Event {
        message: String::new(),
        // One entry, so that the object around them counts.
        metadata: [(String::new(), String::new())].into(),
        ..event.clone()
    };
    let limits = Limits {
        unit: Unit::JsonBytes,
        total: LARGEST,
        text: LARGEST,
        name: LARGEST,
        value: LARGEST,
        fields: usize::MAX,
        field_overhead: ENTRY_OVERHEAD,
    };
    let entries = fit::sorted(&event.metadata, str::to_owned);
    let fixed = render(&frame)?.len();
    let Fitted { text, fields } = fit::fit(&event.message, entries, fixed, &limits);
    render(&Event {
        message: text,
        metadata: fields.into_iter().collect(),
        ..event.clone()
    })
}

impl Dispatch {
    fn request(&self, notification: &Notification) -> Result<HttpRequest, Failure> {
        let event = &notification.event;
        let object = &event.involved_object;
        let event_type = format!("{}/{}.{}", object.kind, object.name, object.namespace);
        let event_type = truncate::prefix(&event_type, LONGEST_TYPE, Unit::Characters);
        let body = body(event_type, event).map_err(|error| {
            let text = format!("rendering the event: {error}");
            Failure::new(FailureClass::Rejected, text)
        })?;
        let mut request = HttpRequest::new(Method::POST, self.api.url("dispatches")?);
        let json = HeaderValue::from_static("application/json");
        request.headers.insert(CONTENT_TYPE, json);
        request.body = Bytes::from(body);
        Ok(request)
    }
}

impl Notifier for Dispatch {
    fn notify<'a>(
        &'a self,
        notification: &'a Notification,
        context: &'a AttemptContext<'a>,
    ) -> BoxFuture<'a, Result<Receipt, Failure>> {
        Box::pin(async move {
            let request = self.request(notification)?;
            let response = self.api.send(request, context).await?;
            classify::by_status(&response, context.clock.now())?;
            Ok(Receipt {
                status: Some(response.status.as_u16()),
                ..Receipt::default()
            })
        })
    }
}
