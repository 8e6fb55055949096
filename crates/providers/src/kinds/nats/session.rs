//! A connection to one NATS server: greeting, TLS, login, and messages with proof that they were
//! taken.

use domain::delivery::{Failure, FailureClass};
use outbound::{Route, StreamTransport};

use super::address::Server;
use super::nkey::{Credentials, UserKey};
use super::protocol::{self, Acknowledgement, Connect, Info, Line};
use crate::classify;
use crate::shared::delivery_id::fingerprint;
use crate::shared::line_stream::LineStream;

/// What `name` says in CONNECT, as in the reference: operators may look for it.
const CLIENT_NAME: &str = "NATS Provider Publisher";

/// An INFO line names all servers of a cluster.
const LONGEST_LINE: usize = 256 * 1024;

/// An acknowledgement is a few hundred bytes.
const LONGEST_MESSAGE: usize = 64 * 1024;

/// Lines that need no answer, before we give up on hearing what we wait for.
const MOST_LINES: usize = 1_000;

/// Who we are.
pub(super) enum Login {
    Credentials(Credentials),
    Key(UserKey),
    Password(api::Secret<String>, api::Secret<String>),
    Token(api::Secret<String>),
    Nobody,
}

/// A connection that is logged in.
pub(super) struct Session {
    lines: LineStream,
    info: Info,
    subscriptions: u64,
}

/// What came of a message.
pub(super) enum Taken {
    /// The server, or the stream, has it.
    Now,
    /// The stream had it before.
    Before,
}

impl Session {
    /// Connects and logs in. A user in the server's address wins over a user or token of the Secret.
    pub(super) async fn open(
        streams: &dyn StreamTransport,
        route: &Route,
        server: &Server,
        login: &Login,
    ) -> Result<Self, Failure> {
        let target = server.target.clone();
        let stream = streams.connect(&target, route).await;
        let stream = stream.map_err(|error| classify::transport_error(&error))?;
        let mut lines = LineStream::new(stream, target.clone());
        let greeting = lines.line(LONGEST_LINE).await?;
        let info = match protocol::parse(&greeting) {
            Line::Info(json) => serde_json::from_str::<Info>(json).ok(),
            Line::Error(text) => return Err(protocol::failure(&target.endpoint(), text)),
            _ => None,
        };
        let Some(info) = info else {
            return Err(lines.fault("does not speak the NATS protocol"));
        };
        let is_tls_wanted = server.tls || route.tls.is_some();
        if is_tls_wanted && !info.tls_required && !info.tls_available {
            let asked = if server.tls {
                "the address"
            } else {
                "spec.certSecretRef"
            };
            let said = format!("does not offer TLS, which {asked} asks for");
            let fault = lines.fault(&said);
            return Err(Failure {
                class: FailureClass::Misconfigured,
                ..fault
            });
        }
        let secure = is_tls_wanted || info.tls_required;
        if secure {
            let stream = streams.start_tls(lines.into_inner()?, &target, route).await;
            let stream = stream.map_err(|error| classify::transport_error(&error))?;
            lines = LineStream::new(stream, target);
        }
        let connect = connect(&info, server, login, secure);
        let connect = connect.map_err(|problem| {
            let fault = lines.fault(&problem);
            Failure {
                class: FailureClass::Misconfigured,
                ..fault
            }
        })?;
        let json = serde_json::to_string(&connect).unwrap_or_default();
        lines
            .send(format!("CONNECT {json}\r\nPING\r\n").as_bytes())
            .await?;
        let mut session = Self {
            lines,
            info,
            subscriptions: 0,
        };
        session.wait(|line| matches!(line, Line::Pong)).await?;
        Ok(session)
    }

    /// Sends a message and waits until the server has taken it.
    pub(super) async fn publish(
        &mut self,
        subject: &str,
        payload: &[u8],
    ) -> Result<Taken, Failure> {
        self.check_size(payload.len())?;
        self.lines
            .send(&protocol::publish(subject, payload))
            .await?;
        self.wait(|line| matches!(line, Line::Pong)).await?;
        Ok(Taken::Now)
    }

    /// Sends a message and waits until a stream has stored it.
    pub(super) async fn publish_to_stream(
        &mut self,
        subject: &str,
        id: &str,
        payload: &[u8],
    ) -> Result<Taken, Failure> {
        if !self.info.headers {
            let fault = self
                .lines
                .fault("knows no message headers, which JetStream needs");
            return Err(Failure {
                class: FailureClass::Misconfigured,
                ..fault
            });
        }
        self.check_size(payload.len() + id.len() + 64)?;
        self.subscriptions += 1;
        // Nobody else subscribes to it: the server counts its clients, and we our subscriptions.
        let count = format!("{} {}", self.info.client_id, self.subscriptions);
        let inbox = format!(
            "_INBOX.{}",
            fingerprint(&[&self.info.server_id, &count, id])
        );
        let message = protocol::publish_to_stream(subject, &inbox, self.subscriptions, id, payload);
        self.lines.send(&message).await?;
        let found = self
            .wait(|line| matches!(line, Line::Message { .. }))
            .await?;
        self.acknowledged(found, subject).await
    }

    async fn acknowledged(
        &mut self,
        (headers, total): (usize, usize),
        subject: &str,
    ) -> Result<Taken, Failure> {
        if total > LONGEST_MESSAGE {
            return Err(self.lines.fault("sent an acknowledgement that is too long"));
        }
        let head = self.lines.bytes(headers).await?;
        let body = self.lines.bytes(total - headers).await?;
        self.lines.bytes(2).await?;
        if head.starts_with(b"NATS/1.0 503") {
            let said = format!(
                "has no stream that takes the subject `{subject}`, or JetStream is not ready"
            );
            return Err(self.lines.fault(&said));
        }
        let server = self.lines.target().endpoint();
        match serde_json::from_slice::<Acknowledgement>(&body) {
            Ok(Acknowledgement {
                error: Some(refusal),
                ..
            }) => Err(refusal.failure(&server)),
            Ok(answer) if answer.stream.is_empty() => {
                Err(self.lines.fault("did not answer in the form of JetStream"))
            }
            Ok(answer) if answer.duplicate => Ok(Taken::Before),
            Ok(_) => Ok(Taken::Now),
            Err(_) => Err(self.lines.fault("did not answer in the form of JetStream")),
        }
    }

    fn check_size(&self, bytes: usize) -> Result<(), Failure> {
        match self.info.max_payload {
            Some(limit) if u64::try_from(bytes).is_ok_and(|bytes| bytes > limit) => {
                let server = self.lines.target().endpoint();
                let detail = format!(
                    "the event takes {bytes} bytes and {server} takes at most {limit} (max_payload)"
                );
                Err(Failure::new(FailureClass::Rejected, detail))
            }
            _ => Ok(()),
        }
    }

    /// Reads until a line is the one that is waited for; errors end it, the rest is answered or
    /// passed over. Gives the lengths of a message.
    async fn wait(&mut self, is_it: impl Fn(&Line<'_>) -> bool) -> Result<(usize, usize), Failure> {
        for _ in 0..MOST_LINES {
            let text = self.lines.line(LONGEST_LINE).await?;
            let line = protocol::parse(&text);
            let lengths = match line {
                Line::Message { headers, total } => (headers, total),
                _ => (0, 0),
            };
            if is_it(&line) {
                return Ok(lengths);
            }
            match line {
                Line::Ping => self.lines.send(b"PONG\r\n").await?,
                Line::Error(text) => {
                    return Err(protocol::failure(&self.lines.target().endpoint(), text));
                }
                Line::Pong | Line::Ok | Line::Info(_) => {}
                Line::Message { .. } | Line::Unknown => {
                    return Err(self.lines.fault("does not speak the NATS protocol"));
                }
            }
        }
        Err(self.lines.fault("did not confirm the message"))
    }
}

/// Who we are, said to this server.
fn connect<'a>(
    info: &Info,
    server: &'a Server,
    login: &'a Login,
    secure: bool,
) -> Result<Connect<'a>, String> {
    let nonce = info.nonce.as_deref().unwrap_or_default();
    let mut connect = Connect {
        echo: true,
        headers: info.headers,
        auth_token: None,
        jwt: None,
        lang: "rust",
        name: CLIENT_NAME,
        nkey: None,
        no_responders: info.headers,
        pass: None,
        pedantic: false,
        protocol: 1,
        sig: None,
        tls_required: secure,
        user: None,
        verbose: false,
        version: env!("CARGO_PKG_VERSION"),
    };
    match login {
        Login::Credentials(credentials) => {
            connect.jwt = Some(credentials.jwt.expose());
            connect.sig = Some(credentials.key.sign(nonce));
        }
        Login::Key(_) if nonce.is_empty() => {
            return Err("takes no NKeys, but key `nkey` of the Secret holds one".to_owned());
        }
        Login::Key(key) => {
            connect.nkey = Some(key.public());
            connect.sig = Some(key.sign(nonce));
        }
        Login::Password(user, password) => {
            connect.user = Some(user.expose());
            connect.pass = Some(password.expose());
        }
        Login::Token(token) => connect.auth_token = Some(token.expose()),
        Login::Nobody => {}
    }
    match &server.user {
        Some((user, Some(password))) => {
            connect.user = Some(user.expose());
            connect.pass = Some(password.expose());
            connect.auth_token = None;
        }
        Some((token, None)) => {
            connect.user = None;
            connect.pass = None;
            connect.auth_token = Some(token.expose());
        }
        None => {}
    }
    Ok(connect)
}
