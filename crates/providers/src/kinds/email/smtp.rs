//! The dialogue with a mail server, and what its replies mean.
//!
//! Source: RFC 5321 (SMTP), RFC 3207 (STARTTLS), RFC 4954 (AUTH), RFC 3463 (enhanced status codes).

use api::Secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::delivery::{Failure, FailureClass};
use outbound::{Route, StreamTransport};

use super::address::{Mailbox, Protection, Server};
use crate::classify;
use crate::shared::line_stream::LineStream;

/// Eight times what RFC 5321 has.
const LONGEST_LINE: usize = 4096;

/// The most lines of one reply.
const MOST_LINES: usize = 128;

/// Until this attempt a recipient who is refused for now holds the message back from all, so that
/// nobody gets it twice; later ones go without that recipient.
const PATIENT_ATTEMPTS: u32 = 4;

/// Whom we log in as.
pub(super) struct Login {
    pub(super) username: Secret<String>,
    pub(super) password: Secret<String>,
}

/// A connection that takes mail.
pub(super) struct Session {
    lines: LineStream,
    /// What the server offers: keywords and their parameters, in upper case.
    offers: Vec<String>,
}

/// A reply, its lines joined.
struct Reply {
    code: u16,
    text: String,
}

/// How far we are: what a permanent refusal blames.
#[derive(Clone, Copy)]
enum About {
    /// Us, or how we are configured.
    Session,
    /// The message or its recipients.
    Message,
}

impl Session {
    /// Connects, protects the connection, and logs in.
    pub(super) async fn open(
        streams: &dyn StreamTransport,
        route: &Route,
        server: &Server,
        login: Option<&Login>,
        our_name: &str,
    ) -> Result<Self, Failure> {
        let target = &server.target;
        let transport = |error| classify::transport_error(&error);
        let mut stream = streams.connect(target, route).await.map_err(transport)?;
        if server.protection == Protection::Tls {
            stream = streams
                .start_tls(stream, target, route)
                .await
                .map_err(transport)?;
        }
        let mut session = Self {
            lines: LineStream::new(stream, target.clone()),
            offers: Vec::new(),
        };
        let greeting = session.reply().await?;
        session.expect(220, &greeting, "the connection", About::Session)?;
        session.hello(our_name).await?;
        if server.protection == Protection::StartTls {
            if !session.has("STARTTLS") {
                return Err(session.misconfigured(
                    "does not offer STARTTLS, so nothing was sent; use smtps:// if it speaks TLS from \
                     the start",
                ));
            }
            session
                .command("STARTTLS", "STARTTLS", 220, About::Session)
                .await?;
            let stream = session.lines.into_inner()?;
            let stream = streams
                .start_tls(stream, target, route)
                .await
                .map_err(transport)?;
            session = Self {
                lines: LineStream::new(stream, target.clone()),
                offers: Vec::new(),
            };
            // What was offered before counts no more.
            session.hello(our_name).await?;
        }
        if let Some(login) = login {
            session.log_in(login).await?;
        }
        Ok(session)
    }

    /// Sends a message to all who take it. Fails when somebody does not.
    pub(super) async fn send(
        &mut self,
        from: &Mailbox,
        to: &[Mailbox],
        message: &[u8],
        attempt: u32,
    ) -> Result<u16, Failure> {
        let limit = self
            .parameters("SIZE")
            .and_then(|size| size.trim().parse::<usize>().ok());
        if let Some(limit) = limit.filter(|limit| *limit > 0 && message.len() > *limit) {
            let server = self.lines.target().endpoint();
            let length = message.len();
            let detail =
                format!("the message has {length} bytes and {server} takes at most {limit}");
            return Err(Failure::new(FailureClass::Rejected, detail));
        }
        let command = format!("MAIL FROM:<{}>", from.address);
        self.command(&command, "MAIL FROM", 250, About::Message)
            .await?;
        let mut refusals = Vec::new();
        for recipient in to {
            let command = format!("RCPT TO:<{}>", recipient.address);
            self.lines.send(format!("{command}\r\n").as_bytes()).await?;
            let reply = self.reply().await?;
            // 251 says that the server forwards it.
            if matches!(reply.code, 250 | 251) {
                continue;
            }
            let refusal = self.failure(&reply, &command, About::Message);
            let is_temporary = refusal.class != FailureClass::Rejected;
            if is_temporary && attempt < PATIENT_ATTEMPTS {
                self.quit().await;
                return Err(refusal);
            }
            refusals.push(refusal);
        }
        if refusals.len() == to.len() {
            self.quit().await;
            return Err(joined(refusals));
        }
        self.command("DATA", "DATA", 354, About::Message).await?;
        self.lines.send(&stuffed(message)).await?;
        let reply = self.reply().await?;
        self.expect(250, &reply, "the message", About::Message)?;
        self.quit().await;
        if refusals.is_empty() {
            return Ok(reply.code);
        }
        let arrived = to.len() - refusals.len();
        let refused = joined(refusals);
        let total = to.len();
        Err(Failure {
            // Sending it again would send it twice to the others.
            class: FailureClass::Rejected,
            retry_after: None,
            status: refused.status,
            detail: format!(
                "sent to {arrived} of {total} recipients: {}",
                refused.detail
            ),
        })
    }

    async fn hello(&mut self, our_name: &str) -> Result<(), Failure> {
        let reply = self
            .command(&format!("EHLO {our_name}"), "EHLO", 250, About::Session)
            .await?;
        let offers = reply.text.lines().skip(1);
        self.offers = offers.map(str::to_ascii_uppercase).collect();
        Ok(())
    }

    fn parameters(&self, keyword: &str) -> Option<&str> {
        self.offers.iter().find_map(|offer| {
            let rest = offer.strip_prefix(keyword)?;
            (rest.is_empty() || rest.starts_with([' ', '='])).then_some(rest)
        })
    }

    fn has(&self, keyword: &str) -> bool {
        self.parameters(keyword).is_some()
    }

    async fn log_in(&mut self, login: &Login) -> Result<(), Failure> {
        let mechanisms: Vec<&str> = self
            .parameters("AUTH")
            .unwrap_or_default()
            .split([' ', '='])
            .collect();
        let (username, password) = (login.username.expose(), login.password.expose());
        if mechanisms.contains(&"PLAIN") {
            let initial = STANDARD.encode(format!("\0{username}\0{password}"));
            let command = format!("AUTH PLAIN {initial}");
            self.command(&command, "AUTH PLAIN", 235, About::Session)
                .await?;
        } else if mechanisms.contains(&"LOGIN") {
            let name = "AUTH LOGIN";
            self.command(name, name, 334, About::Session).await?;
            self.command(&STANDARD.encode(username), name, 334, About::Session)
                .await?;
            self.command(&STANDARD.encode(password), name, 235, About::Session)
                .await?;
        } else {
            return Err(self.misconfigured(
                "takes no user and password here (it offers neither AUTH PLAIN nor LOGIN), but the \
                 Secret has them",
            ));
        }
        Ok(())
    }

    /// Says good-bye; what was said before stands, whatever comes of it.
    async fn quit(&mut self) {
        let _ = self.lines.send(b"QUIT\r\n").await;
    }

    /// A command whose reply must have this code; errors show `name` only.
    async fn command(
        &mut self,
        command: &str,
        name: &str,
        code: u16,
        about: About,
    ) -> Result<Reply, Failure> {
        self.lines.send(format!("{command}\r\n").as_bytes()).await?;
        let reply = self.reply().await?;
        self.expect(code, &reply, name, about)?;
        Ok(reply)
    }

    fn expect(&self, code: u16, reply: &Reply, what: &str, about: About) -> Result<(), Failure> {
        if reply.code == code {
            return Ok(());
        }
        Err(self.failure(reply, what, about))
    }

    async fn reply(&mut self) -> Result<Reply, Failure> {
        let mut lines: Vec<String> = Vec::new();
        for _ in 0..MOST_LINES {
            let line = self.lines.line(LONGEST_LINE).await?;
            let code = line.get(..3).and_then(|code| code.parse::<u16>().ok());
            let separator = line.get(3..4).unwrap_or(" ");
            let Some(code) = code.filter(|code| (200..600).contains(code)) else {
                break;
            };
            lines.push(line.get(4..).unwrap_or_default().to_owned());
            match separator {
                "-" => {}
                " " => {
                    let text = lines.join("\n");
                    return Ok(Reply { code, text });
                }
                _ => break,
            }
        }
        Err(self.lines.fault("does not speak SMTP"))
    }

    fn failure(&self, reply: &Reply, what: &str, about: About) -> Failure {
        let text: Vec<&str> = reply.text.split_whitespace().collect();
        let server = self.lines.target().endpoint();
        let detail = format!(
            "{server} answered {what} with {} {}",
            reply.code,
            text.join(" ")
        );
        Failure {
            status: Some(reply.code),
            ..Failure::new(class_of(reply, about), detail.trim_end())
        }
    }

    fn misconfigured(&self, what: &str) -> Failure {
        Failure {
            class: FailureClass::Misconfigured,
            ..self.lines.fault(what)
        }
    }
}

fn class_of(reply: &Reply, about: About) -> FailureClass {
    match (reply.code, about) {
        // Authentication required, too weak, or failed.
        (530 | 534 | 535 | 538, _) | (500..=599, About::Session) => FailureClass::Misconfigured,
        (500..=599, About::Message) => FailureClass::Rejected,
        // Policy, for now: greylisting and limits of rate.
        (400..=499, _) if reply.text.starts_with("4.7.") => FailureClass::Throttled,
        _ => FailureClass::ServerFault,
    }
}

/// One failure for several recipients: it is temporary only if all are.
fn joined(refusals: Vec<Failure>) -> Failure {
    let is_final = refusals
        .iter()
        .any(|refusal| refusal.class == FailureClass::Rejected);
    let first = refusals.first().cloned();
    let details: Vec<String> = refusals.into_iter().map(|refusal| refusal.detail).collect();
    let first = first.unwrap_or_else(|| Failure::new(FailureClass::Rejected, ""));
    Failure {
        class: if is_final {
            FailureClass::Rejected
        } else {
            first.class
        },
        detail: details.join("; "),
        ..first
    }
}

/// The message as it goes over the line: a dot at a line's start doubled, a lone dot at the end.
fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(message.len() + 64);
    let mut is_start = true;
    for byte in message {
        if is_start && *byte == b'.' {
            bytes.push(b'.');
        }
        bytes.push(*byte);
        is_start = *byte == b'\n';
    }
    if !is_start {
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b".\r\n");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_sorted_by_what_heals_them() {
        use FailureClass::{Misconfigured, Rejected, ServerFault, Throttled};
        for (code, text, session, message) in [
            (421, "4.3.2 shutting down", ServerFault, ServerFault),
            (421, "4.7.0 slow down", Throttled, Throttled),
            (451, "4.7.1 greylisted", Throttled, Throttled),
            (452, "4.2.2 mailbox full", ServerFault, ServerFault),
            (454, "4.7.0 temporary", Throttled, Throttled),
            (
                530,
                "5.7.0 authenticate first",
                Misconfigured,
                Misconfigured,
            ),
            (535, "5.7.8 no", Misconfigured, Misconfigured),
            (550, "5.1.1 unknown", Misconfigured, Rejected),
            (552, "5.3.4 too big", Misconfigured, Rejected),
            (250, "what", ServerFault, ServerFault),
        ] {
            let reply = Reply {
                code,
                text: text.to_owned(),
            };
            assert_eq!(class_of(&reply, About::Session), session, "{code}");
            assert_eq!(class_of(&reply, About::Message), message, "{code}");
        }
    }

    #[test]
    fn a_line_of_one_dot_does_not_end_a_message() {
        assert_eq!(stuffed(b".\r\na\r\n..b"), b"..\r\na\r\n...b\r\n.\r\n");
        assert_eq!(stuffed(b"a\r\n"), b"a\r\n.\r\n");
    }
}
