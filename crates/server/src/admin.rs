//! Probes and metrics.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use delivery::Handle;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use receivers::Hooks;

use crate::listener::Service;

/// Answers `/healthz`, `/readyz` and `/metrics`, whichever this port serves.
pub struct Admin {
    probes: bool,
    metrics: Option<Arc<Mutex<Registry>>>,
    engine: Handle,
    is_ready: Arc<AtomicBool>,
    /// What the readiness probe tells people about.
    hooks: Option<Arc<Hooks>>,
}

impl Admin {
    /// The probe port.
    pub fn probes(engine: Handle, is_ready: Arc<AtomicBool>, hooks: Arc<Hooks>) -> Self {
        Self {
            probes: true,
            metrics: None,
            engine,
            is_ready,
            hooks: Some(hooks),
        }
    }

    /// The metrics port.
    pub fn metrics(engine: Handle, registry: Arc<Mutex<Registry>>) -> Self {
        Self {
            probes: false,
            metrics: Some(registry),
            engine,
            is_ready: Arc::new(AtomicBool::new(true)),
            hooks: None,
        }
    }

    /// Ready means that events are taken. While not all Receivers are known, or may not be known, that
    /// is still so, and a replica that is taken out of service would take no events either: so it is
    /// ready, and says what it cannot do yet.
    fn readiness(&self) -> Response<Full<Bytes>> {
        let is_ready = self.is_ready.load(Ordering::Relaxed);
        let knows_receivers = self.hooks.as_ref().is_none_or(|hooks| hooks.knows_all());
        if is_ready && !knows_receivers {
            return text(
                StatusCode::OK,
                "ok\nReceivers have not been read: webhooks of unknown paths are answered 503\n",
            );
        }
        probe(is_ready, "not ready")
    }

    fn answer(&self, path: &str) -> Response<Full<Bytes>> {
        match path {
            "/healthz" | "/healthz/" | "/healthz/ping" if self.probes => {
                probe(self.engine.is_alive(), "planning or delivering has stalled")
            }
            "/readyz" | "/readyz/" | "/readyz/ping" if self.probes => self.readiness(),
            "/metrics" => match &self.metrics {
                Some(registry) => self.expose(registry),
                None => text(StatusCode::NOT_FOUND, "404 page not found\n"),
            },
            _ => text(StatusCode::NOT_FOUND, "404 page not found\n"),
        }
    }

    fn expose(&self, registry: &Mutex<Registry>) -> Response<Full<Bytes>> {
        self.engine.refresh_metrics();
        let registry = registry.lock().unwrap_or_else(PoisonError::into_inner);
        let mut exposition = String::with_capacity(16 * 1024);
        if encode(&mut exposition, &registry).is_err() {
            return text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "encoding metrics failed\n",
            );
        }
        let mut response = text(StatusCode::OK, &exposition);
        response.headers_mut().insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8"),
        );
        response
    }
}

impl Service for Admin {
    async fn call(self: Arc<Self>, request: Request<Incoming>) -> Response<Full<Bytes>> {
        self.answer(request.uri().path())
    }
}

fn probe(is_well: bool, otherwise: &str) -> Response<Full<Bytes>> {
    if is_well {
        text(StatusCode::OK, "ok")
    } else {
        text(StatusCode::SERVICE_UNAVAILABLE, otherwise)
    }
}

fn text(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text.to_owned())));
    *response.status_mut() = status;
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}
