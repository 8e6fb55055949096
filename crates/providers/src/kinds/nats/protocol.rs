//! The lines of the NATS client protocol, as far as publishing needs them. Pure.
//!
//! Source: <https://docs.nats.io/reference/reference-protocols/nats-protocol>; acknowledgements of
//! `JetStream`: <https://docs.nats.io/reference/reference-protocols/nats_api_reference>.

use domain::delivery::{Failure, FailureClass};
use outbound::Endpoint;
use serde::{Deserialize, Serialize};

/// What a server says of itself. Other servers that it names are ignored: the user did not.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Info {
    pub(super) server_id: String,
    pub(super) client_id: u64,
    pub(super) nonce: Option<String>,
    pub(super) headers: bool,
    pub(super) tls_required: bool,
    pub(super) tls_available: bool,
    pub(super) max_payload: Option<u64>,
}

/// What we say of ourselves. The members and the name are those of the reference.
#[derive(Debug, Serialize)]
pub(super) struct Connect<'a> {
    pub(super) echo: bool,
    pub(super) headers: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) auth_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) jwt: Option<&'a str>,
    pub(super) lang: &'static str,
    pub(super) name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) nkey: Option<String>,
    pub(super) no_responders: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pass: Option<&'a str>,
    pub(super) pedantic: bool,
    pub(super) protocol: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sig: Option<String>,
    pub(super) tls_required: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user: Option<&'a str>,
    pub(super) verbose: bool,
    pub(super) version: &'static str,
}

/// A line of the server.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    Info(&'a str),
    Ping,
    Pong,
    Ok,
    Error(&'a str),
    /// A message follows: how long its headers are, and how long everything is.
    Message {
        headers: usize,
        total: usize,
    },
    Unknown,
}

/// Reads a line.
pub(super) fn parse(line: &str) -> Line<'_> {
    let (word, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    let number = |text: Option<&str>| text.and_then(|text| text.parse().ok());
    let mut last = rest.split_whitespace().rev();
    match word.to_ascii_uppercase().as_str() {
        "INFO" => Line::Info(rest.trim()),
        "PING" => Line::Ping,
        "PONG" => Line::Pong,
        "+OK" => Line::Ok,
        "-ERR" => Line::Error(rest.trim().trim_matches('\'')),
        "MSG" => match number(last.next()) {
            Some(total) => Line::Message { headers: 0, total },
            None => Line::Unknown,
        },
        "HMSG" => match (number(last.next()), number(last.next())) {
            (Some(total), Some(headers)) if headers <= total => Line::Message { headers, total },
            _ => Line::Unknown,
        },
        _ => Line::Unknown,
    }
}

/// A message to a subject, and the question whether everything up to here was taken.
pub(super) fn publish(subject: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("PUB {subject} {}\r\n", payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes.extend_from_slice(b"\r\nPING\r\n");
    bytes
}

/// A message that a stream acknowledges to `inbox`, with the id by which it recognises repeats.
pub(super) fn publish_to_stream(
    subject: &str,
    inbox: &str,
    subscription: u64,
    id: &str,
    payload: &[u8],
) -> Vec<u8> {
    let headers = format!("NATS/1.0\r\nNats-Msg-Id: {id}\r\n\r\n");
    let total = headers.len() + payload.len();
    let mut bytes = format!(
        "SUB {inbox} {subscription}\r\nUNSUB {subscription} 1\r\n\
         HPUB {subject} {inbox} {} {total}\r\n{headers}",
        headers.len()
    )
    .into_bytes();
    bytes.extend_from_slice(payload);
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// What an error of the server means.
pub(super) fn failure(server: &Endpoint, text: &str) -> Failure {
    let class = class_of(&text.to_ascii_lowercase());
    Failure::new(class, format!("{server} answered with the error `{text}`"))
}

fn class_of(text: &str) -> FailureClass {
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if says(&["maximum payload"]) {
        FailureClass::Rejected
    } else if says(&["authentication timeout"]) {
        FailureClass::Unreachable
    } else if says(&["connections exceeded", "throttling"]) {
        FailureClass::Throttled
    } else if says(&[
        "authorization violation",
        "authentication",
        "permissions violation",
        "invalid subject",
        "invalid publish subject",
        "tls required",
    ]) {
        FailureClass::Misconfigured
    } else {
        FailureClass::ServerFault
    }
}

/// The acknowledgement of a stream.
#[derive(Debug, Deserialize)]
pub(super) struct Acknowledgement {
    #[serde(default)]
    pub(super) stream: String,
    #[serde(default)]
    pub(super) duplicate: bool,
    #[serde(default)]
    pub(super) error: Option<Refusal>,
}

/// Why a stream did not take a message.
#[derive(Debug, Deserialize)]
pub(super) struct Refusal {
    #[serde(default)]
    code: u16,
    #[serde(default)]
    err_code: u32,
    #[serde(default)]
    description: String,
}

impl Refusal {
    pub(super) fn failure(&self, server: &Endpoint) -> Failure {
        let class = match self.code {
            401 | 403 | 404 => FailureClass::Misconfigured,
            429 => FailureClass::Throttled,
            400..=499 => FailureClass::Rejected,
            _ => FailureClass::ServerFault,
        };
        let Self {
            code,
            err_code,
            description,
        } = self;
        let detail = format!(
            "JetStream of {server} refused the message: {description} (code {code}, error {err_code})"
        );
        Failure {
            status: Some(*code),
            ..Failure::new(class, detail)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_server_are_understood_and_nonsense_is_told() {
        for (text, line) in [
            ("INFO {\"a\":1} ", Line::Info("{\"a\":1}")),
            ("ping", Line::Ping),
            ("PONG", Line::Pong),
            ("+OK", Line::Ok),
            ("-ERR 'Slow Consumer'", Line::Error("Slow Consumer")),
            (
                "MSG a.b 1 5",
                Line::Message {
                    headers: 0,
                    total: 5,
                },
            ),
            (
                "MSG a.b 1 reply 5",
                Line::Message {
                    headers: 0,
                    total: 5,
                },
            ),
            (
                "HMSG a.b 1 12 17",
                Line::Message {
                    headers: 12,
                    total: 17,
                },
            ),
            ("HMSG a.b 1 18 17", Line::Unknown),
            ("MSG a.b 1 -5", Line::Unknown),
            ("", Line::Unknown),
            ("HTTP/1.1 400 Bad Request", Line::Unknown),
        ] {
            assert_eq!(parse(text), line, "{text}");
        }
    }

    #[test]
    fn errors_are_sorted_by_what_heals_them() {
        use FailureClass::{Misconfigured, Rejected, ServerFault, Throttled, Unreachable};
        for (text, class) in [
            ("Authorization Violation", Misconfigured),
            ("User Authentication Expired", Misconfigured),
            ("Account Authentication Expired", Misconfigured),
            ("Authentication Timeout", Unreachable),
            ("Permissions Violation for Publish to \"a\"", Misconfigured),
            ("Invalid Publish Subject", Misconfigured),
            ("Secure Connection - TLS Required", Misconfigured),
            ("Maximum Payload Violation", Rejected),
            ("maximum connections exceeded", Throttled),
            ("Parser Error", ServerFault),
            ("Stale Connection", ServerFault),
        ] {
            assert_eq!(class_of(&text.to_ascii_lowercase()), class, "{text}");
        }
    }

    #[test]
    fn lengths_count_bytes() {
        assert_eq!(
            publish("a.b", "é".as_bytes()),
            "PUB a.b 2\r\né\r\nPING\r\n".as_bytes()
        );
        let sent = publish_to_stream("a", "_INBOX.x", 3, "7-k", b"{}");
        let sent = String::from_utf8(sent).unwrap();
        assert_eq!(
            sent,
            "SUB _INBOX.x 3\r\nUNSUB 3 1\r\nHPUB a _INBOX.x 30 32\r\n\
             NATS/1.0\r\nNats-Msg-Id: 7-k\r\n\r\n{}\r\n"
        );
    }
}
