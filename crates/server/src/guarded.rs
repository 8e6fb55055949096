//! A connection whose peer can neither fill our memory nor hold us for ever.
//!
//! Heads may be long, and there may be many connections; what is read of heads beyond their first
//! kibibytes comes out of a budget that all connections of a port share, and a connection that finds
//! it used up is closed. A peer that does not read its answers is closed after a time, and only so
//! many may be waited for at once.

use std::future::Future;
use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// What each head may take without asking; the library's buffer is as large to begin with.
const FREE: usize = 8 << 10;
/// What all heads of a port may take beyond it.
const ALL_HEADS: usize = 32 << 20;
/// Peers of a port that may let us wait at once. Up to half a mebibyte waits for each.
const MOST_DEAF: usize = 256;
/// Time for a peer to read what waits for it.
const LONGEST_WRITE: Duration = Duration::from_secs(30);

/// What the connections of one port share.
#[derive(Default)]
pub(crate) struct Shared {
    heads: AtomicUsize,
    deaf: AtomicUsize,
}

/// Where a connection is: an even number while a head is awaited, an odd one while a request is
/// answered.
#[derive(Clone, Default)]
pub(crate) struct Progress(Arc<AtomicUsize>);

impl Progress {
    /// A head was read, or an answer was found.
    pub(crate) fn step(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether there was any request.
    pub(crate) fn has_request(&self) -> bool {
        self.so_far() > 0
    }

    fn so_far(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// A stream under guard.
pub(crate) struct Guarded<S> {
    stream: S,
    shared: Arc<Shared>,
    progress: Progress,
    /// As far as it had come when something was read last.
    seen: usize,
    /// Bytes read of the head that is awaited.
    read: usize,
    /// Bytes of the budget that this connection has.
    charged: usize,
    /// Runs while the peer does not read.
    deaf: Option<Pin<Box<Sleep>>>,
}

impl<S> Guarded<S> {
    pub(crate) fn new(stream: S, shared: Arc<Shared>, progress: Progress) -> Self {
        Self {
            stream,
            shared,
            progress,
            seen: 0,
            read: 0,
            charged: 0,
            deaf: None,
        }
    }

    /// Takes note of what was read; an error if it is too much.
    fn charge(&mut self, bytes: usize) -> Result<()> {
        self.read = self.read.saturating_add(bytes);
        let due = self.read.saturating_sub(FREE).saturating_sub(self.charged);
        if due == 0 {
            return Ok(());
        }
        self.charged += due;
        let before = self.shared.heads.fetch_add(due, Ordering::Relaxed);
        if before + due > ALL_HEADS {
            return Err(Error::new(
                ErrorKind::OutOfMemory,
                "too many long heads at once",
            ));
        }
        Ok(())
    }

    fn release(&mut self) {
        self.shared.heads.fetch_sub(self.charged, Ordering::Relaxed);
        self.charged = 0;
        self.read = 0;
    }

    /// Waits for the peer, but not for ever.
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<Error> {
        if self.deaf.is_none() {
            let before = self.shared.deaf.fetch_add(1, Ordering::Relaxed);
            self.deaf = Some(Box::pin(sleep(LONGEST_WRITE)));
            if before >= MOST_DEAF {
                return Poll::Ready(Error::new(
                    ErrorKind::OutOfMemory,
                    "too many peers do not read their answers",
                ));
            }
        }
        match &mut self.deaf {
            Some(deaf) => deaf
                .as_mut()
                .poll(context)
                .map(|()| Error::new(ErrorKind::TimedOut, "the peer does not read its answers")),
            None => Poll::Pending,
        }
    }

    fn hears(&mut self) {
        if self.deaf.take().is_some() {
            self.shared.deaf.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn unless_deaf<T>(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<Result<T>>,
    ) -> Poll<Result<T>> {
        match polled {
            Poll::Pending => self.wait(context).map(Err),
            ready @ Poll::Ready(_) => ready,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let progress = self.progress.so_far();
        if progress != self.seen {
            self.seen = progress;
            self.release();
        }
        // Bodies have a budget of their own.
        let is_body = progress % 2 == 1;
        let before = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            Poll::Ready(Ok(())) if !is_body => {
                let bytes = buffer.filled().len() - before;
                Poll::Ready(self.charge(bytes))
            }
            other => other,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.unless_deaf(context, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.unless_deaf(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Called when everything that waited was written; a byte now and then does not count as reading.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        if polled.is_ready() {
            self.hears();
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S> Drop for Guarded<S> {
    fn drop(&mut self) {
        self.release();
        self.hears();
    }
}

#[cfg(test)]
mod tests;
