//! The webhook port: `/hook/<digest>`, any method.
//!
//! The path is a secret, so it is in no log and in no label. A call whose path or headers rule it out
//! has its body read and thrown away, within the same limits and with the same work as if it were
//! verified, so that neither time nor memory tells callers apart. Bodies are empty in all answers but
//! the router's own.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, EXPECT, HOST, LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use prometheus_client::registry::Registry;
use receivers::{Answer, Call, Hooks, Screening};

use crate::body::{BodyBudget, BodyError, Keeping};
use crate::listener::Service;
use crate::metrics::Metrics;
use crate::path;

/// Largest body: 3 MiB, as in the reference.
pub const MAX_BODY_BYTES: usize = 3 << 20;

/// Bodies under way take at most so much memory together.
const ALL_BODIES_BYTES: usize = 64 << 20;

/// Where webhooks are.
const ROUTE: &str = "/hook/";

/// The webhook port.
pub struct HookPort {
    hooks: Arc<Hooks>,
    budget: BodyBudget,
    metrics: Metrics,
    /// A key that nobody knows, for work that is done for nothing.
    decoy: [u8; 32],
}

type Reply = Response<Full<Bytes>>;

impl HookPort {
    /// Makes the port. `decoy` are random bytes.
    pub fn new(hooks: Arc<Hooks>, decoy: [u8; 32], registry: &mut Registry) -> Self {
        Self {
            hooks,
            budget: BodyBudget::new(ALL_BODIES_BYTES),
            metrics: Metrics::new(registry, "receiver", ROUTE, false),
            decoy,
        }
    }

    async fn reply(&self, request: Request<Incoming>) -> Reply {
        if let Some(refusal) = refuse_malformed(&request) {
            return empty(refusal);
        }
        let path = request.uri().path();
        if request.method() == Method::OPTIONS && path == "*" {
            return empty(StatusCode::OK);
        }
        if !path::is_well_escaped(path) {
            return empty(StatusCode::BAD_REQUEST);
        }
        if let Some(clean) = path::clean(path) {
            return redirect(&clean);
        }
        if path == ROUTE.trim_end_matches('/') {
            return redirect(ROUTE);
        }
        let Some(digest) = path.strip_prefix(ROUTE) else {
            return not_found();
        };
        let found = self.hooks.find(digest);
        let (parts, body) = request.into_parts();
        let mut screening = self.hooks.screen(found, &parts.headers, &self.decoy);
        let keeping = if screening.wants_body() {
            Keeping::Whole
        } else {
            Keeping::Nothing
        };
        let reading = self
            .budget
            .read_each(body, MAX_BODY_BYTES, keeping, |piece| {
                screening.update(piece);
            });
        match reading.await {
            Ok(body) => self.answer(screening, parts.headers, body).await,
            Err(error) => unreadable(error),
        }
    }

    /// What was begun is seen through, whether or not the sender waits for the answer.
    async fn answer(&self, screening: Screening, headers: HeaderMap, body: Bytes) -> Reply {
        let hooks = self.hooks.clone();
        let call = Call { headers, body };
        let answering = tokio::spawn(async move { hooks.answer(screening, &call).await });
        match answering.await {
            Ok(answer) => plain(answer),
            Err(_) => empty(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }
}

impl Service for HookPort {
    async fn call(self: Arc<Self>, request: Request<Incoming>) -> Reply {
        let started = Instant::now();
        let handler = self.metrics.handler(ROUTE);
        let method = request.method().clone();
        let _under_way = self.metrics.started(&handler);
        let reply = self.reply(request).await;
        let size = reply.body().size_hint().exact().unwrap_or(0);
        self.metrics.finished(
            handler,
            &method,
            reply.status(),
            started.elapsed(),
            usize::try_from(size).unwrap_or(usize::MAX),
        );
        reply
    }
}

/// What HTTP does not allow, or we do not understand.
fn refuse_malformed(request: &Request<Incoming>) -> Option<StatusCode> {
    let headers = request.headers();
    let hosts = headers.get_all(HOST).iter().count();
    let needs_host = request.version() == Version::HTTP_11 && request.uri().authority().is_none();
    if hosts > 1 || (needs_host && hosts == 0) {
        return Some(StatusCode::BAD_REQUEST);
    }
    let expectation = headers.get(EXPECT);
    if expectation.is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        return Some(StatusCode::EXPECTATION_FAILED);
    }
    None
}

fn unreadable(error: BodyError) -> Reply {
    tracing::warn!(
        logger = "receiver-server",
        ?error,
        "reading the request body failed"
    );
    match error {
        BodyError::TooLarge => empty(StatusCode::PAYLOAD_TOO_LARGE),
        BodyError::Unreadable => empty(StatusCode::BAD_REQUEST),
        BodyError::Overloaded => {
            let mut reply = empty(StatusCode::SERVICE_UNAVAILABLE);
            reply
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from_static("1"));
            reply
        }
    }
}

fn plain(answer: Answer) -> Reply {
    let mut reply = empty(answer.status);
    if let Some(seconds) = answer.retry_after {
        reply
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    reply
}

fn empty(status: StatusCode) -> Reply {
    let mut reply = Response::new(Full::default());
    *reply.status_mut() = status;
    reply
}

fn redirect(path: &str) -> Reply {
    let mut reply = empty(StatusCode::TEMPORARY_REDIRECT);
    if let Ok(target) = HeaderValue::from_str(path) {
        reply.headers_mut().insert(LOCATION, target);
    }
    reply
}

/// The router's answer to everything that is no webhook.
fn not_found() -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from_static(b"404 page not found\n")));
    *reply.status_mut() = StatusCode::NOT_FOUND;
    let headers = reply.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(
        "x-content-type-options",
        HeaderValue::from_static("nosniff"),
    );
    reply
}
