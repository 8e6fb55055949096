//! One attempt from end to end: find the Provider, read its Secrets, build, send, redact.
//!
//! Everything that can be configured is looked up now, not when the delivery was planned. Notifiers
//! are kept while neither their Provider nor its Secrets change. No detail that leaves this file
//! holds a secret, and a panic, wherever during an attempt, is a failure like any other.

mod cache;
mod watch;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use api::ObjectKey;
use domain::catalog::ProviderEntry;
use domain::delivery::{Failure, FailureClass, Receipt};
use domain::notification::{self, CommitStatus, CommitStatusFailure, DropReason};
use domain::ports::{Clock, Memory, ProviderCheck, SecretReader};
use domain::{
    Catalog, CatalogSnapshot, CleanEvent, Delivery, Notification, Outcome, ValidProvider,
};
use futures::FutureExt;
use futures::future::BoxFuture;
use outbound::{HttpTransport, Redactor, StreamTransport};
use tokio::time::Instant;

use crate::identity::Identities;
use crate::kinds;
use crate::notifier::AttemptContext;
use crate::settings::credentials::SecretSet;
use crate::shared::token_cache::TokenCache;
use crate::shared::truncate;

use cache::{Built, NotifierCache};
use watch::Watched;
pub(crate) use watch::{hide_credentials, is_secret};

/// How much of a failure's detail is kept.
const LONGEST_DETAIL: usize = 1024;

/// What a [`Courier`] needs of the rest of the program.
pub struct CourierSettings {
    /// Providers and Alerts in force.
    pub catalog: Arc<Catalog>,
    /// Secrets.
    pub secrets: Arc<dyn SecretReader>,
    /// The way out.
    pub transport: Arc<dyn HttpTransport>,
    /// The way out for protocols other than HTTP.
    pub streams: Arc<dyn StreamTransport>,
    /// Facts remembered between deliveries.
    pub memory: Arc<dyn Memory>,
    /// Wall-clock time.
    pub clock: Arc<dyn Clock>,
    /// How many minted tokens are kept; `0` switches the cache off.
    pub max_tokens: usize,
    /// How long a minted token is kept at most; an hour at most.
    pub longest_token_life: Duration,
    /// Who we are where no Secret says it.
    pub identities: Identities,
    /// How many notifiers are kept.
    pub max_notifiers: usize,
}

/// Makes attempts.
pub struct Courier {
    catalog: Arc<Catalog>,
    secrets: Arc<dyn SecretReader>,
    transport: Arc<dyn HttpTransport>,
    streams: Arc<dyn StreamTransport>,
    memory: Arc<dyn Memory>,
    clock: Arc<dyn Clock>,
    tokens: TokenCache,
    identities: Identities,
    notifiers: NotifierCache,
}

impl Courier {
    /// A courier with empty caches.
    pub fn new(settings: CourierSettings) -> Self {
        Self {
            catalog: settings.catalog,
            secrets: settings.secrets,
            transport: settings.transport,
            streams: settings.streams,
            memory: settings.memory,
            clock: settings.clock,
            tokens: TokenCache::new(settings.max_tokens)
                .keeping_no_longer_than(settings.longest_token_life),
            identities: settings.identities,
            notifiers: NotifierCache::new(settings.max_notifiers),
        }
    }

    async fn attempt(
        &self,
        delivery: &Delivery,
        event: &CleanEvent,
        attempt: u32,
    ) -> Result<Receipt, NotSent> {
        let snapshot = self.catalog.snapshot();
        let provider = find_provider(&snapshot, delivery)?;
        self.identities
            .check_gate(provider)
            .map_err(NotSent::Failed)?;
        let commit_status = if delivery.content.kind == provider.kind {
            delivery.content.commit_status.clone()
        } else {
            regate(&snapshot, delivery, event, provider)?
        };
        let notification = notification(delivery, event, commit_status);
        let secrets = SecretSet::read(provider, &*self.secrets)
            .await
            .map_err(NotSent::Failed)?;
        let built = match self.notifiers.get(provider, secrets.versions()) {
            Some(built) => built,
            None => self.build(provider, &secrets)?,
        };
        self.send(provider, &built, &notification, attempt).await
    }

    fn build(
        &self,
        provider: &Arc<ValidProvider>,
        secrets: &SecretSet,
    ) -> Result<Arc<Built>, NotSent> {
        let built = Arc::new(build(provider, secrets).map_err(NotSent::Failed)?);
        self.notifiers
            .put(provider, secrets.versions().clone(), Arc::clone(&built));
        Ok(built)
    }

    async fn send(
        &self,
        provider: &ValidProvider,
        built: &Built,
        notification: &Notification,
        attempt: u32,
    ) -> Result<Receipt, NotSent> {
        let transport = Watched::new(&*self.transport);
        let deadline = Instant::now() + provider.timeout;
        let context = AttemptContext {
            transport: &transport,
            streams: &*self.streams,
            route: &built.route,
            deadline,
            memory: &*self.memory,
            tokens: &self.tokens,
            clock: &*self.clock,
            identities: &self.identities,
            metadata: self.identities.metadata.as_deref(),
            attempt,
        };
        let sending = built.notifier.notify(notification, &context);
        let failure = match tokio::time::timeout_at(deadline, sending).await {
            Ok(Ok(receipt)) => return Ok(receipt),
            Ok(Err(failure)) => failure,
            Err(_) => Failure::new(
                FailureClass::Unreachable,
                format!(
                    "no complete answer within {}",
                    api::duration::format(provider.timeout)
                ),
            ),
        };
        let mut redactor = built.redactor.clone();
        transport.hide_credentials(&mut redactor);
        Err(NotSent::Failed(Failure {
            detail: clean(&redactor, &failure.detail),
            ..failure
        }))
    }
}

impl domain::ports::Courier for Courier {
    fn deliver<'a>(
        &'a self,
        delivery: &'a Delivery,
        event: &'a CleanEvent,
        attempt: u32,
    ) -> BoxFuture<'a, Outcome> {
        async move {
            let attempt = self.attempt(delivery, event, attempt);
            let attempt = contained(&delivery.provider, attempt).await;
            match attempt.unwrap_or_else(|failure| Err(NotSent::Failed(failure))) {
                Ok(receipt) => Outcome::Delivered(receipt),
                Err(NotSent::Dropped(reason)) => Outcome::Dropped(reason),
                Err(NotSent::Failed(failure)) => Outcome::Failed(failure),
            }
        }
        .boxed()
    }
}

impl ProviderCheck for Courier {
    fn check<'a>(&'a self, provider: &'a Arc<ValidProvider>) -> BoxFuture<'a, Result<(), Failure>> {
        async move {
            let building = build_once(provider, &*self.secrets);
            contained(&provider.key, building).await?.map(drop)
        }
        .boxed()
    }
}

/// What a type gets to see of a delivery.
pub(crate) fn notification(
    delivery: &Delivery,
    event: &CleanEvent,
    commit_status: Option<CommitStatus>,
) -> Notification {
    Notification {
        event: notification::with_metadata(event, delivery.content.metadata.clone()),
        alert: delivery.alert.clone(),
        alert_uid: delivery.content.alert_uid.clone(),
        commit_status,
        accepted_at: delivery.accepted_at,
        // Ids start anew with a new store; together with the time they are unique.
        idempotency_key: format!("{}.{}", delivery.accepted_at.as_millisecond(), delivery.id),
    }
}

/// Builds a notifier for one use.
pub(crate) async fn build_once(
    provider: &Arc<ValidProvider>,
    reader: &dyn SecretReader,
) -> Result<Built, Failure> {
    let secrets = SecretSet::read(provider, reader).await?;
    build(provider, &secrets)
}

fn build(provider: &Arc<ValidProvider>, secrets: &SecretSet) -> Result<Built, Failure> {
    let mut redactor = secrets.redactor(provider);
    let refused = |text: String| Failure::new(FailureClass::Misconfigured, clean(&redactor, &text));
    let kind = kinds::find(&provider.kind).ok_or_else(|| {
        refused(format!(
            "provider type `{}` is not supported",
            provider.kind
        ))
    })?;
    let settings = secrets
        .resolve(provider)
        .map_err(|error| refused(error.to_string()))?;
    let notifier = (kind.build)(&settings)
        .map_err(|error| refused(format!("provider `{}`: {error}", provider.key)))?;
    for credential in notifier.hidden() {
        redactor.hide(credential.as_bytes());
    }
    Ok(Built {
        notifier,
        route: settings.route,
        redactor,
    })
}

/// Why an attempt ended without a receipt.
enum NotSent {
    Dropped(DropReason),
    Failed(Failure),
}

fn misconfigured(detail: impl Into<String>) -> NotSent {
    NotSent::Failed(Failure::new(FailureClass::Misconfigured, detail))
}

fn find_provider<'a>(
    snapshot: &'a CatalogSnapshot,
    delivery: &Delivery,
) -> Result<&'a Arc<ValidProvider>, NotSent> {
    let key = &delivery.provider;
    match snapshot.provider(key) {
        None => Err(misconfigured(format!("provider `{key}` does not exist"))),
        Some(ProviderEntry::Invalid(problems)) => {
            let errors: Vec<String> = problems
                .iter()
                .filter(|problem| problem.is_error())
                .map(ToString::to_string)
                .collect();
            let text = format!("provider `{key}` cannot be used: {}", errors.join("; "));
            Err(misconfigured(truncate::head(&text, LONGEST_DETAIL)))
        }
        // Switched off after the delivery was planned: it waits, since it was promised.
        Some(ProviderEntry::Valid(provider)) if provider.is_suspended() => {
            Err(misconfigured(format!("provider `{key}` is suspended")))
        }
        Some(ProviderEntry::Valid(provider)) => Ok(provider),
    }
}

/// Applies the rules of a type that was not known when the delivery was planned.
fn regate(
    snapshot: &CatalogSnapshot,
    delivery: &Delivery,
    event: &CleanEvent,
    provider: &ValidProvider,
) -> Result<Option<CommitStatus>, NotSent> {
    notification::gate(event, provider).map_err(NotSent::Dropped)?;
    let alert = snapshot.alert(&delivery.alert);
    if alert.is_none() && provider.commit_status_expression.is_some() {
        return Err(misconfigured(format!(
            "alert `{}`, which spec.commitStatusExpr may look at, does not exist",
            delivery.alert
        )));
    }
    let object = alert.map(|alert| &*alert.object);
    let event = notification::with_metadata(event, delivery.content.metadata.clone());
    notification::commit_status_for(&event, object.unwrap_or_default(), provider).map_err(|error| {
        match error {
            CommitStatusFailure::Dropped(reason) => NotSent::Dropped(reason),
            CommitStatusFailure::Expression(text) => misconfigured(truncate::head(
                &format!("provider `{}`: {text}", provider.key),
                LONGEST_DETAIL,
            )),
        }
    })
}

/// Makes a panic a failure of this very message: it would panic again.
///
/// What a panic says is not kept. It may hold a secret, and not as whole as one must be to be redacted:
/// the standard library cuts texts that it quotes. The place is in the log.
async fn contained<T>(
    provider: &ObjectKey,
    running: impl Future<Output = T>,
) -> Result<T, Failure> {
    let outcome = AssertUnwindSafe(running).catch_unwind().await;
    outcome.map_err(|_| {
        let text = format!(
            "an attempt for provider `{provider}` panicked, which is a bug; the log says where"
        );
        Failure::new(FailureClass::Rejected, text)
    })
}

/// A text fit for people: without secrets, on one line, not too long. What a destination says goes to
/// terminals, and must not steer them.
pub(crate) fn clean(redactor: &Redactor, text: &str) -> String {
    let text = redactor.redact(text).replace(char::is_control, " ");
    truncate::head(&text, LONGEST_DETAIL)
}
