//! What a provider implements.

use std::time::Duration;

use domain::Notification;
use domain::delivery::{Failure, FailureClass, Receipt};
use domain::ports::{Clock, Memory};
use futures::future::BoxFuture;
use outbound::{HttpRequest, HttpResponse, HttpTransport, Route, SendOptions};

use crate::classify;
use crate::identity::Identities;
use crate::shared::token_cache::TokenCache;

/// How much of a list is read: a hundred commit statuses with their creators fit well.
const LONGEST_LIST: usize = 4 << 20;

/// How long a request for a token may take, as in the reference.
const LONGEST_TOKEN_REQUEST: Duration = Duration::from_secs(10);

/// What an attempt may use.
pub struct AttemptContext<'a> {
    /// The way out.
    pub transport: &'a dyn HttpTransport,
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
    /// Who we are where no Secret says it.
    pub identities: &'a Identities,
    /// The client for the metadata services of clouds, if there is one.
    pub metadata: Option<&'a dyn HttpTransport>,
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

    /// Sends a request for a token, which gets ten seconds at most.
    pub(crate) async fn ask_for_token(
        &self,
        request: HttpRequest,
    ) -> Result<HttpResponse, Failure> {
        self.send_within(request, self.token_options()).await
    }

    /// Asks the metadata service of a cloud. The address must be one that no user can choose.
    pub(crate) async fn ask_metadata(&self, request: HttpRequest) -> Result<HttpResponse, Failure> {
        let Some(client) = self.metadata else {
            return Err(Failure::new(
                FailureClass::Misconfigured,
                "this process has no identity of its own in the cloud: configure one, or put a \
                 credential into the Secret",
            ));
        };
        // The metadata service is next door; neither proxies nor certificates have a part in it.
        let answer = client
            .send(request, &Route::default(), &self.token_options())
            .await;
        answer.map_err(|error| {
            let failure = classify::transport_error(&error);
            let detail = format!(
                "asking the cloud's metadata service for this process' identity: {}",
                failure.detail
            );
            Failure { detail, ..failure }
        })
    }

    fn token_options(&self) -> SendOptions {
        SendOptions::within(self.time_left().min(LONGEST_TOKEN_REQUEST))
    }

    fn time_left(&self) -> Duration {
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
    /// Credentials that stand in other places than Secrets, addresses and header fields, such as in
    /// `spec.channel`: the courier never prints them.
    fn hidden(&self) -> Vec<&str> {
        Vec::new()
    }

    /// One attempt. Errors may hold anything; the courier redacts them.
    fn notify<'a>(
        &'a self,
        notification: &'a Notification,
        context: &'a AttemptContext<'a>,
    ) -> BoxFuture<'a, Result<Receipt, Failure>>;
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
