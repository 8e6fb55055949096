//! Tells whoever counts of every request to the API server.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Method, Request, Response, StatusCode};
use kube::client::Body;
use tower::{Layer, Service};

/// Hears of requests to the API server, for metrics.
pub trait RequestObserver: Send + Sync {
    /// One was answered; `None` if no answer came. `host` is the server's, with its port. A watch is
    /// one request, answered when it begins.
    fn answered(&self, method: &Method, host: &str, status: Option<StatusCode>);
}

/// Puts an observer around a client.
pub(crate) struct Observed(pub(crate) Arc<dyn RequestObserver>);

impl<S> Layer<S> for Observed {
    type Service = ObservedService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ObservedService {
            inner,
            observer: self.0.clone(),
        }
    }
}

/// A client whose requests are observed.
pub(crate) struct ObservedService<S> {
    inner: S,
    observer: Arc<dyn RequestObserver>,
}

impl<S, B> Service<Request<Body>> for ObservedService<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let method = request.method().clone();
        let host = request.uri().authority().map(ToString::to_string);
        let observer = self.observer.clone();
        let asking = self.inner.call(request);
        Box::pin(async move {
            let answer = asking.await;
            let status = answer.as_ref().ok().map(Response::status);
            observer.answered(&method, host.as_deref().unwrap_or_default(), status);
            answer
        })
    }
}
