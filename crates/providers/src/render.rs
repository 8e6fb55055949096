//! Shows what would be sent, without sending it: what `fanfare render` prints.
//!
//! The real notifier of a type that speaks HTTP runs against a recorder that answers look-ups with "not
//! found" or an empty list, and questions about tokens, users and versions with made-up ones; other
//! types are asked for a preview. What is shown holds no credential. The same input gives the same
//! text.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use domain::delivery::Failure;
use domain::ports::{Clock, Memory, SecretReader};
use domain::{CleanEvent, Delivery, Family, ValidProvider};
use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use outbound::{
    BoxedStream, HttpError, HttpRequest, HttpResponse, HttpTransport, Redactor, Route, SendOptions,
    StreamTarget, StreamTransport, url_for_humans,
};
use serde_json::{Value, json};
use url::Url;

use crate::courier;
use crate::identity::Identities;
use crate::notifier::AttemptContext;
use crate::shared::protobuf;
use crate::shared::token_cache::TokenCache;

/// More requests than any type makes for one notification.
const MOST_REQUESTS: usize = 64;

/// What stands for a header that holds a credential.
const HIDDEN: &str = "*****";

/// The requests that a notification leads to.
#[derive(Debug)]
pub struct Rendered {
    /// As they would be sent, credentials included.
    requests: Vec<HttpRequest>,
    /// What a type that does not speak HTTP would send, redacted.
    preview: Option<String>,
    redactor: Redactor,
    hides_paths: bool,
}

/// Renders a delivery for a Provider with the Secrets as they are.
///
/// Fails when the Provider cannot be used or nothing can be rendered; the failure is redacted.
pub async fn render(
    provider: &Arc<ValidProvider>,
    secrets: &dyn SecretReader,
    delivery: &Delivery,
    event: &CleanEvent,
    clock: &dyn Clock,
) -> Result<Rendered, Failure> {
    let built = courier::build_once(provider, secrets).await?;
    let status = delivery.content.commit_status.clone();
    let notification = courier::notification(delivery, event, status);
    if let Some(preview) = built.notifier.preview(&notification) {
        let redactor = built.redactor.clone();
        let preview = preview.map_err(|failure| Failure {
            detail: courier::clean(&redactor, &failure.detail),
            ..failure
        })?;
        return Ok(Rendered {
            requests: Vec::new(),
            preview: Some(redactor.redact(&preview)),
            redactor,
            hides_paths: true,
        });
    }
    let recorder = Recorder {
        clock,
        requests: Mutex::default(),
    };
    let context = AttemptContext {
        transport: &recorder,
        streams: &recorder,
        route: &built.route,
        deadline: tokio::time::Instant::now() + Duration::from_mins(1),
        memory: &NoMemory,
        tokens: &TokenCache::new(0),
        clock,
        identities: &Identities::default(),
        metadata: Some(&recorder),
        // Look-ups are answered "not found"; what would be posted is shown all the same.
        attempt: u32::MAX,
    };
    let result = built.notifier.notify(&notification, &context).await;
    let requests = recorder
        .requests
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    let mut redactor = built.redactor.clone();
    for request in &requests {
        courier::hide_credentials(&mut redactor, request);
    }
    // A failure after the last request is about a made-up answer.
    if let (Err(failure), true) = (result, requests.is_empty()) {
        let detail = courier::clean(&redactor, &failure.detail);
        return Err(Failure { detail, ..failure });
    }
    Ok(Rendered {
        requests,
        preview: None,
        redactor,
        hides_paths: !matches!(
            provider.capabilities.family,
            Family::CommitStatus | Family::ChangeRequest | Family::Stream
        ),
    })
}

impl Rendered {
    /// How many requests or messages there are.
    pub fn len(&self) -> usize {
        self.requests.len() + usize::from(self.preview.is_some())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The requests as text, one after the other: request line, headers, body; JSON is laid out.
    pub fn to_text(&self) -> String {
        let texts: Vec<String> = self.requests.iter().map(|one| self.text_of(one)).collect();
        self.preview.clone().unwrap_or_else(|| texts.join("\n"))
    }

    fn text_of(&self, request: &HttpRequest) -> String {
        // The paths of webhooks are their credentials; those of an API are what people want to see.
        let url = if self.hides_paths {
            url_for_humans(&request.url)
        } else {
            self.with_redacted_query(&without_user_information(&request.url))
        };
        let mut text = format!("{} {url}\n", request.method);
        for (name, value) in &request.headers {
            let value = if courier::is_secret(name, value) {
                HIDDEN.to_owned()
            } else {
                self.redactor
                    .redact(&String::from_utf8_lossy(value.as_bytes()))
            };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name}: {value}");
        }
        let body = self.redactor.redact(&laid_out(request));
        if body.is_empty() {
            text
        } else {
            format!("{text}\n{body}\n")
        }
    }

    /// An API's path is shown as it is; its query can hold what the address had in it.
    fn with_redacted_query(&self, url: &str) -> String {
        match url.split_once('?') {
            Some((path, query)) => format!("{path}?{}", self.redactor.redact(query)),
            None => url.to_owned(),
        }
    }
}

fn without_user_information(url: &Url) -> String {
    let mut url = url.clone();
    // Neither can fail for a URL with a host.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.into()
}

/// JSON and protobuf as they are easy to read, other texts as they are.
fn laid_out(request: &HttpRequest) -> String {
    let body = &request.body;
    let content_type = request.headers.get(CONTENT_TYPE);
    if content_type.is_some_and(|value| value == "application/x-protobuf") {
        let text = protobuf::to_text(body).unwrap_or_default();
        return text.trim_end().to_owned();
    }
    serde_json::from_slice::<Value>(body)
        .ok()
        .and_then(|json| serde_json::to_string_pretty(&json).ok())
        .unwrap_or_else(|| String::from_utf8_lossy(body).into_owned())
}

/// Keeps requests and makes up answers.
struct Recorder<'a> {
    clock: &'a dyn Clock,
    requests: Mutex<Vec<HttpRequest>>,
}

impl Recorder<'_> {
    fn answer(&self, request: &HttpRequest) -> (StatusCode, Value) {
        let path = request.url.path();
        let is_login = ["/access_tokens", "/token", ":generateAccessToken"]
            .iter()
            .any(|end| path.ends_with(end));
        if is_login {
            let expires = self.clock.now() + jiff::SignedDuration::from_hours(1);
            let token = json!({
                "token": "made-up-token",
                "access_token": "made-up-token",
                "accessToken": "made-up-token",
                "expireTime": expires.to_string(),
                "expires_at": expires.to_string(),
                "expires_in": 3600,
            });
            return (StatusCode::CREATED, token);
        }
        if request.method != Method::GET {
            return (StatusCode::OK, json!({"ok": true, "id": 1}));
        }
        let made_up = match path.rsplit('/').next().unwrap_or_default() {
            "installation" => json!({"id": 1}),
            "app" => json!({"slug": "made-up"}),
            "user" => json!({"login": "made-up", "username": "made-up"}),
            // Newer than any that is refused.
            "version" => json!({"version": "99.0.0"}),
            "comments" | "notes" => json!([]),
            _ => return (StatusCode::NOT_FOUND, json!({})),
        };
        (StatusCode::OK, made_up)
    }
}

impl HttpTransport for Recorder<'_> {
    fn send<'a>(
        &'a self,
        request: HttpRequest,
        _route: &'a Route,
        _options: &'a SendOptions,
    ) -> BoxFuture<'a, Result<HttpResponse, HttpError>> {
        let (status, body) = self.answer(&request);
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        if requests.len() < MOST_REQUESTS {
            requests.push(request);
        }
        drop(requests);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let response = HttpResponse {
            status,
            headers,
            body: Bytes::from(body.to_string()),
            truncated: false,
        };
        async move { Ok(response) }.boxed()
    }
}

impl StreamTransport for Recorder<'_> {
    fn connect<'a>(
        &'a self,
        target: &'a StreamTarget,
        _route: &'a Route,
    ) -> BoxFuture<'a, Result<BoxedStream, HttpError>> {
        let endpoint = target.endpoint();
        async move { Err(HttpError::ConnectionLost { endpoint }) }.boxed()
    }

    fn start_tls<'a>(
        &'a self,
        _stream: BoxedStream,
        target: &'a StreamTarget,
        route: &'a Route,
    ) -> BoxFuture<'a, Result<BoxedStream, HttpError>> {
        self.connect(target, route)
    }
}

/// Remembers nothing, so that everything is rendered.
struct NoMemory;

impl Memory for NoMemory {
    fn recall<'a>(&'a self, _key: &'a str) -> BoxFuture<'a, Option<String>> {
        async { None }.boxed()
    }
}
