//! Remembers which credentials an attempt sent, so that its failure can be cleaned of them.
//!
//! This covers what no Secret holds: tokens minted on the way and addresses made from tokens.

use std::sync::{Mutex, PoisonError};

use futures::future::BoxFuture;
use http::{HeaderName, HeaderValue};
use outbound::{HttpError, HttpRequest, HttpResponse, HttpTransport, Redactor, Route, SendOptions};

use crate::identity::oauth;
use crate::settings::credentials::hide_header;

/// More requests than any type makes in one attempt.
const MOST_REQUESTS: usize = 64;

/// A transport that watches what is sent.
pub(super) struct Watched<'a> {
    inner: &'a dyn HttpTransport,
    sent: Mutex<Vec<HttpRequest>>,
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
        for request in sent.iter() {
            hide_credentials(redactor, request);
        }
    }
}

/// Tells a redactor the credentials of one request.
pub(crate) fn hide_credentials(redactor: &mut Redactor, request: &HttpRequest) {
    redactor.hide_url(&request.url);
    for (name, value) in &request.headers {
        if is_secret(name, value) {
            hide_header(redactor, &String::from_utf8_lossy(value.as_bytes()));
        }
    }
    oauth::hide_form(redactor, request);
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
                sent.push(request.clone());
            }
        }
        self.inner.send(request, route, options)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use http::{HeaderMap, Method, StatusCode};

    use super::*;

    struct Silent;

    impl HttpTransport for Silent {
        fn send<'a>(
            &'a self,
            _: HttpRequest,
            _: &'a Route,
            _: &'a SendOptions,
        ) -> BoxFuture<'a, Result<HttpResponse, HttpError>> {
            let response = HttpResponse {
                status: StatusCode::OK,
                headers: HeaderMap::new(),
                body: bytes::Bytes::new(),
                truncated: false,
            };
            async { Ok(response) }.boxed()
        }
    }

    #[tokio::test]
    async fn credentials_that_no_secret_holds_are_known_after_they_were_sent() {
        let watched = Watched::new(&Silent);
        let url = "https://api.example.com/bot12345:minted-in-path/send?sig=minted-in-query";
        let mut request = HttpRequest::new(Method::POST, url.parse().unwrap());
        let headers = [
            ("authorization", "Bearer minted-as-bearer"),
            ("private-token", "minted-as-token"),
            ("content-type", "application/json"),
        ];
        for (name, value) in headers {
            request.headers.insert(name, value.parse().unwrap());
        }
        let options = SendOptions::within(std::time::Duration::from_secs(1));
        let route = Route::default();
        watched.send(request, &route, &options).await.unwrap();

        let mut redactor = Redactor::new();
        watched.hide_credentials(&mut redactor);
        let shown = redactor.redact(
            "minted-as-bearer minted-as-token minted-in-query bot12345:minted-in-path \
             application/json",
        );
        assert_eq!(shown, "***** ***** ***** ***** application/json");
    }
}
