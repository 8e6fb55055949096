//! `POST /` of the event port: from bytes to a durably accepted event.
//!
//! Statuses are the reference's (`event-server.md` section 2.1) with the differences of
//! `conformance/differences.toml`. Senders never read an answer's body, and one that has a body costs
//! them the connection, so every answer is empty but the one that tells a stray webhook where it is.

use std::sync::Arc;
use std::time::Instant;

use api::Secret;
use bytes::Bytes;
use delivery::{Accepted, Intake, NotAccepted};
use domain::CleanEvent;
use domain::ports::{SenderCheck, SenderRefused};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version};
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use jiff::Timestamp;
use prometheus_client::registry::Registry;

use crate::body::{BodyBudget, BodyError};
use crate::listener::Service;
use crate::metrics::Metrics;
use crate::path;

/// Largest body: 3 MiB, as in the reference.
pub const MAX_BODY_BYTES: usize = 3 << 20;

/// Bodies under way take at most so much memory together.
const ALL_BODIES_BYTES: usize = 64 << 20;

/// Seconds a sender should wait when the store cannot take its event. Senders block their reconcile
/// worker that long, so it is short.
const RETRY_AFTER_SECONDS: &str = "1";

/// How the event port behaves.
#[derive(Clone, Copy, Debug, Default)]
pub struct EventsSettings {
    /// Label HTTP metrics with the real request path.
    pub export_path_metrics: bool,
}

/// The event port.
pub struct Events {
    intake: Intake,
    senders: Option<Arc<dyn SenderCheck>>,
    budget: BodyBudget,
    metrics: Metrics,
}

type Answer = Response<Full<Bytes>>;

impl Events {
    /// Makes the port.
    pub fn new(intake: Intake, settings: EventsSettings, registry: &mut Registry) -> Self {
        Self {
            intake,
            senders: None,
            budget: BodyBudget::new(ALL_BODIES_BYTES),
            metrics: Metrics::new(registry, "event", "/", settings.export_path_metrics),
        }
    }

    /// Takes events only from senders that pass a check of their bearer token.
    #[must_use]
    pub fn only_from(self, senders: Arc<dyn SenderCheck>) -> Self {
        Self {
            senders: Some(senders),
            ..self
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Answer {
        // HTTP/1.1 requires a Host; without one a proxy in between is confused about whom it serves.
        if request.version() == Version::HTTP_11
            && request.uri().authority().is_none()
            && !request.headers().contains_key(HOST)
        {
            return empty(StatusCode::BAD_REQUEST);
        }
        if let Some(senders) = &self.senders
            && let Err(refused) = check_sender(&**senders, request.headers()).await
        {
            return not_from(refused);
        }
        if let Some(clean) = path::clean(request.uri().path()) {
            return redirect(&clean, request.uri().query());
        }
        let body = match self.budget.read(request.into_body(), MAX_BODY_BYTES).await {
            Ok(body) => body,
            Err(error) => {
                tracing::warn!(
                    logger = "event-server",
                    ?error,
                    "reading the request body failed"
                );
                return match error {
                    BodyError::TooLarge => empty(StatusCode::PAYLOAD_TOO_LARGE),
                    BodyError::Unreadable => empty(StatusCode::BAD_REQUEST),
                    BodyError::Overloaded => unavailable(),
                };
            }
        };
        let event = match api::event::decode(&body) {
            Ok(event) => event,
            Err(error) => {
                tracing::warn!(logger = "event-server", %error, "decoding the request body failed");
                return empty(StatusCode::BAD_REQUEST);
            }
        };
        drop(body);
        let (event, key) = match CleanEvent::from_wire(event) {
            Ok(clean) => clean,
            Err(refused) => {
                tracing::warn!(logger = "event-server", reason = %refused, "refusing what is no event");
                return explained(&refused.to_string());
            }
        };
        match self.intake.accept(event, key).await {
            Ok(Accepted { reset_at }) => limited(StatusCode::ACCEPTED, reset_at),
            Err(NotAccepted::Duplicate { reset_at }) => {
                tracing::debug!(
                    logger = "event-server",
                    "discarding event, rate limiting duplicate events"
                );
                limited(StatusCode::TOO_MANY_REQUESTS, reset_at)
            }
            Err(NotAccepted::Unavailable { reason }) => {
                tracing::error!(
                    logger = "event-server",
                    reason,
                    "an event could not be stored; its sender is asked to repeat it"
                );
                unavailable()
            }
        }
    }
}

impl Service for Events {
    async fn call(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        let started = Instant::now();
        let handler = self.metrics.handler(request.uri().path());
        let method = request.method().clone();
        let _under_way = self.metrics.started(&handler);
        let response = self.answer(request).await;
        let size = response.body().size_hint().exact().unwrap_or(0);
        self.metrics.finished(
            handler,
            &method,
            response.status(),
            started.elapsed(),
            usize::try_from(size).unwrap_or(usize::MAX),
        );
        response
    }
}

/// Checked before anything is read: who may not send costs nothing more.
async fn check_sender(senders: &dyn SenderCheck, headers: &HeaderMap) -> Result<(), SenderRefused> {
    let token = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .filter(|token| !token.is_empty())
        .ok_or(SenderRefused::Unknown)?;
    senders.check(&Secret::new(token.to_owned())).await
}

fn not_from(refused: SenderRefused) -> Answer {
    match refused {
        SenderRefused::Unknown => {
            let mut response = empty(StatusCode::UNAUTHORIZED);
            response
                .headers_mut()
                .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            response
        }
        SenderRefused::NotAllowed => empty(StatusCode::FORBIDDEN),
        SenderRefused::Undecided => unavailable(),
    }
}

fn empty(status: StatusCode) -> Answer {
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = status;
    response
}

fn explained(text: &str) -> Answer {
    let mut response = Response::new(Full::new(Bytes::from(format!("{text}\n"))));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

fn unavailable() -> Answer {
    let mut response = empty(StatusCode::SERVICE_UNAVAILABLE);
    response
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
    response
}

fn redirect(path: &str, query: Option<&str>) -> Answer {
    let target = match query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut response = empty(StatusCode::TEMPORARY_REDIRECT);
    if let Ok(target) = HeaderValue::from_str(&target) {
        response.headers_mut().insert(LOCATION, target);
    }
    response
}

/// An answer with the headers of the reference's rate limiter.
fn limited(status: StatusCode, reset_at: Timestamp) -> Answer {
    let mut response = empty(status);
    let headers = response.headers_mut();
    headers.insert("x-ratelimit-limit", HeaderValue::from_static("1"));
    headers.insert("x-ratelimit-remaining", HeaderValue::from_static("0"));
    let reset = reset_at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    if let Ok(reset) = HeaderValue::from_str(&reset) {
        if status == StatusCode::TOO_MANY_REQUESTS {
            headers.insert(RETRY_AFTER, reset.clone());
        }
        headers.insert("x-ratelimit-reset", reset);
    }
    response
}
