//! Sends e-mail through a mail server (SMTP).
//!
//! | Field | Use |
//! |---|---|
//! | `address` | the mail server (required; here or in the Secret), see below |
//! | `channel` | recipients, separated by commas (required): `ops@example.com`, or `Ops <ops@example.com>` |
//! | `username` | sender; default: the Secret's `username` |
//! | Secret `username`, `password` | login; without `username`, the sender's address is taken |
//! | `certSecretRef` | CA and client certificate |
//! | `proxySecretRef` | honoured: `http`, `https` and `socks5` |
//!
//! | `address` | Connection |
//! |---|---|
//! | `smtp://host[:587]` | `STARTTLS`; nothing is sent when the server does not offer it |
//! | `smtps://host[:465]` | TLS from the start |
//! | `smtp+plain://host[:25]` | no TLS, for relays that have none; a password is sent this way to the loopback interface only |
//!
//! The message has the event's text and metadata as plain text and as simple HTML, and the event's
//! time as its date.
//! Messages about one object form a thread. A message's `Message-ID` stays the same over attempts, so
//! mail systems that look for duplicates find them.
//!
//! A recipient who is refused for good does not keep the message from the others; the delivery fails
//! then, names who was refused, and is not repeated by itself.
//! A recipient who is refused for now (a full mailbox, greylisting) holds the message back from all
//! for three attempts, so that nobody gets it twice; after that it goes to the others.
//! Use a Provider per recipient where one must never wait for another. All recipients see each other.
//!
//! The type is not in Flux.
//!
//! ```yaml
//! apiVersion: notification.toolkit.fluxcd.io/v1beta3
//! kind: Provider
//! metadata:
//!   name: mail
//!   namespace: flux-system
//! spec:
//!   type: email
//!   address: smtp://mail.example.com:587
//!   channel: ops@example.com, Night shift <night@example.com>
//!   username: Fanfare <fanfare@example.com>
//!   secretRef:
//!     name: mail-login
//! ```

mod address;
mod message;
mod smtp;

use api::{Problem, Provider, Secret};
use domain::Notification;
use domain::delivery::{Failure, Receipt};
use futures::future::BoxFuture;
use jiff::Timestamp;

use self::address::{Mailbox, Server};
use self::message::{Envelope, message};
use self::smtp::{Login, Session};
use super::slack::CHAT;
use crate::kind::{Guarantee, Protocol};
use crate::notifier::AttemptContext;
use crate::{ConfigError, Notifier, ProviderKind, ProviderSettings};

pub(crate) const KIND: ProviderKind = ProviderKind {
    name: "email",
    title: "E-mail",
    capabilities: CHAT,
    guarantee: Guarantee::AtLeastOnce,
    protocol: Protocol::Other("SMTP"),
    check,
    build: |settings| Ok(Box::new(Email::new(settings)?) as Box<dyn Notifier>),
    page: include_str!("email.rs"),
};

/// More than one message should go to; use a mailing list.
const MOST_RECIPIENTS: usize = 50;

fn check(provider: &Provider) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut add = |path: &str, error: ConfigError, hint: &str| {
        problems.push(Problem::error(path, error.to_string()).with_hint(hint));
    };
    if !(provider.address.is_empty() && provider.secret.is_some())
        && let Err(error) = Server::parse(&provider.address)
    {
        let hint = "set it here, or as key `address` of the Secret in secretRef";
        add("spec.address", error, hint);
    }
    if let Err(error) = recipients(&provider.channel) {
        add("spec.channel", error, "for example ops@example.com");
    }
    if !(provider.username.is_empty() && provider.secret.is_some())
        && let Err(error) = sender(&provider.username)
    {
        add("spec.username", error, "for example fanfare@example.com");
    }
    problems
}

fn recipients(channel: &str) -> Result<Vec<Mailbox>, ConfigError> {
    let texts = channel.split(',').filter(|text| !text.trim().is_empty());
    let found: Result<Vec<Mailbox>, ConfigError> = texts
        .map(|text| Mailbox::parse(text, "each recipient (channel)"))
        .collect();
    let found = found?;
    match found.len() {
        0 => Err(ConfigError::new("no recipient (channel) is given")),
        1..=MOST_RECIPIENTS => Ok(found),
        _ => Err(ConfigError::new(format!(
            "more than {MOST_RECIPIENTS} recipients (channel) are given"
        ))),
    }
}

fn sender(username: &str) -> Result<Mailbox, ConfigError> {
    Mailbox::parse(username, "the sender (username)")
}

struct Email {
    server: Server,
    from: Mailbox,
    to: Vec<Mailbox>,
    login: Option<Login>,
    /// What tells this Provider from all others.
    provider: String,
}

impl Email {
    fn new(settings: &ProviderSettings) -> Result<Self, ConfigError> {
        let provider = &settings.provider;
        let server = Server::parse(settings.address.expose())?;
        let own = &provider.spec.username;
        let from = sender(if own.is_empty() {
            &settings.username
        } else {
            own
        })?;
        let login = login(settings, &from);
        if login.is_some() && server.exposes_passwords() {
            return Err(ConfigError::new(
                "smtp+plain:// would show the password to everybody on the way: use smtp:// or \
                 smtps://, or a Secret without a password",
            ));
        }
        Ok(Self {
            server,
            from,
            to: recipients(&provider.spec.channel)?,
            login,
            provider: format!("{} {}", provider.key, provider.uid),
        })
    }

    fn render(&self, notification: &Notification, now: Timestamp) -> Result<Vec<u8>, Failure> {
        let envelope = Envelope {
            from: &self.from,
            to: &self.to,
            provider: &self.provider,
        };
        message(&envelope, notification, now)
    }
}

/// The Secret's user is whom we log in as; `spec.username` is the sender and may have a name.
fn login(settings: &ProviderSettings, from: &Mailbox) -> Option<Login> {
    let password = settings.password.clone()?;
    let is_from_secret = settings.username != settings.provider.spec.username;
    let username = if is_from_secret && !settings.username.is_empty() {
        settings.username.clone()
    } else {
        from.address.clone()
    };
    Some(Login {
        username: Secret::new(username),
        password,
    })
}

impl Notifier for Email {
    fn notify<'a>(
        &'a self,
        notification: &'a Notification,
        context: &'a AttemptContext<'a>,
    ) -> BoxFuture<'a, Result<Receipt, Failure>> {
        Box::pin(async move {
            let message = self.render(notification, context.clock.now())?;
            let (streams, route) = (context.streams, context.route);
            let (server, login) = (&self.server, self.login.as_ref());
            let name = self.from.domain();
            let mut session = Session::open(streams, route, server, login, name).await?;
            let sent = session.send(&self.from, &self.to, &message, context.attempt);
            Ok(Receipt {
                status: Some(sent.await?),
                ..Receipt::default()
            })
        })
    }

    fn preview(&self, notification: &Notification) -> Option<Result<String, Failure>> {
        let message = self.render(notification, Timestamp::UNIX_EPOCH);
        Some(message.map(|message| {
            let recipients: Vec<&str> = self.to.iter().map(|one| one.address.as_str()).collect();
            format!(
                "MAIL FROM:<{}> TO:<{}> at {}\n\n{}",
                self.from.address,
                recipients.join(">,<"),
                self.server.target.endpoint(),
                String::from_utf8_lossy(&message)
            )
        }))
    }
}

#[cfg(test)]
mod tests;
