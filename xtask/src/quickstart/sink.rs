//! A tiny receiver that shows what it is sent. For trying things out; it answers 200 to everything.

use std::fmt;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

/// The port that the example manifests name.
pub(crate) const DEFAULT_PORT: u16 = 8888;

const LARGEST_BODY: usize = 4 << 20;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    /// Method and path.
    request: String,
    body: String,
}

impl fmt::Display for Received {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}", self.request)?;
        match serde_json::from_str::<serde_json::Value>(&self.body) {
            Ok(json) => writeln!(formatter, "{json:#}"),
            Err(_) => writeln!(formatter, "{}", self.body),
        }
    }
}

/// A running receiver; it ends with the process.
pub(crate) struct Sink {
    port: u16,
    received: mpsc::Receiver<Received>,
}

impl Sink {
    /// Listens on a port, or on a free one if that is taken.
    pub(crate) fn start(port: u16) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
            .context("finding a port for the receiver")?;
        Self::serve(listener)
    }

    fn serve(listener: TcpListener) -> Result<Self> {
        let port = listener.local_addr()?.port();
        let (sender, received) = mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let sender = sender.clone();
                // A connection that breaks off concerns nobody else.
                std::thread::spawn(move || drop(answer_all(stream, &sender)));
            }
        });
        Ok(Self { port, received })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The next request, if there is one in time.
    pub(crate) fn wait(&self, at_most: Duration) -> Option<Received> {
        self.received.recv_timeout(at_most).ok()
    }
}

/// Prints what arrives, for ever.
pub(crate) fn run(port: u16) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).with_context(|| {
        format!("listening on port {port}; name a free one: cargo xtask sink PORT")
    })?;
    let sink = Sink::serve(listener)?;
    println!(
        "showing what arrives at http://127.0.0.1:{}/, Ctrl-C ends it",
        sink.port()
    );
    while let Ok(received) = sink.received.recv() {
        println!("\n{received}");
    }
    Ok(())
}

fn answer_all(stream: TcpStream, sender: &mpsc::Sender<Received>) -> Result<()> {
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    while let Some(received) = read_request(&mut reader)? {
        sender.send(received)?;
        writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
    }
    Ok(())
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Result<Option<Received>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let request = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    let mut length = 0;
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header)? == 0 || header.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = header.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().context("reading the length")?;
        }
    }
    if length > LARGEST_BODY {
        bail!("a body of {length} bytes");
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(Received {
        request,
        body: String::from_utf8_lossy(&body).into_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_on_one_connection_are_shown_one_by_one() {
        let sink = Sink::start(0).unwrap();
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, sink.port())).unwrap();
        for body in ["{\"a\":1}", "plain"] {
            write!(
                stream,
                "POST /hook HTTP/1.1\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            )
            .unwrap();
        }
        let wait = || sink.wait(Duration::from_secs(5)).unwrap().to_string();
        assert_eq!(wait(), "POST /hook\n{\n  \"a\": 1\n}\n");
        assert_eq!(wait(), "POST /hook\nplain\n");
    }
}
