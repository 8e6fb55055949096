//! Plain requests to the API server, for what `kubectl` hides: exact answers and warnings.
//!
//! They go through a `kubectl proxy`, which knows how to authenticate; it ends with the client.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use serde_json::Value;
use testkit::ControlPlane;

/// A client of the API server, as its administrator.
#[derive(Debug)]
pub struct ApiClient {
    proxy: Child,
    address: String,
}

/// What the API server answered.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub code: u64,
    /// Texts of `Warning` headers.
    pub warnings: Vec<String>,
    /// The body; null if it is no JSON.
    pub body: Value,
}

impl ApiClient {
    /// A client of a control plane.
    pub fn new(plane: &ControlPlane) -> Self {
        let mut proxy = plane
            .kubectl(&["proxy", "--port=0", "--reject-methods=^$"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("kubectl starts");
        let output = proxy.stdout.take().expect("there is a pipe");
        let mut line = String::new();
        BufReader::new(output)
            .read_line(&mut line)
            .expect("kubectl proxy says where it serves");
        let address = line
            .trim()
            .rsplit(' ')
            .next()
            .unwrap_or_default()
            .to_owned();
        Self { proxy, address }
    }

    /// Sends a request; `Value::Null` is no body.
    pub fn send(&self, method: &str, target: &str, content_type: &str, body: &Value) -> Answer {
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let head = format!(
            "{method} {target} HTTP/1.0\r\nHost: localhost\r\nContent-Type: {content_type}\r\nAccept: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let mut stream = TcpStream::connect(&self.address).expect("kubectl proxy listens");
        stream
            .write_all(format!("{head}{body}").as_bytes())
            .expect("the request is taken");
        let mut answer = String::new();
        stream
            .read_to_string(&mut answer)
            .expect("the answer is text");
        Answer::read(&answer)
    }

    /// Creates an object without keeping it: what would be stored, or why not.
    pub fn try_create(&self, target: &str, object: &Value, is_strict: bool) -> Answer {
        let validation = if is_strict { "Strict" } else { "Warn" };
        let target = format!("{target}?dryRun=All&fieldValidation={validation}");
        self.send("POST", &target, "application/json", object)
    }
}

impl Drop for ApiClient {
    fn drop(&mut self) {
        // One that has ended already is fine too.
        let _ = self.proxy.kill();
        let _ = self.proxy.wait();
    }
}

impl Answer {
    /// HTTP/1.0 is asked for, so that the body ends with the connection.
    fn read(answer: &str) -> Self {
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
        let mut lines = head.lines();
        let code = lines
            .next()
            .and_then(|line| line.split(' ').nth(1)?.parse().ok())
            .unwrap_or_else(|| panic!("no status in {head:?}"));
        let warnings = lines
            .filter_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("warning")
                    .then(|| value.trim().to_owned())
            })
            .collect();
        Self {
            code,
            warnings,
            body: serde_json::from_str(body).unwrap_or_default(),
        }
    }
}
