//! The servers in an address: a list, separated by commas.
//!
//! Errors never show the address, which may hold credentials.

use api::Secret;
use outbound::StreamTarget;
use percent_encoding::percent_decode_str;
use url::Url;

use crate::ConfigError;

const DEFAULT_PORT: u16 = 4222;

/// More servers than a cluster has.
const MOST_SERVERS: usize = 32;

/// All servers, in the order in which they are tried.
pub(super) struct Servers {
    pub(super) list: Vec<Server>,
    /// Whether a stream must confirm each message: `?jetstream=true` behind any of them.
    pub(super) jetstream: bool,
}

/// One server.
pub(super) struct Server {
    pub(super) target: StreamTarget,
    /// The scheme asks for TLS. A server may ask for it too.
    pub(super) tls: bool,
    /// User information; without a password the user is a token.
    pub(super) user: Option<(Secret<String>, Option<Secret<String>>)>,
}

/// Reads `[nats://|tls://][user[:password]@]host[:port][?jetstream=true]`, separated by commas.
pub(super) fn parse(address: &str) -> Result<Servers, ConfigError> {
    let mut servers = Servers {
        list: Vec::new(),
        jetstream: false,
    };
    let pieces = address.split(',').map(str::trim);
    for piece in pieces.filter(|piece| !piece.is_empty()) {
        let (server, jetstream) = parse_one(piece)?;
        servers.list.push(server);
        servers.jetstream |= jetstream;
    }
    match servers.list.len() {
        0 => Err(ConfigError::new("NATS server (address) cannot be empty")),
        1..=MOST_SERVERS => Ok(servers),
        _ => Err(ConfigError::new(format!(
            "the address names more than {MOST_SERVERS} NATS servers"
        ))),
    }
}

fn parse_one(piece: &str) -> Result<(Server, bool), ConfigError> {
    let refused = |problem: &str| {
        Err(ConfigError::new(format!(
            "the address of a NATS server {problem}; for example nats://nats.example.com:4222"
        )))
    };
    let with_scheme = if piece.contains("://") {
        piece.to_owned()
    } else {
        format!("nats://{piece}")
    };
    let Ok(url) = Url::parse(&with_scheme) else {
        return refused("is no valid URL");
    };
    let tls = match url.scheme() {
        "nats" => false,
        "tls" => true,
        "ws" | "wss" => {
            return refused("must begin with nats:// or tls://, WebSocket is not spoken");
        }
        _ => return refused("must begin with nats:// or tls://"),
    };
    let host = url.host_str().unwrap_or_default();
    if host.is_empty() {
        return refused("has no host");
    }
    let Ok(user) = user_of(&url) else {
        return refused("has a user name or password that is not UTF-8");
    };
    let mut jetstream = false;
    for (name, value) in url.query_pairs() {
        match (&*name, &*value) {
            ("jetstream", "true") => jetstream = true,
            ("jetstream", "false") => {}
            _ => return refused("has an unknown option; there is jetstream=true only"),
        }
    }
    let server = Server {
        target: StreamTarget {
            scheme: if tls { "tls" } else { "nats" },
            host: host.to_owned(),
            port: url.port().unwrap_or(DEFAULT_PORT),
        },
        tls,
        user,
    };
    Ok((server, jetstream))
}

type User = (Secret<String>, Option<Secret<String>>);

fn user_of(url: &Url) -> Result<Option<User>, std::str::Utf8Error> {
    let decode = |part: &str| {
        let text = percent_decode_str(part).decode_utf8()?;
        Ok(Secret::new(text.into_owned()))
    };
    if url.username().is_empty() && url.password().is_none() {
        return Ok(None);
    }
    let password = url.password().map(decode).transpose()?;
    Ok(Some((decode(url.username())?, password)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_have_defaults_and_options() {
        let servers =
            parse("nats.example.com, tls://u:p%2Cw@b:4333 ,nats://[::1]?jetstream=true,").unwrap();
        let endpoints: Vec<String> = servers
            .list
            .iter()
            .map(|server| server.target.endpoint().to_string())
            .collect();
        assert_eq!(
            endpoints,
            [
                "nats://nats.example.com:4222",
                "tls://b:4333",
                "nats://[::1]:4222"
            ]
        );
        let tls: Vec<bool> = servers.list.iter().map(|server| server.tls).collect();
        assert_eq!(tls, [false, true, false]);
        let (name, password) = servers.list[1].user.as_ref().unwrap();
        assert_eq!(
            (
                name.expose().as_str(),
                password.as_ref().unwrap().expose().as_str()
            ),
            ("u", "p,w")
        );
        assert!(servers.jetstream);
        assert!(!parse("nats://a?jetstream=false").unwrap().jetstream);
    }

    #[test]
    fn what_is_wrong_is_said_without_showing_it() {
        for (address, said) in [
            ("", "cannot be empty"),
            (" , ", "cannot be empty"),
            ("ws://hunter2:1", "WebSocket"),
            ("https://hunter2", "nats:// or tls://"),
            ("nats://", "no host"),
            ("not a url hunter2", "no valid URL"),
            ("nats://a?hunter2=1", "unknown option"),
            ("nats://a:99999", "no valid URL"),
        ] {
            let error = parse(address).err().unwrap().to_string();
            assert!(error.contains(said), "{address}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        assert!(parse(&"a,".repeat(33)).is_err());
    }
}
