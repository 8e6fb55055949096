//! The least that answers a POST with 202: one server that only reads the body, one that also has it on
//! the disk before it answers, as the product promises.

use std::convert::Infallible;
use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::mpsc;

use anyhow::Context;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// A body, and whom to tell that it is on the disk.
type Append = (Bytes, oneshot::Sender<()>);

/// Bodies that may wait for the disk.
const QUEUE: usize = 4096;

/// Serves until it is killed. With a file, each body is appended to it and synced before the answer;
/// bodies that wait share a sync.
pub(crate) async fn serve(address: SocketAddr, file: Option<&Path>) -> anyhow::Result<()> {
    anyhow::ensure!(address.ip().is_loopback(), "only loopback");
    let disk = file.map(open).transpose()?;
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let disk = disk.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| accept(request, disk.as_ref()));
            // A client that goes away is no matter here.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn accept(
    request: Request<Incoming>,
    disk: Option<&mpsc::SyncSender<Append>>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let mut response = Response::new(Empty::new());
    *response.status_mut() = match request.into_body().collect().await {
        Err(_) => StatusCode::BAD_REQUEST,
        Ok(body) => {
            if is_kept(body.to_bytes(), disk).await {
                StatusCode::ACCEPTED
            } else {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    };
    Ok(response)
}

async fn is_kept(body: Bytes, disk: Option<&mpsc::SyncSender<Append>>) -> bool {
    let Some(disk) = disk else { return true };
    let (synced, wait) = oneshot::channel();
    disk.try_send((body, synced)).is_ok() && wait.await.is_ok()
}

fn open(path: &Path) -> anyhow::Result<mpsc::SyncSender<Append>> {
    let file = File::create(path).with_context(|| format!("making {}", path.display()))?;
    let (sender, appends) = mpsc::sync_channel(QUEUE);
    std::thread::Builder::new()
        .name("disk".to_owned())
        .spawn(move || write(file, &appends))?;
    Ok(sender)
}

/// Ends when the disk fails; requests are then refused.
fn write(mut file: File, appends: &mpsc::Receiver<Append>) {
    let mut bytes = Vec::new();
    while let Ok(first) = appends.recv() {
        bytes.clear();
        let mut told = Vec::new();
        for (body, synced) in std::iter::once(first).chain(appends.try_iter()) {
            bytes.extend_from_slice(&body);
            told.push(synced);
        }
        if file
            .write_all(&bytes)
            .and_then(|()| file.sync_data())
            .is_err()
        {
            return;
        }
        for synced in told {
            // Whoever asked may be gone.
            let _ = synced.send(());
        }
    }
}
