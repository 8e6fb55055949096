//! A door in front of the API server that can be shut, slow, or answered by somebody else.
//!
//! Behind it is a `kubectl proxy`, which knows how to authenticate; so the door speaks plain HTTP and
//! can look at requests.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use testkit::ControlPlane;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Longest head of a request.
const LONGEST_HEAD: usize = 64 << 10;

/// What the door does with requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum State {
    /// Lets everything through.
    #[default]
    Open,
    /// Cuts all connections and takes none.
    Shut,
    /// Holds every piece of data back for so long.
    Slow(Duration),
    /// Answers watches with 410, as the API server does when it has forgotten where they began.
    Gone,
    /// Answers everything with 429.
    Busy,
}

/// The door.
pub(crate) struct Door {
    address: SocketAddr,
    state: Arc<watch::Sender<State>>,
    proxy: Child,
}

impl Door {
    /// An open door to a control plane.
    pub(crate) async fn before(plane: &ControlPlane) -> anyhow::Result<Self> {
        let mut proxy = plane
            .kubectl(&[
                "proxy",
                "--port=0",
                "--reject-methods=^$",
                "--reject-paths=^$",
                "--accept-hosts=.*",
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("starting kubectl proxy")?;
        let output = proxy.stdout.take().context("there is a pipe")?;
        let line = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            BufReader::new(output).read_line(&mut line).map(|_| line)
        });
        let line = line.await??;
        let behind: SocketAddr = line
            .trim()
            .rsplit(' ')
            .next()
            .unwrap_or_default()
            .parse()
            .with_context(|| format!("kubectl proxy says `{line}`"))?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(watch::Sender::new(State::Open));
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = shared.subscribe();
                // What breaks is the client's to notice.
                tokio::spawn(async move { admit(stream, behind, state).await.ok() });
            }
        });
        Ok(Self {
            address,
            state,
            proxy,
        })
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes it do so from now on, and cuts what goes through.
    pub(crate) fn set(&self, state: State) {
        self.state.send_replace(state);
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        // One that has ended already is fine too.
        let _ = self.proxy.kill();
        let _ = self.proxy.wait();
    }
}

async fn admit(
    mut client: TcpStream,
    behind: SocketAddr,
    mut state: watch::Receiver<State>,
) -> anyhow::Result<()> {
    let now = *state.borrow_and_update();
    let forwarded = match now {
        State::Shut => return Ok(()),
        State::Open | State::Slow(_) => Vec::new(),
        State::Busy => {
            read_head(&mut client).await?;
            return answer(&mut client, 429, "Too Many Requests", "TooManyRequests").await;
        }
        State::Gone => {
            let head = read_head(&mut client).await?;
            if is_watch(&head) {
                return answer(&mut client, 410, "Gone", "Expired").await;
            }
            closing(&head)
        }
    };
    let mut server = TcpStream::connect(behind).await?;
    server.write_all(&forwarded).await?;
    let delay = match now {
        State::Slow(delay) => delay,
        _ => Duration::ZERO,
    };
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    tokio::select! {
        end = pump(from_client, to_server, delay) => end,
        end = pump(from_server, to_client, delay) => end,
        _ = state.changed() => Ok(()),
    }
}

async fn pump(
    mut from: impl tokio::io::AsyncRead + Unpin,
    mut to: impl tokio::io::AsyncWrite + Unpin,
    delay: Duration,
) -> anyhow::Result<()> {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        to.write_all(buffer.get(..count).unwrap_or_default())
            .await?;
    }
}

/// Reads a request's head and whatever came with it.
async fn read_head(client: &mut TcpStream) -> anyhow::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        anyhow::ensure!(head.len() < LONGEST_HEAD, "a head without an end");
        anyhow::ensure!(client.read_buf(&mut head).await? > 0, "half a head");
    }
    Ok(head)
}

/// Whether a request begins a watch.
fn is_watch(head: &[u8]) -> bool {
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    line.contains("watch=1") || line.contains("watch=true")
}

/// The same request, but it says that it is the last one on its connection.
fn closing(head: &[u8]) -> Vec<u8> {
    let end = head.iter().position(|byte| *byte == b'\n');
    let (line, rest) = head.split_at(end.map_or(0, |end| end + 1));
    [line, b"Connection: close\r\n", rest].concat()
}

async fn answer(
    client: &mut TcpStream,
    code: u16,
    status: &str,
    reason: &str,
) -> anyhow::Result<()> {
    let body = serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": status, "reason": reason, "code": code,
    })
    .to_string();
    let text = format!(
        "HTTP/1.1 {code} {status}\r\nContent-Type: application/json\r\nRetry-After: 1\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    client.write_all(text.as_bytes()).await?;
    client.shutdown().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watches_are_told_from_lists() {
        assert!(is_watch(
            b"GET /apis/x/alerts?limit=500&watch=true HTTP/1.1\r\n\r\n"
        ));
        assert!(!is_watch(
            b"GET /apis/x/alerts HTTP/1.1\r\nX: watch=true\r\n\r\n"
        ));
    }

    #[test]
    fn a_request_that_is_passed_on_is_the_last_of_its_connection() {
        let head = closing(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(
            head,
            b"GET / HTTP/1.1\r\nConnection: close\r\nHost: x\r\n\r\n"
        );
    }
}
