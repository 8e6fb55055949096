//! Publishes the event itself, as JSON, to a NATS subject.
//!
//! | Field | Use |
//! |---|---|
//! | `address` | servers, separated by commas: `nats://host:4222`, or `tls://host:4222` to insist on TLS (required; here or in the Secret) |
//! | `channel` | subject to publish to (required) |
//! | Secret `creds` | a whole `.creds` file: JWT and seed; wins over all others |
//! | Secret `nkey` | seed of an `NKey` (`SU…`); wins over what follows |
//! | `username`, Secret `username` and `password` | user and password |
//! | Secret `token` | token |
//! | `certSecretRef` | CA and client certificate; insists on TLS |
//! | `proxySecretRef` | honoured: `http`, `https` and `socks5` |
//!
//! Without an option it is a core NATS publish, and the message counts as delivered when the server
//! confirms that it took it and that the user may publish to the subject.
//! Core NATS tells nobody whether there is a subscriber, and keeps nothing for later ones.
//!
//! With `?jetstream=true` behind a server of the address, it counts as delivered when a stream has
//! stored it. The header `Nats-Msg-Id` lets the stream drop what it already has, so that within its
//! duplicate window a message is stored once, whatever happens to the connection.
//! The user needs the permission to subscribe to `_INBOX.>` then.
//!
//! A user and password, or a token, in a server's address win over those of the Secret.
//! Servers are tried in their order; those that a server names itself are ignored.
//! An event larger than the server's `max_payload` (1 MB unless configured otherwise) is rejected.
//! WebSocket addresses (`ws`, `wss`) are not spoken.
//!
//! NATS' documentation: <https://docs.nats.io/nats-concepts/core-nats/pubsub>.
//!
//! ```yaml
//! apiVersion: notification.toolkit.fluxcd.io/v1beta3
//! kind: Provider
//! metadata:
//!   name: nats
//!   namespace: flux-system
//! spec:
//!   type: nats
//!   address: tls://nats.example.com:4222?jetstream=true
//!   channel: flux.events
//!   secretRef:
//!     name: nats-credentials
//! ```

mod address;
mod nkey;
mod pool;
mod protocol;
mod session;

use std::time::Duration;

use api::{Problem, Provider, Secret, to_wire_json};
use domain::delivery::{Failure, FailureClass, Receipt};
use domain::provider::Progressing;
use domain::{Capabilities, Family, Notification};
use futures::future::BoxFuture;
use tokio::time::timeout;

use self::address::Servers;
use self::nkey::{Credentials, UserKey};
use self::pool::Pool;
use self::session::{Login, Session, Taken};
use crate::kind::{Guarantee, Protocol};
use crate::notifier::AttemptContext;
use crate::shared::delivery_id::delivery_id;
use crate::{ConfigError, Notifier, ProviderKind, ProviderSettings};

pub(crate) const KIND: ProviderKind = ProviderKind {
    name: "nats",
    title: "NATS",
    capabilities: Capabilities {
        family: Family::Stream,
        commit_status_updates: false,
        commit_status: false,
        change_request: false,
        progressing: Progressing::Sent,
        expires: false,
        skipped_kinds: &[],
    },
    guarantee: Guarantee::AtLeastOnce,
    protocol: Protocol::Other("NATS"),
    check,
    build: |settings| Ok(Box::new(Nats::new(settings)?) as Box<dyn Notifier>),
    page: include_str!("nats.rs"),
};

/// The bound of `max_control_line` leaves room for no more.
const LONGEST_SUBJECT: usize = 1024;

fn check(provider: &Provider) -> Vec<Problem> {
    let mut problems = Vec::new();
    if !(provider.address.is_empty() && provider.secret.is_some())
        && let Err(error) = address::parse(&provider.address)
    {
        let problem = Problem::error("spec.address", error.to_string());
        problems
            .push(problem.with_hint("set it here, or as key `address` of the Secret in secretRef"));
    }
    if let Err(error) = check_subject(&provider.channel) {
        let problem = Problem::error("spec.channel", error.to_string());
        problems.push(problem.with_hint("for example flux.events"));
    }
    problems
}

/// Source: <https://docs.nats.io/nats-concepts/subjects>.
fn check_subject(subject: &str) -> Result<(), ConfigError> {
    if subject.is_empty() {
        return Err(ConfigError::new("NATS subject (channel) cannot be empty"));
    }
    let is_valid = subject.len() <= LONGEST_SUBJECT
        && !subject.contains(|one: char| one.is_whitespace() || one.is_control())
        && subject
            .split('.')
            .all(|part| !matches!(part, "" | "*" | ">"));
    if is_valid {
        return Ok(());
    }
    Err(ConfigError::new(format!(
        "NATS subject (channel) must be words separated by dots, without white space and wildcards, \
         at most {LONGEST_SUBJECT} bytes"
    )))
}

struct Nats {
    servers: Servers,
    subject: String,
    login: Login,
    pool: Pool<Session>,
}

impl Nats {
    fn new(settings: &ProviderSettings) -> Result<Self, ConfigError> {
        let subject = settings.provider.spec.channel.clone();
        check_subject(&subject)?;
        Ok(Self {
            servers: address::parse(settings.address.expose())?,
            subject,
            login: login(settings)?,
            pool: Pool::new(),
        })
    }

    /// A connection to the first server that takes us.
    async fn connect(&self, context: &AttemptContext<'_>) -> Result<Session, Failure> {
        let mut failures: Vec<Failure> = Vec::new();
        let mut left = u32::try_from(self.servers.list.len()).unwrap_or(1).max(1);
        for server in &self.servers.list {
            let share: Duration = context.time_left() / left;
            left = left.saturating_sub(1).max(1);
            let opening = Session::open(context.streams, context.route, server, &self.login);
            match timeout(share, opening).await {
                Ok(Ok(session)) => return Ok(session),
                Ok(Err(failure)) => failures.push(failure),
                Err(_) => {
                    let detail = format!("{} did not answer in time", server.target.endpoint());
                    failures.push(Failure::new(FailureClass::Unreachable, detail));
                }
            }
        }
        Err(all_failed(failures))
    }

    async fn publish(
        &self,
        session: &mut Session,
        notification: &Notification,
        payload: &[u8],
    ) -> Result<Taken, Failure> {
        if self.servers.jetstream {
            let id = delivery_id(notification);
            session.publish_to_stream(&self.subject, &id, payload).await
        } else {
            session.publish(&self.subject, payload).await
        }
    }
}

/// One failure for all servers: what time may heal weighs more than what only people can.
fn all_failed(failures: Vec<Failure>) -> Failure {
    let class = failures
        .iter()
        .map(|failure| failure.class)
        .find(|class| class.blames_destination())
        .or_else(|| failures.first().map(|failure| failure.class))
        .unwrap_or(FailureClass::Misconfigured);
    let details: Vec<String> = failures.into_iter().map(|failure| failure.detail).collect();
    Failure::new(class, details.join("; "))
}

fn login(settings: &ProviderSettings) -> Result<Login, ConfigError> {
    let key = |name: &str| {
        let value = settings.secret.get(name);
        value.filter(|value| !value.expose().trim_ascii().is_empty())
    };
    if let Some(creds) = key("creds") {
        return Credentials::parse(creds.expose()).map(Login::Credentials);
    }
    if let Some(seed) = key("nkey") {
        return UserKey::parse(seed.expose(), "nkey").map(Login::Key);
    }
    Ok(match (&settings.password, &settings.token) {
        (Some(password), _) if !settings.username.is_empty() => {
            Login::Password(Secret::new(settings.username.clone()), password.clone())
        }
        (_, Some(token)) => Login::Token(token.clone()),
        _ => Login::Nobody,
    })
}

fn payload(notification: &Notification) -> Result<Vec<u8>, Failure> {
    to_wire_json(&notification.event).map_err(|error| {
        Failure::new(
            FailureClass::Rejected,
            format!("rendering the event: {error}"),
        )
    })
}

impl Notifier for Nats {
    fn notify<'a>(
        &'a self,
        notification: &'a Notification,
        context: &'a AttemptContext<'a>,
    ) -> BoxFuture<'a, Result<Receipt, Failure>> {
        Box::pin(async move {
            let payload = payload(notification)?;
            let mut taken = None;
            if let Some(mut session) = self.pool.take()
                && let Ok(done) = self.publish(&mut session, notification, &payload).await
            {
                taken = Some((done, session));
            }
            // A connection that waited may be gone, or its user no longer welcome; only what a fresh
            // one says counts.
            let (taken, session) = if let Some(taken) = taken {
                taken
            } else {
                let mut session = self.connect(context).await?;
                let done = self.publish(&mut session, notification, &payload).await?;
                (done, session)
            };
            self.pool.put(session);
            Ok(Receipt {
                unchanged: matches!(taken, Taken::Before),
                ..Receipt::default()
            })
        })
    }

    fn preview(&self, notification: &Notification) -> Option<Result<String, Failure>> {
        Some(payload(notification).map(|payload| {
            let servers: Vec<String> = self
                .servers
                .list
                .iter()
                .map(|server| server.target.endpoint().to_string())
                .collect();
            let mut text = format!("PUB {} to {}\n", self.subject, servers.join(" or "));
            if self.servers.jetstream {
                text = text + "Nats-Msg-Id: " + &delivery_id(notification) + "\n";
            }
            text + "\n" + &String::from_utf8_lossy(&payload) + "\n"
        }))
    }
}
