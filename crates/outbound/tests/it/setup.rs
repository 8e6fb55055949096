//! Clients, routes and requests as the tests need them.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderValue, Method};
use outbound::{
    Client, ClientSettings, HttpError, HttpRequest, HttpResponse, HttpTransport, Proxy, ProxyUrl,
    Resolver, Route, SendOptions, TlsMaterial, TlsPem,
};
use prometheus_client::registry::Registry;
use url::Url;

use crate::certificates::Pair;

/// Long enough never to be reached by a test that works.
pub(crate) const AMPLE: Duration = Duration::from_secs(20);

/// Names that tests invent. Everything else does not resolve.
#[derive(Default)]
pub(crate) struct Names(HashMap<&'static str, Vec<IpAddr>>);

impl Names {
    pub(crate) fn of(entries: &[(&'static str, &[&str])]) -> Self {
        let entries = entries.iter().map(|(name, addresses)| {
            let addresses = addresses.iter().map(|address| address.parse().unwrap());
            (*name, addresses.collect())
        });
        Self(entries.collect())
    }
}

impl Resolver for Names {
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        let found = self.0.get(host).cloned();
        let found = found.ok_or_else(|| io::Error::other("no such name"));
        async move { found }.boxed()
    }
}

/// A client and what it counts.
pub(crate) struct Bench {
    pub(crate) client: Client,
    registry: Registry,
}

impl Bench {
    /// Settings with `service.test`, `other.test` and `proxy.test` on loopback.
    pub(crate) fn settings() -> ClientSettings {
        let mut settings = ClientSettings::new(HeaderValue::from_static("fanfare/test"));
        settings.resolver = Arc::new(Names::of(&[
            ("service.test", &["127.0.0.1"]),
            ("other.test", &["127.0.0.1"]),
            ("proxy.test", &["127.0.0.1"]),
        ]));
        settings
    }

    pub(crate) fn new(settings: ClientSettings) -> Self {
        let mut registry = Registry::default();
        let client = Client::new(settings, &mut registry);
        Self { client, registry }
    }

    pub(crate) fn usual() -> Self {
        Self::new(Self::settings())
    }

    pub(crate) async fn send(
        &self,
        request: HttpRequest,
        route: &Route,
    ) -> Result<HttpResponse, HttpError> {
        let options = SendOptions::within(AMPLE);
        self.client.send(request, route, &options).await
    }

    /// The value of a counter, as `/metrics` would show it.
    pub(crate) fn counter(&self, sample: &str) -> u64 {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        text.lines()
            .find_map(|line| line.strip_prefix(sample)?.strip_prefix(' ')?.parse().ok())
            .unwrap_or(0)
    }
}

pub(crate) fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

pub(crate) fn get(text: &str) -> HttpRequest {
    HttpRequest::new(Method::GET, url(text))
}

pub(crate) fn post(text: &str, body: &'static str) -> HttpRequest {
    let mut request = HttpRequest::new(Method::POST, url(text));
    request.body = body.into();
    request
}

/// A route that trusts this authority only, and shows this certificate.
pub(crate) fn trusting(authority: &str, client: Option<&Pair>) -> Route {
    let material = TlsMaterial::from_pem(TlsPem {
        ca: Some(authority.as_bytes()),
        certificate: client.map(|pair| pair.certificate.as_bytes()),
        key: client.map(|pair| pair.key.as_bytes()),
    });
    Route {
        tls: Some(Arc::new(material.unwrap())),
        proxy: Proxy::FromEnvironment,
    }
}

/// The same route through a proxy.
pub(crate) fn through(mut route: Route, proxy: &str) -> Route {
    route.proxy = Proxy::Explicit(ProxyUrl::parse(proxy).unwrap());
    route
}
