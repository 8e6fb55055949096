//! Sends messages to a Matrix room.
//!
//! | Field | Use |
//! |---|---|
//! | `address` | base URL of the homeserver (required; here or in the Secret) |
//! | `channel` | room id (`!…:server`) or room alias (`#…:server`) (required) |
//! | Secret `token` | access token of the user to post as (required) |
//! | `certSecretRef`, `proxySecretRef` | honoured |
//!
//! The user must have joined the room; an encrypted room shows the message, but unencrypted.
//! An alias is looked up once, and again when the homeserver refuses the room that it led to.
//! Transaction ids are derived from the event, so a homeserver recognises repeats and shows a message
//! once, for as long as it remembers the id (Synapse: half an hour at least).
//! Homeservers that do not know version 3 of the client API are spoken to in version r0.
//! A Matrix event has room for 65,536 bytes; what is longer is cut in the middle.
//! `@room` in event texts is made inert.
//!
//! Matrix' documentation: <https://spec.matrix.org/latest/client-server-api/#sending-events-to-a-room>.
//!
//! ```yaml
//! apiVersion: notification.toolkit.fluxcd.io/v1beta3
//! kind: Provider
//! metadata:
//!   name: matrix
//!   namespace: flux-system
//! spec:
//!   type: matrix
//!   address: https://matrix.example.com
//!   channel: "!jezptmDwEeLapMLjOc:example.com"
//!   secretRef:
//!     name: matrix-token
//! ```

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use api::{Problem, Provider, to_wire_json};
use domain::Notification;
use domain::delivery::{Failure, FailureClass, Receipt};
use futures::future::BoxFuture;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Method, StatusCode};
use outbound::{HttpRequest, HttpResponse};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};
use url::Url;

use super::slack::CHAT;
use crate::classify;
use crate::kind::{Guarantee, Protocol};
use crate::notifier::AttemptContext;
use crate::shared::fit::{self, Limits};
use crate::shared::json_post::set_json_body;
use crate::shared::title::title;
use crate::shared::truncate::Unit;
use crate::shared::{address, mentions};
use crate::{ConfigError, Notifier, ProviderKind, ProviderSettings};

pub(crate) const KIND: ProviderKind = ProviderKind {
    name: "matrix",
    title: "Matrix",
    capabilities: CHAT,
    guarantee: Guarantee::ExactlyOnce,
    protocol: Protocol::Http,
    check,
    build: |settings| Ok(Box::new(Matrix::new(settings)?) as Box<dyn Notifier>),
    page: include_str!("matrix.rs"),
};

/// 65,536 bytes are for the whole event as servers exchange it, with its hashes, signatures and the
/// ids of the events before it; this leaves room for those.
/// Source: <https://spec.matrix.org/latest/client-server-api/#size-limits>.
const LIMITS: Limits = Limits {
    unit: Unit::JsonBytes,
    total: 56_000,
    text: 56_000,
    name: 1_000,
    value: 8_000,
    fields: 200,
    // `- `, `: ` and the end of the line.
    field_overhead: 6,
};

/// What stands for itself in a segment of a path (RFC 3986), as the recorded requests have it.
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

const MISSING_TOKEN: &str =
    "a Matrix homeserver needs an access token: set the key `token` of the Secret";

fn check(provider: &Provider) -> Vec<Problem> {
    let mut problems = address::check_url(provider);
    if let Err(error) = check_room(&provider.channel) {
        let problem = Problem::error("spec.channel", error.to_string());
        problems.push(problem.with_hint("room settings, advanced, show the internal room id"));
    }
    if provider.secret.is_none() {
        problems.push(Problem::error("spec.secretRef", MISSING_TOKEN));
    }
    problems
}

fn check_room(room: &str) -> Result<(), ConfigError> {
    let is_valid = room.starts_with(['!', '#'])
        && room.len() > 1
        && !room.contains(|one: char| one.is_whitespace() || one.is_control());
    if is_valid {
        return Ok(());
    }
    Err(ConfigError::new(
        "the channel must be a room id (!…:server) or a room alias (#…:server)",
    ))
}

struct Matrix {
    base: Url,
    room: String,
    authorization: HeaderValue,
    /// What the alias in `room` led to.
    found_room: Mutex<Option<String>>,
    /// The homeserver does not know version 3.
    is_old: AtomicBool,
}

#[derive(Serialize)]
struct Message {
    body: String,
    msgtype: &'static str,
}

#[derive(Deserialize)]
struct Found {
    room_id: String,
}

/// The form of all errors; members that are missing say nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Refusal {
    errcode: String,
    retry_after_ms: Option<u64>,
}

impl Matrix {
    fn new(settings: &ProviderSettings) -> Result<Self, ConfigError> {
        let room = settings.provider.spec.channel.clone();
        check_room(&room)?;
        let token = settings.token.as_ref();
        let token = token.ok_or_else(|| ConfigError::new(MISSING_TOKEN))?;
        Ok(Self {
            base: settings.url()?,
            room,
            authorization: ProviderSettings::secret_header(&format!("Bearer {}", token.expose()))?,
            found_room: Mutex::new(None),
            is_old: AtomicBool::new(false),
        })
    }

    /// A call of the client API; `path` follows the version.
    async fn call(
        &self,
        context: &AttemptContext<'_>,
        method: &Method,
        path: &str,
        body: Option<&Message>,
    ) -> Result<HttpResponse, Failure> {
        let is_old = self.is_old.load(Ordering::Relaxed);
        for version in if is_old { &["r0"][..] } else { &["v3", "r0"] } {
            let mut request = HttpRequest::new(method.clone(), self.url(version, path));
            request
                .headers
                .insert(AUTHORIZATION, self.authorization.clone());
            if let Some(body) = body {
                set_json_body(&mut request, body)?;
            }
            let response = context.send(request).await?;
            if *version == "v3" && is_unknown_endpoint(&response) {
                continue;
            }
            if *version == "r0" && response.status.is_success() {
                self.is_old.store(true, Ordering::Relaxed);
            }
            if response.status.is_success() {
                return Ok(response);
            }
            return Err(refused(&response, context));
        }
        Err(Failure::new(
            FailureClass::Misconfigured,
            "the homeserver knows no version of the client API that we speak",
        ))
    }

    fn url(&self, version: &str, path: &str) -> Url {
        let mut url = self.base.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}/_matrix/client/{version}/{path}"));
        url
    }

    /// The id of the room.
    async fn room_id(&self, context: &AttemptContext<'_>) -> Result<String, Failure> {
        if self.room.starts_with('!') {
            return Ok(self.room.clone());
        }
        let found = lock(&self.found_room).clone();
        if let Some(found) = found {
            return Ok(found);
        }
        let path = format!(
            "directory/room/{}",
            utf8_percent_encode(&self.room, SEGMENT)
        );
        let response = self.call(context, &Method::GET, &path, None).await?;
        let found: Found = serde_json::from_slice(&response.body).map_err(|_| {
            Failure::new(
                FailureClass::ServerFault,
                "the homeserver did not answer with a room id",
            )
        })?;
        *lock(&self.found_room) = Some(found.room_id.clone());
        Ok(found.room_id)
    }
}

fn lock(room: &Mutex<Option<String>>) -> std::sync::MutexGuard<'_, Option<String>> {
    room.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Homeservers say `M_UNRECOGNIZED` with 404, 405 or, older ones, 400; a proxy in front of one that
/// passes only what it knows says 404 in its own words.
fn is_unknown_endpoint(response: &HttpResponse) -> bool {
    let errcode = refusal(response).errcode;
    match response.status {
        StatusCode::NOT_FOUND => errcode.is_empty() || errcode == "M_UNRECOGNIZED",
        StatusCode::BAD_REQUEST | StatusCode::METHOD_NOT_ALLOWED => errcode == "M_UNRECOGNIZED",
        _ => false,
    }
}

fn refusal(response: &HttpResponse) -> Refusal {
    serde_json::from_slice(&response.body).unwrap_or_default()
}

/// Source: <https://spec.matrix.org/latest/client-server-api/#rate-limiting>.
fn refused(response: &HttpResponse, context: &AttemptContext<'_>) -> Failure {
    let failure = classify::failure(response, context.clock.now());
    let refusal = refusal(response);
    if refusal.errcode != "M_LIMIT_EXCEEDED" {
        return failure;
    }
    Failure {
        class: FailureClass::Throttled,
        retry_after: failure
            .retry_after
            .or(refusal.retry_after_ms.map(Duration::from_millis)),
        ..failure
    }
}

fn message(notification: &Notification) -> Message {
    let event = &notification.event;
    let sign = if event.is_error() { "🚨" } else { "💫" };
    let clean = mentions::matrix;
    let head = format!("{sign} {}\n", clean(&title(event)));
    let fixed = LIMITS.unit.length(&head) + 2;
    let fields = fit::sorted(&event.metadata, clean);
    let fitted = fit::fit(&clean(&event.message), fields, fixed, &LIMITS);
    let mut body = format!("{head}{}\n", fitted.text);
    for (name, value) in fitted.fields {
        // Writing to a string cannot fail.
        let _ = writeln!(body, "- {name}: {value}");
    }
    Message {
        body,
        msgtype: "m.text",
    }
}

/// The SHA-1 of the event, as in the reference; a delivery's event never changes.
fn transaction(notification: &Notification) -> Result<String, Failure> {
    let json = to_wire_json(&notification.event).map_err(|error| {
        Failure::new(
            FailureClass::Rejected,
            format!("rendering the event: {error}"),
        )
    })?;
    let mut id = String::with_capacity(40);
    for byte in Sha1::digest(&json) {
        // Writing to a string cannot fail.
        let _ = write!(id, "{byte:02x}");
    }
    Ok(id)
}

impl Notifier for Matrix {
    fn notify<'a>(
        &'a self,
        notification: &'a Notification,
        context: &'a AttemptContext<'a>,
    ) -> BoxFuture<'a, Result<Receipt, Failure>> {
        Box::pin(async move {
            let message = message(notification);
            let transaction = transaction(notification)?;
            let room = self.room_id(context).await?;
            let path = format!(
                "rooms/{}/send/m.room.message/{transaction}",
                utf8_percent_encode(&room, SEGMENT)
            );
            let sent = self
                .call(context, &Method::PUT, &path, Some(&message))
                .await;
            let response = sent.inspect_err(|failure| {
                if failure.class == FailureClass::Misconfigured {
                    // The alias may lead elsewhere by now.
                    *lock(&self.found_room) = None;
                }
            })?;
            Ok(Receipt {
                status: Some(response.status.as_u16()),
                ..Receipt::default()
            })
        })
    }
}
