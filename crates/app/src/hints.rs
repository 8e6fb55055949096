//! Errors that people can act on get a hint.

use std::io;

/// Advice for an error, if there is any: the first cause in the chain that we know.
pub(crate) fn for_error(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(|cause| {
        if let Some(Hinted { hint, .. }) = cause.downcast_ref() {
            return Some(hint.clone());
        }
        if let Some(error) = cause.downcast_ref::<server::BindError>() {
            return Some(for_bind(error));
        }
        if let Some(error) = cause.downcast_ref::<delivery::store::open::OpenError>() {
            return error.hint().map(str::to_owned);
        }
        None
    })
}

fn for_bind(error: &server::BindError) -> String {
    match error.source.kind() {
        io::ErrorKind::AddrInUse => {
            "another process uses this port; stop it, or choose another address with \
             --events-addr, --receiverAddr, --metrics-addr or --health-addr"
                .to_owned()
        }
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need privileges; choose a higher one".to_owned()
        }
        _ => "expected HOST:PORT or :PORT, for example :9090 or 127.0.0.1:9090".to_owned(),
    }
}

/// An error with advice.
#[derive(Debug)]
pub(crate) struct Hinted {
    message: String,
    hint: String,
}

impl Hinted {
    /// Makes one.
    pub(crate) fn error(message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
        anyhow::Error::new(Self {
            message: message.into(),
            hint: hint.into(),
        })
    }
}

impl std::fmt::Display for Hinted {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Hinted {}
