//! What a provider implements.

use std::time::Duration;

use domain::Notification;
use domain::delivery::{Failure, Receipt};
use domain::ports::{Clock, Memory};
use futures::future::BoxFuture;
use outbound::{HttpRequest, HttpResponse, HttpTransport, Route, SendOptions, StreamTransport};

use crate::classify;
use crate::shared::token_cache::TokenCache;

/// How much of a list is read: a hundred commit statuses with their creators fit well.
const LONGEST_LIST: usize = 4 << 20;

/// What an attempt may use.
pub struct AttemptContext<'a> {
    /// The way out.
    pub transport: &'a dyn HttpTransport,
    /// The way out for protocols other than HTTP.
    pub streams: &'a dyn StreamTransport,
    /// TLS and proxy of this Provider.
    pub route: &'a Route,
    /// Time left for the whole attempt, measured from its start.
    pub deadline: tokio::time::Instant,
    /// Facts remembered between deliveries.
    pub memory: &'a dyn Memory,
    /// Minted tokens, never shared between Providers.
    pub tokens: &'a TokenCache,
    /// Wall-clock time, for signatures and `Retry-After` dates.
    pub clock: &'a dyn Clock,
    /// Which attempt this is; the first is 1.
    pub attempt: u32,
}

impl AttemptContext<'_> {
    /// Sends one request within what is left of the attempt's time; a failure to get an answer is
    /// classified, any answer is returned.
    pub async fn send(&self, request: HttpRequest) -> Result<HttpResponse, Failure> {
        self.send_within(request, SendOptions::within(self.time_left()))
            .await
    }

    /// Sends a request whose answer may be a long list.
    pub async fn look_up(&self, request: HttpRequest) -> Result<HttpResponse, Failure> {
        let options = SendOptions {
            max_response_bytes: LONGEST_LIST,
            ..SendOptions::within(self.time_left())
        };
        self.send_within(request, options).await
    }

    /// Time left for the attempt; at least a millisecond.
    pub fn time_left(&self) -> Duration {
        self.deadline
            .saturating_duration_since(tokio::time::Instant::now())
            .max(Duration::from_millis(1))
    }

    async fn send_within(
        &self,
        request: HttpRequest,
        options: SendOptions,
    ) -> Result<HttpResponse, Failure> {
        self.transport
            .send(request, self.route, &options)
            .await
            .map_err(|error| classify::transport_error(&error))
    }
}

/// A live destination, built from a Provider and its Secrets.
pub trait Notifier: Send + Sync {
    /// One attempt. Errors may hold anything; the courier redacts them.
    fn notify<'a>(
        &'a self,
        notification: &'a Notification,
        context: &'a AttemptContext<'a>,
    ) -> BoxFuture<'a, Result<Receipt, Failure>>;

    /// What would be sent, as text for people, without credentials. Types that speak HTTP leave it
    /// as it is: their requests are shown. The same input gives the same text.
    fn preview(&self, _notification: &Notification) -> Option<Result<String, Failure>> {
        None
    }
}

/// The common case: one request, judged by its answer.
pub trait OneRequest: Send + Sync {
    /// Renders the request; pure and deterministic.
    fn request(&self, notification: &Notification) -> Result<HttpRequest, Failure>;

    /// Judges the answer; any 2xx is a success unless a type knows better.
    fn judge(&self, response: &HttpResponse, clock: &dyn Clock) -> Result<(), Failure> {
        classify::by_status(response, clock.now())
    }
}

impl<T: OneRequest> Notifier for T {
    fn notify<'a>(
        &'a self,
        notification: &'a Notification,
        context: &'a AttemptContext<'a>,
    ) -> BoxFuture<'a, Result<Receipt, Failure>> {
        Box::pin(async move {
            let response = context.send(self.request(notification)?).await?;
            self.judge(&response, context.clock)?;
            Ok(Receipt {
                status: Some(response.status.as_u16()),
                ..Receipt::default()
            })
        })
    }
}
