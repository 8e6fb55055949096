//! Remembers which credentials an attempt sent, so that its failure can be cleaned of them.
//!
//! This covers what no Secret holds: tokens minted on the way and addresses made from tokens.

use std::sync::{Mutex, PoisonError};

use futures::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue};
use outbound::{HttpError, HttpRequest, HttpResponse, HttpTransport, Redactor, Route, SendOptions};
use url::Url;

use crate::settings::credentials::hide_header;

/// More requests than any type makes in one attempt.
const MOST_REQUESTS: usize = 64;

/// A transport that watches what is sent.
pub(super) struct Watched<'a> {
    inner: &'a dyn HttpTransport,
    sent: Mutex<Vec<(Url, HeaderMap)>>,
}

impl<'a> Watched<'a> {
    pub(super) fn new(inner: &'a dyn HttpTransport) -> Self {
        Self {
            inner,
            sent: Mutex::default(),
        }
    }

    /// Tells a redactor all credentials seen.
    pub(super) fn hide_credentials(&self, redactor: &mut Redactor) {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        for (url, headers) in sent.iter() {
            hide_credentials(redactor, url, headers);
        }
    }
}

/// Tells a redactor the credentials of one request.
pub(crate) fn hide_credentials(redactor: &mut Redactor, url: &Url, headers: &HeaderMap) {
    redactor.hide_url(url);
    for (name, value) in headers {
        if is_secret(name, value) {
            hide_header(redactor, &String::from_utf8_lossy(value.as_bytes()));
        }
    }
}

/// Kinds mark their credentials; names are looked at too, so that a forgotten mark does no harm.
pub(crate) fn is_secret(name: &HeaderName, value: &HeaderValue) -> bool {
    value.is_sensitive()
        || ["auth", "token", "key", "secret"]
            .iter()
            .any(|word| name.as_str().contains(word))
}

impl HttpTransport for Watched<'_> {
    fn send<'a>(
        &'a self,
        request: HttpRequest,
        route: &'a Route,
        options: &'a SendOptions,
    ) -> BoxFuture<'a, Result<HttpResponse, HttpError>> {
        {
            let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
            if sent.len() < MOST_REQUESTS {
                sent.push((request.url.clone(), request.headers.clone()));
            }
        }
        self.inner.send(request, route, options)
    }
}
