//! A server that greets as SMTP and NATS servers do, and answers every line with a refusal that
//! repeats it.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

pub(crate) struct Listener {
    address: SocketAddr,
}

impl Listener {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let mut number = 0;
            while let Ok((stream, _)) = listener.accept().await {
                number += 1;
                tokio::spawn(answer(stream, number % 2 == 0));
            }
        });
        Self { address }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Which of the two a client expects shows when it does not like the greeting; it comes again.
async fn answer(stream: TcpStream, as_mail: bool) {
    let (reader, mut writer) = stream.into_split();
    let greeting = if as_mail {
        "220 mail.example.com ESMTP\r\n"
    } else {
        "INFO {\"server_id\":\"N\",\"version\":\"2.10.0\",\"max_payload\":1048576,\
         \"auth_required\":true,\"headers\":true}\r\n"
    };
    let _ = writer.write_all(greeting.as_bytes()).await;
    let mut lines = BufReader::new(reader).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let said = match line.split(' ').next().unwrap_or_default() {
            "EHLO" => "250-mail.example.com\r\n250 AUTH PLAIN LOGIN\r\n".to_owned(),
            "CONNECT" => format!("-ERR 'Authorization Violation: {line}'\r\n"),
            _ if as_mail => format!("535 5.7.8 not you: {line}\r\n"),
            _ => format!("-ERR '{line}'\r\n"),
        };
        if writer.write_all(said.as_bytes()).await.is_err() {
            return;
        }
    }
}
