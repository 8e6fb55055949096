//! A connection, whatever layers it has: TCP, TLS, or TLS within TLS.

use tokio::io::{AsyncRead, AsyncWrite};

/// Bytes in both directions.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A connection with its layers hidden.
pub type BoxedStream = Box<dyn Stream>;
