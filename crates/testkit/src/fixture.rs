//! Fixture folders: a Provider, its Secrets, an event, and the exchange they lead to as text.
//!
//! Types that do not speak HTTP have `exchange.txt` instead, a dialogue in lines (see [`crate::streams`]).
//!
//! `exchange.http` reads from top to bottom: `>>>` starts a request, `<<<` its answer, `===` says what
//! came of it. Answers are input, everything else is compared, or rewritten when the environment has
//! `UPDATE_FIXTURES=1`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use http::header::CONTENT_TYPE;
use outbound::HttpRequest;
use serde_json::Value;

use crate::exchange::ScriptedResponse;
use crate::streams::{self, Turns};
use crate::{otlp, yaml};

const EXCHANGE: &str = "exchange.http";
const DIALOGUE: &str = "exchange.txt";

/// One case of one type.
#[derive(Clone, Debug)]
pub struct Fixture {
    /// The folder's name.
    pub name: String,
    /// Provider and Secrets.
    pub objects: Vec<Value>,
    /// The event as it is posted.
    pub event: Value,
    /// The answers, in order.
    pub responses: Vec<ScriptedResponse>,
    /// What the other side says, for types that do not speak HTTP.
    pub turns: Vec<Turns>,
    file: &'static str,
    folder: PathBuf,
    exchange: String,
}

/// All fixtures of a type, sorted by name.
pub fn all(folder: &Path) -> Vec<Fixture> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut folders: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders.iter().map(|folder| Fixture::load(folder)).collect()
}

impl Fixture {
    /// Reads a folder.
    pub fn load(folder: &Path) -> Self {
        let read = |name: &str| {
            let path = folder.join(name);
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        };
        let mut objects = yaml::documents(&read("provider.yaml"));
        if folder.join("secret.yaml").exists() {
            objects.extend(yaml::documents(&read("secret.yaml")));
        }
        let is_dialogue = folder.join(DIALOGUE).exists();
        let file = if is_dialogue { DIALOGUE } else { EXCHANGE };
        let exchange = read(file);
        let name = folder.file_name().expect("a folder's name");
        Self {
            name: name.to_string_lossy().into_owned(),
            objects,
            event: serde_json::from_str(&read("event.json")).expect("event.json"),
            responses: if is_dialogue {
                Vec::new()
            } else {
                parse_responses(&exchange)
            },
            turns: streams::parse(&exchange),
            file,
            folder: folder.to_owned(),
            exchange,
        }
    }

    /// Compares the file with what happened; gives both where they differ.
    pub fn check(&self, requests: &[HttpRequest], outcome: &str) -> Result<(), String> {
        self.compare(self.render(requests, outcome))
    }

    /// The same for a type that does not speak HTTP.
    pub fn check_dialogue(&self, dialogue: &str, outcome: &str) -> Result<(), String> {
        self.compare(format!("{dialogue}=== {outcome}\n"))
    }

    fn compare(&self, happened: String) -> Result<(), String> {
        if happened == self.exchange {
            return Ok(());
        }
        let path = self.folder.join(self.file);
        if is_update_wanted() {
            fs::write(&path, happened).expect("a writable fixture");
            return Ok(());
        }
        Err(format!(
            "{} says\n{}\nbut what happened is\n{happened}\n(UPDATE_FIXTURES=1 rewrites it)",
            path.display(),
            self.exchange
        ))
    }

    fn render(&self, requests: &[HttpRequest], outcome: &str) -> String {
        let mut text = String::new();
        let mut responses = self.responses.iter();
        for request in requests {
            text.push_str(&render_request(request));
            if let Some(response) = responses.next() {
                text.push_str(&render_response(response));
            }
        }
        // Answers that were not needed stay visible, so that they are noticed.
        for response in responses {
            text.push_str(&render_response(response));
        }
        text + "=== " + outcome + "\n"
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this switch is for people who run tests, not for the product"
)]
fn is_update_wanted() -> bool {
    std::env::var("UPDATE_FIXTURES").is_ok_and(|value| value == "1")
}

/// A request as text: request line, header fields sorted by name, body; JSON is laid out,
/// and OTLP shown as JSON.
pub fn render_request(request: &HttpRequest) -> String {
    let mut text = format!(">>> {} {}\n", request.method, request.url);
    let headers: BTreeMap<&str, String> = request
        .headers
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str(), value)
        })
        .collect();
    for (name, value) in headers {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name}: {value}");
    }
    text + &section(&body_text(request))
}

fn body_text(request: &HttpRequest) -> String {
    let is_otlp = request
        .headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| value == "application/x-protobuf");
    let json = if is_otlp {
        otlp::traces_as_json(&request.body)
    } else {
        serde_json::from_slice(&request.body).ok()
    };
    match json {
        Some(json) => serde_json::to_string_pretty(&json).expect("JSON"),
        None => String::from_utf8_lossy(&request.body).into_owned(),
    }
}

fn render_response(response: &ScriptedResponse) -> String {
    if response.close {
        return "<<< close\n\n".to_owned();
    }
    let mut text = format!("<<< {}\n", response.status.unwrap_or(200));
    for (name, value) in &response.headers {
        let _ = writeln!(text, "{name}: {value}");
    }
    let body = match &response.body {
        None => String::new(),
        Some(Value::String(body)) => body.clone(),
        Some(json) => serde_json::to_string_pretty(json).expect("JSON"),
    };
    text + &section(&body)
}

fn section(body: &str) -> String {
    if body.is_empty() {
        "\n".to_owned()
    } else {
        format!("\n{}\n\n", body.trim_end())
    }
}

/// The answers in the text of an exchange.
fn parse_responses(exchange: &str) -> Vec<ScriptedResponse> {
    let mut responses = Vec::new();
    let mut current: Option<String> = None;
    for line in exchange.lines() {
        let is_start = [">>> ", "<<< ", "=== "]
            .iter()
            .any(|mark| line.starts_with(mark));
        if is_start {
            responses.extend(current.take().map(|text| parse_response(&text)));
            current = line.strip_prefix("<<< ").map(|rest| format!("{rest}\n"));
        } else if let Some(text) = &mut current {
            text.push_str(line);
            text.push('\n');
        }
    }
    responses.extend(current.map(|text| parse_response(&text)));
    responses
}

fn parse_response(text: &str) -> ScriptedResponse {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let status = lines.next().unwrap_or_default().trim();
    if status == "close" {
        return ScriptedResponse {
            close: true,
            ..ScriptedResponse::default()
        };
    }
    let headers = lines.filter_map(|line| line.split_once(": "));
    let body = body.trim_end();
    ScriptedResponse {
        status: Some(status.parse().expect("a status")),
        headers: headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        body: (!body.is_empty())
            .then(|| serde_json::from_str(body).unwrap_or_else(|_| Value::String(body.to_owned()))),
        ..ScriptedResponse::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_from_the_text_of_an_exchange() {
        let text = ">>> POST https://x/\na: b\n\n{}\n\n<<< 429\nretry-after: 7\n\nslow down\n\n>>> GET https://x/\n\n<<< close\n\n=== done\n";
        let responses = parse_responses(text);
        assert_eq!(responses.len(), 2);
        assert_eq!(responses[0].status, Some(429));
        assert_eq!(responses[0].headers["retry-after"], "7");
        assert_eq!(responses[0].body, Some(Value::from("slow down")));
        assert!(responses[1].close);
    }
}
