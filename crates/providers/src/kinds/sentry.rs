//! Reports errors and deployments to Sentry.
//!
//! | Field | Use |
//! |---|---|
//! | `address` | the project's DSN, `https://<public key>@<host>/<project id>` (required; here or in the Secret) |
//! | `channel` | environment |
//! | `certSecretRef`, `proxySecretRef` | honoured |
//!
//! An event of severity `error` becomes an error in Sentry, with the metadata as context `metadata`.
//! Any other becomes a transaction without duration, with the object, the reason, the controller and
//! the metadata as tags.
//! A repetition of the same delivery has the same id, which Sentry takes once.
//!
//! Sentry takes 8,192 characters of message, 200 of a tag and 1 MiB in all; longer texts are cut.
//! It drops tags whose key has other characters than letters, digits and `_.:-`; line breaks in values,
//! which it would drop too, become spaces.
//! Sentry's rate limits are honoured for as long as it asks.
//!
//! Sentry's documentation: <https://develop.sentry.dev/sdk/data-model/envelopes/>.
//!
//! ```yaml
//! apiVersion: notification.toolkit.fluxcd.io/v1beta3
//! kind: Provider
//! metadata:
//!   name: sentry
//!   namespace: flux-system
//! spec:
//!   type: sentry
//!   channel: production
//!   secretRef:
//!     name: sentry-dsn
//! ```

mod dsn;
mod envelope;
mod limits;

use api::{Problem, Provider};
use domain::delivery::{Failure, FailureClass, Receipt};
use domain::ports::Clock;
use domain::{Capabilities, Family, Notification};
use futures::future::BoxFuture;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method};
use outbound::{HttpRequest, HttpResponse};
use serde_json::Value;
use url::Url;

use crate::kind::{Guarantee, Protocol};
use crate::shared::address;
use crate::shared::answer::{self, Complaint};
use crate::shared::incident::CAPABILITIES;
use crate::{AttemptContext, ConfigError, Notifier, ProviderKind, ProviderSettings};

use dsn::Dsn;
use limits::Category;

pub(crate) const KIND: ProviderKind = ProviderKind {
    name: "sentry",
    title: "Sentry",
    capabilities: Capabilities {
        family: Family::Stream,
        ..CAPABILITIES
    },
    guarantee: Guarantee::ExactlyOnce,
    protocol: Protocol::Http,
    check,
    build: |settings| Ok(Box::new(Sentry::new(settings)?) as Box<dyn Notifier>),
    page: include_str!("sentry.rs"),
};

/// The client that the reference names itself as, for servers that filter by it.
const CLIENT: &str = "sentry.go/0.46.2";

fn check(provider: &Provider) -> Vec<Problem> {
    let hint = "for example https://<public key>@o0.ingest.sentry.io/<project id>";
    address::check_with(provider, Dsn::parse, hint)
}

struct Sentry {
    url: Url,
    authentication: HeaderValue,
    dsn: Dsn,
    environment: String,
}

impl Sentry {
    fn new(settings: &ProviderSettings) -> Result<Self, ConfigError> {
        let dsn = Dsn::parse(settings.address.expose())?;
        let mut authentication = format!(
            "Sentry sentry_version=7, sentry_client={CLIENT}, sentry_key={}",
            dsn.public_key.expose()
        );
        if let Some(secret) = &dsn.secret_key {
            authentication.push_str(", sentry_secret=");
            authentication.push_str(secret.expose());
        }
        Ok(Self {
            url: dsn.envelopes.clone(),
            authentication: ProviderSettings::secret_header(&authentication)?,
            dsn,
            environment: settings.provider.spec.channel.clone(),
        })
    }

    fn request(
        &self,
        notification: &Notification,
        clock: &dyn Clock,
    ) -> Result<HttpRequest, Failure> {
        let mut request = HttpRequest::new(Method::POST, self.url.clone());
        let dsn = self.dsn.text.expose();
        request.body = envelope::render(notification, dsn, &self.environment, clock.now())?;
        let headers = &mut request.headers;
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-sentry-envelope"),
        );
        headers.insert("x-sentry-auth", self.authentication.clone());
        Ok(request)
    }
}

fn judge(response: &HttpResponse, category: Category, clock: &dyn Clock) -> Result<(), Failure> {
    let judged = answer::judge(response, clock, KIND.title, |said: Value| {
        // Who takes an event gives its id.
        let is_taken = answer::text(&said, "id").is_some();
        let reasons = answer::texts(&said, &["detail", "error", "errors", "causes"]);
        Complaint::of(&reasons).filter(|_| !is_taken)
    });
    judged.map_err(|mut failure| {
        if failure.class == FailureClass::Throttled {
            let asked = limits::longest(&response.headers, category);
            failure.retry_after = asked.max(failure.retry_after);
        }
        let reason = response.headers.get("x-sentry-error");
        if let Some(reason) = reason.and_then(|reason| reason.to_str().ok()) {
            failure.detail = format!("{}; Sentry says: {reason}", failure.detail);
        }
        failure
    })
}

impl Notifier for Sentry {
    fn hidden(&self) -> Vec<&str> {
        let secret = self.dsn.secret_key.as_ref();
        let keys = std::iter::once(&self.dsn.public_key).chain(secret);
        keys.map(|key| key.expose().as_str()).collect()
    }

    fn notify<'a>(
        &'a self,
        notification: &'a Notification,
        context: &'a AttemptContext<'a>,
    ) -> BoxFuture<'a, Result<Receipt, Failure>> {
        Box::pin(async move {
            let request = self.request(notification, context.clock)?;
            let response = context.send(request).await?;
            let category = Category::of(&notification.event);
            judge(&response, category, context.clock)?;
            Ok(Receipt {
                status: Some(response.status.as_u16()),
                ..Receipt::default()
            })
        })
    }
}
