//! Connections whose other side speaks by script, for protocols that are lines of text.
//!
//! A script is a list of connections, each a list of what the other side says in turn. It says the
//! next thing when the client reads and everything said before was read; after the last one it hangs
//! up. What both sides said is remembered as a dialogue.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::BoxFuture;
use outbound::{BoxedStream, ConnectReason, HttpError, Route, StreamTarget, StreamTransport};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Stands in a script for everything that the client said so far, on one line.
pub const ECHO: &str = "{{echo}}";

/// What the other side of one connection says, turn by turn; lines end in `\r\n`.
pub type Turns = Vec<String>;

/// The transport. Without a script it refuses every connection.
#[derive(Default)]
pub struct ScriptedStreams {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    connections: VecDeque<Turns>,
    dialogue: Vec<Said>,
    targets: Vec<StreamTarget>,
    hangs: bool,
}

enum Said {
    Mark(String),
    Client(Vec<u8>),
    Server(String),
}

impl ScriptedStreams {
    /// A transport whose connections go by these scripts, one after the other; further ones are
    /// refused.
    pub fn new(connections: Vec<Turns>) -> Self {
        let shared = Shared {
            connections: connections.into(),
            ..Shared::default()
        };
        Self {
            shared: Arc::new(Mutex::new(shared)),
        }
    }

    /// The same, but the other side falls silent where it would hang up.
    pub fn that_hang(connections: Vec<Turns>) -> Self {
        let streams = Self::new(connections);
        lock(&streams.shared).hangs = true;
        streams
    }

    /// Whom connections were asked for.
    pub fn targets(&self) -> Vec<StreamTarget> {
        lock(&self.shared).targets.clone()
    }

    /// All bytes that the client sent.
    pub fn sent(&self) -> Vec<u8> {
        lock(&self.shared).client_bytes()
    }

    /// Everything that was said: `>>>` before each line of ours, `<<<` before each of the other
    /// side's, `---` before what happened to the connection.
    pub fn dialogue(&self) -> String {
        let mut text = String::new();
        for said in &lock(&self.shared).dialogue {
            // Writing to a string cannot fail.
            let _ = match said {
                Said::Mark(mark) => writeln!(text, "--- {mark}"),
                Said::Client(bytes) => write!(text, "{}", lines(">>>", bytes)),
                Said::Server(turn) => write!(text, "{}", lines("<<<", turn.as_bytes())),
            };
        }
        text
    }
}

/// The scripts in the text of a dialogue.
pub fn parse(dialogue: &str) -> Vec<Turns> {
    let mut connections: Vec<Turns> = Vec::new();
    let mut is_turn_open = false;
    for line in dialogue.lines() {
        if line.starts_with("--- connect") {
            connections.push(Vec::new());
        }
        let said = line.strip_prefix("<<<");
        if let (Some(said), Some(turns)) = (said, connections.last_mut()) {
            if !is_turn_open {
                turns.push(String::new());
            }
            let turn = turns.last_mut().expect("a turn");
            turn.push_str(said.strip_prefix(' ').unwrap_or(said));
            turn.push_str("\r\n");
        }
        is_turn_open = said.is_some();
    }
    connections
}

fn lines(prefix: &str, bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_suffix("\r\n").unwrap_or(&text);
    let lines = text.split("\r\n").map(|line| format!("{prefix} {line}"));
    let lines: Vec<String> = lines
        .map(|line| line.trim_end().to_owned() + "\n")
        .collect();
    lines.concat()
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn client_bytes(&self) -> Vec<u8> {
        let client = self.dialogue.iter().filter_map(|said| match said {
            Said::Client(bytes) => Some(bytes.as_slice()),
            _ => None,
        });
        client.collect::<Vec<_>>().concat()
    }
}

impl StreamTransport for ScriptedStreams {
    fn connect<'a>(
        &'a self,
        target: &'a StreamTarget,
        _route: &'a Route,
    ) -> BoxFuture<'a, Result<BoxedStream, HttpError>> {
        let mut shared = lock(&self.shared);
        let endpoint = target.endpoint();
        shared.targets.push(target.clone());
        let mark = Said::Mark(format!("connect {endpoint}"));
        shared.dialogue.push(mark);
        let stream = shared.connections.pop_front().map(|turns| {
            Box::new(ScriptedStream {
                shared: Arc::clone(&self.shared),
                turns: turns.into(),
                unread: VecDeque::new(),
            }) as BoxedStream
        });
        async move {
            stream.ok_or(HttpError::Connect {
                endpoint,
                reason: ConnectReason::Refused,
            })
        }
        .boxed()
    }

    fn start_tls<'a>(
        &'a self,
        stream: BoxedStream,
        _target: &'a StreamTarget,
        _route: &'a Route,
    ) -> BoxFuture<'a, Result<BoxedStream, HttpError>> {
        let mark = Said::Mark("tls".to_owned());
        lock(&self.shared).dialogue.push(mark);
        async move { Ok(stream) }.boxed()
    }
}

struct ScriptedStream {
    shared: Arc<Mutex<Shared>>,
    turns: VecDeque<String>,
    unread: VecDeque<u8>,
}

impl AsyncRead for ScriptedStream {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let this = self.get_mut();
        if this.unread.is_empty()
            && let Some(turn) = this.turns.pop_front()
        {
            let mut shared = lock(&this.shared);
            let heard = String::from_utf8_lossy(&shared.client_bytes()).replace("\r\n", " ");
            let turn = turn.replace(ECHO, &heard);
            this.unread.extend(turn.as_bytes());
            shared.dialogue.push(Said::Server(turn));
        }
        if this.unread.is_empty() && lock(&this.shared).hangs {
            return Poll::Pending;
        }
        let length = this.unread.len().min(buffer.remaining());
        let bytes: Vec<u8> = this.unread.drain(..length).collect();
        buffer.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ScriptedStream {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let mut shared = lock(&self.shared);
        match shared.dialogue.last_mut() {
            Some(Said::Client(said)) => said.extend_from_slice(bytes),
            _ => shared.dialogue.push(Said::Client(bytes.to_vec())),
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufStream};

    use super::*;

    #[tokio::test]
    async fn the_other_side_speaks_when_it_is_its_turn_and_all_is_remembered() {
        let text = "--- connect smtp://mail.example.com:25\n<<< 220 hello\n>>> HELP\n<<< 214-a\n<<< 214 b\n";
        let streams = ScriptedStreams::new(parse(text));
        let target = StreamTarget {
            scheme: "smtp",
            host: "mail.example.com".to_owned(),
            port: 25,
        };
        let route = Route::default();
        let mut stream = BufStream::new(streams.connect(&target, &route).await.unwrap());
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        stream.write_all(b"HELP\r\n").await.unwrap();
        stream.flush().await.unwrap();
        for _ in 0..2 {
            stream.read_line(&mut line).await.unwrap();
        }
        assert_eq!(line, "220 hello\r\n214-a\r\n214 b\r\n");
        assert_eq!(stream.read_line(&mut line).await.unwrap(), 0);
        assert_eq!(streams.dialogue(), text);
        assert!(streams.connect(&target, &route).await.is_err());
    }
}
