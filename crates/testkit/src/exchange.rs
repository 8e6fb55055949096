//! A transport that answers by script and remembers what it was given.
//!
//! It follows the rules of `conformance/outgoing/README.md`, so recordings can be played to it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use domain::delivery::retry;
use domain::ports::Clock;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use jiff::Timestamp;
use outbound::{
    CertificateReason, Endpoint, HttpError, HttpRequest, HttpResponse, HttpTransport, Route,
    SendOptions, TlsReason,
};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::clock::MovableClock;

/// How many redirects to the same host are followed, as the real client does.
const MOST_REDIRECTS: usize = 3;

/// Answers a request that has all the members given.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScriptedResponse {
    /// Only for this method.
    #[serde(default)]
    pub method: Option<String>,
    /// Only for this host.
    #[serde(default)]
    pub host: Option<String>,
    /// Only for this path, undecoded.
    #[serde(default)]
    pub path: Option<String>,
    /// Only for this query, undecoded.
    #[serde(default)]
    pub query: Option<String>,
    /// The status; 200 when absent.
    #[serde(default)]
    pub status: Option<u16>,
    /// Header fields.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// JSON, or a string that is sent as it is.
    #[serde(default)]
    pub body: Option<Value>,
    /// Close the connection without an answer.
    #[serde(default)]
    pub close: bool,
}

/// A request that was sent.
#[derive(Clone, Debug)]
pub struct SentRequest {
    /// The request.
    pub request: HttpRequest,
    /// How it was to be sent.
    pub route: Route,
    /// When.
    pub at: Timestamp,
}

impl SentRequest {
    /// Whether a client certificate was at hand.
    pub fn has_client_certificate(&self) -> bool {
        tls_shows(&self.route, "client_certificate: true")
    }
}

/// The transport.
pub struct ScriptedTransport {
    clock: Arc<MovableClock>,
    script: Mutex<Script>,
    private_hosts: Vec<String>,
}

#[derive(Default)]
struct Script {
    responses: Vec<(ScriptedResponse, bool)>,
    sent: Vec<SentRequest>,
}

impl ScriptedTransport {
    /// A transport that gives these answers.
    pub fn new(clock: Arc<MovableClock>, responses: Vec<ScriptedResponse>) -> Self {
        let responses = responses.into_iter().map(|answer| (answer, false));
        Self {
            clock,
            script: Mutex::new(Script {
                responses: responses.collect(),
                sent: Vec::new(),
            }),
            private_hosts: Vec::new(),
        }
    }

    /// The same, with hosts whose certificates only a given CA verifies.
    #[must_use]
    pub fn with_private_hosts(mut self, hosts: &[&str]) -> Self {
        self.private_hosts = hosts.iter().map(ToString::to_string).collect();
        self
    }

    /// What was sent so far.
    pub fn sent(&self) -> Vec<SentRequest> {
        self.lock().sent.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, mut request: HttpRequest, route: &Route) -> Result<HttpResponse, HttpError> {
        for _ in 0..=MOST_REDIRECTS {
            let response = self.answer_once(request.clone(), route)?;
            let is_redirect = matches!(response.status.as_u16(), 307 | 308);
            let Some(location) = response.headers.get(LOCATION).filter(|_| is_redirect) else {
                return Ok(response);
            };
            let location = location.to_str().expect("a readable location");
            let target = request.url.join(location).expect("a valid location");
            if Endpoint::of(&target) != Endpoint::of(&request.url) {
                return Err(HttpError::RedirectElsewhere {
                    endpoint: Endpoint::of(&request.url),
                    target: Endpoint::of(&target),
                });
            }
            request.url = target;
        }
        Err(HttpError::TooManyRedirects {
            endpoint: Endpoint::of(&request.url),
            limit: MOST_REDIRECTS,
        })
    }

    fn answer_once(&self, request: HttpRequest, route: &Route) -> Result<HttpResponse, HttpError> {
        let endpoint = Endpoint::of(&request.url);
        let host = request.url.host_str().unwrap_or_default();
        let is_private = self.private_hosts.iter().any(|known| known == host);
        if is_private && (route.tls.is_none() || tls_shows(route, "ca_certificates: 0")) {
            return Err(HttpError::Tls {
                endpoint,
                reason: TlsReason::Certificate(CertificateReason::Invalid),
            });
        }
        let now = self.clock.now();
        let mut script = self.lock();
        let chosen = script.choose(&request);
        script.sent.push(SentRequest {
            request,
            route: route.clone(),
            at: now,
        });
        match chosen {
            Some(answer) if answer.close => Err(HttpError::ConnectionLost { endpoint }),
            Some(answer) => Ok(answer.response(now)),
            None => Ok(ScriptedResponse {
                body: Some(Value::Object(serde_json::Map::new())),
                ..ScriptedResponse::default()
            }
            .response(now)),
        }
    }
}

/// The material does not show its insides, except in its `Debug` form.
fn tls_shows(route: &Route, text: &str) -> bool {
    route
        .tls
        .as_ref()
        .is_some_and(|tls| format!("{tls:?}").contains(text))
}

impl Script {
    /// The first unused answer that fits, else the last one that fits.
    fn choose(&mut self, request: &HttpRequest) -> Option<ScriptedResponse> {
        let fits = |answer: &ScriptedResponse| answer.fits(&request.method, &request.url);
        let unused = self
            .responses
            .iter()
            .position(|(answer, used)| !used && fits(answer));
        let index =
            unused.or_else(|| self.responses.iter().rposition(|(answer, _)| fits(answer)))?;
        let (answer, used) = &mut self.responses[index];
        *used = true;
        Some(answer.clone())
    }
}

impl ScriptedResponse {
    fn fits(&self, method: &http::Method, url: &Url) -> bool {
        let is = |wanted: &Option<String>, found: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == found)
        };
        is(&self.method, method.as_str())
            && is(&self.host, url.host_str().unwrap_or_default())
            && is(&self.path, url.path())
            && is(&self.query, url.query().unwrap_or_default())
    }

    fn response(&self, now: Timestamp) -> HttpResponse {
        let mut headers = HeaderMap::new();
        let text = match &self.body {
            None => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(json) => {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                json.to_string()
            }
        };
        for (name, value) in &self.headers {
            let name: HeaderName = name.parse().expect("a header name");
            headers.insert(name, value.parse().expect("a header value"));
        }
        let in_an_hour = retry::later(now, Duration::from_hours(1));
        HttpResponse {
            status: StatusCode::from_u16(self.status.unwrap_or(200)).expect("a status"),
            headers,
            body: Bytes::from(text.replace("<<now+1h>>", &in_an_hour.to_string())),
            truncated: false,
        }
    }
}

impl HttpTransport for ScriptedTransport {
    fn send<'a>(
        &'a self,
        request: HttpRequest,
        route: &'a Route,
        _options: &'a SendOptions,
    ) -> BoxFuture<'a, Result<HttpResponse, HttpError>> {
        async move { self.answer(request, route) }.boxed()
    }
}
