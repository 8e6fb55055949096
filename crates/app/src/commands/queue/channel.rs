//! Talks to the store of a running process through its socket, or opens the store of a stopped one.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use delivery::Store;
use delivery::store::open::{QueueLimit, StoreSettings, open};
use domain::ports::Clock;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use server::control::{self, Command, ControlSocket, Reply};

use crate::hints::Hinted;
use crate::runtime::SystemClock;

pub(super) enum Channel {
    Running(ControlSocket),
    Stopped(Arc<dyn Store>),
}

impl Channel {
    pub(super) async fn open(directory: &Path) -> anyhow::Result<Self> {
        if !directory.is_dir() {
            return Err(Hinted::error(
                format!("there is no data directory `{}`", directory.display()),
                "name the one of your `fanfare run` with --data-dir",
            ));
        }
        let socket = ControlSocket::of(directory);
        match socket.connect().await {
            Ok(_) => return Ok(Self::Running(socket)),
            // No socket, or one that a killed process left behind.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
                ) => {}
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("connecting to the running process at `{socket}`"));
            }
        }
        let settings = StoreSettings {
            directory: directory.to_owned(),
            queue_limit: QueueLimit::default(),
            lock_wait: Duration::ZERO,
        };
        Ok(Self::Stopped(open(settings)?))
    }

    pub(super) async fn ask(&self, command: &Command) -> anyhow::Result<Reply> {
        let reply = match self {
            Self::Running(socket) => ask_running(socket, command).await?,
            Self::Stopped(store) => control::execute(&**store, command, SystemClock.now()).await?,
        };
        match reply {
            Reply::Failed(reason) => anyhow::bail!("{reason}"),
            reply => Ok(reply),
        }
    }

    pub(super) async fn close(self) {
        if let Self::Stopped(store) = self {
            store.close().await;
        }
    }
}

async fn ask_running(socket: &ControlSocket, command: &Command) -> anyhow::Result<Reply> {
    let stream = socket
        .connect()
        .await
        .context("the process has just stopped")?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::post("/")
        .header(http::header::HOST, "fanfare")
        .body(Full::new(Bytes::from(serde_json::to_vec(command)?)))?;
    let answer = async {
        let response = sender.send_request(request).await?;
        response.into_body().collect().await
    };
    // The connection makes progress only while it is polled; it ends when the answer is there.
    let body = tokio::select! {
        body = answer => body?.to_bytes(),
        ended = connection => {
            ended?;
            anyhow::bail!("the process closed the connection without an answer");
        }
    };
    serde_json::from_slice(&body).context("reading the answer of the running process")
}
