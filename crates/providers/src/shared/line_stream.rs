//! A connection on which both sides speak in lines: what SMTP and NATS are made of.
//!
//! What is read is bounded; what goes wrong is a classified failure that names the other side.

use bytes::{Bytes, BytesMut};
use domain::delivery::{Failure, FailureClass};
use outbound::{BoxedStream, HttpError, StreamTarget};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::classify;

/// The connection.
pub(crate) struct LineStream {
    stream: BoxedStream,
    target: StreamTarget,
    unread: BytesMut,
}

impl LineStream {
    /// Takes over an open connection.
    pub(crate) fn new(stream: BoxedStream, target: StreamTarget) -> Self {
        Self {
            stream,
            target,
            unread: BytesMut::new(),
        }
    }

    /// The other side.
    pub(crate) fn target(&self) -> &StreamTarget {
        &self.target
    }

    /// Gives the bare connection back, for TLS. What came in before TLS stands must not be taken for
    /// protected, so unread bytes are a failure.
    pub(crate) fn into_inner(self) -> Result<BoxedStream, Failure> {
        if self.unread.is_empty() {
            return Ok(self.stream);
        }
        Err(self.fault("sent more than was asked for before TLS was set up"))
    }

    /// The next line without its end; `limit` is its longest length in bytes.
    pub(crate) async fn line(&mut self, limit: usize) -> Result<String, Failure> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line = self.unread.split_to(end + 1);
                let text = String::from_utf8_lossy(&line);
                return Ok(text.trim_end_matches(['\r', '\n']).to_owned());
            }
            if self.unread.len() > limit {
                return Err(self.fault(&format!("sent a line longer than {limit} bytes")));
            }
            self.more().await?;
        }
    }

    /// Exactly so many bytes.
    pub(crate) async fn bytes(&mut self, length: usize) -> Result<Bytes, Failure> {
        while self.unread.len() < length {
            self.more().await?;
        }
        Ok(self.unread.split_to(length).freeze())
    }

    /// Sends bytes, all of them, now.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let sending = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        sending
            .await
            .map_err(|error| classify::transport_error(&self.target.broken(&error)))
    }

    /// A failure of the other side, in words that follow its name.
    pub(crate) fn fault(&self, what: &str) -> Failure {
        let detail = format!("{} {what}", self.target.endpoint());
        Failure::new(FailureClass::ServerFault, detail)
    }

    async fn more(&mut self) -> Result<(), Failure> {
        let read = self.stream.read_buf(&mut self.unread).await;
        let lost = match read {
            Ok(0) => HttpError::ConnectionLost {
                endpoint: self.target.endpoint(),
            },
            Ok(_) => return Ok(()),
            Err(error) => self.target.broken(&error),
        };
        Err(classify::transport_error(&lost))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spoken(bytes: &'static [u8]) -> LineStream {
        let (ours, mut theirs) = tokio::io::duplex(1024);
        tokio::spawn(async move { theirs.write_all(bytes).await });
        let target = StreamTarget {
            scheme: "smtp",
            host: "mail.example.com".to_owned(),
            port: 25,
        };
        LineStream::new(Box::new(ours), target)
    }

    #[tokio::test]
    async fn lines_end_in_either_way_and_bytes_follow_them() {
        let mut stream = spoken(b"one\r\ntwo\nabcd\r\n");
        assert_eq!(stream.line(10).await.unwrap(), "one");
        assert_eq!(stream.line(10).await.unwrap(), "two");
        assert_eq!(&stream.bytes(4).await.unwrap()[..], b"abcd");
        assert_eq!(stream.line(10).await.unwrap(), "");
        let lost = stream.line(10).await.unwrap_err();
        assert_eq!(lost.class, FailureClass::Unreachable);
    }

    #[tokio::test]
    async fn a_line_without_an_end_is_not_read_for_ever() {
        let mut stream = spoken(&[b'x'; 500]);
        let failure = stream.line(100).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::ServerFault);
        assert!(failure.detail.contains("mail.example.com"), "{failure:?}");
    }

    #[tokio::test]
    async fn bytes_before_tls_are_never_taken_for_protected_ones() {
        let mut stream = spoken(b"220 go on\r\n250 injected\r\n");
        stream.line(100).await.unwrap();
        assert!(stream.into_inner().is_err());
    }
}
