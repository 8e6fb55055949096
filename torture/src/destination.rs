//! Where notifications go: real servers on loopback that behave badly when told to.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use testkit::{Answer, Authority, HttpSink, Pair};

use crate::ledger::Arrival;
use crate::stamp::Stamp;

/// Addresses that the certificate of a TLS destination is for.
const NAMES: [&str; 2] = ["127.0.0.1", "localhost"];

/// What a destination is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Role {
    /// Never misbehaves; what happens to the others must not be seen here.
    Steady,
    /// A webhook that misbehaves.
    Victim,
    /// A chat service, which says in a 200 that it did not take a message.
    Chat,
    /// A webhook behind TLS.
    Secure,
}

impl Role {
    /// Name in manifests and reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Victim => "victim",
            Self::Chat => "chat",
            Self::Secure => "secure",
        }
    }
}

/// How a destination behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Answers 200.
    Healthy,
    /// Nobody listens.
    Refuse,
    /// Takes the request and never answers.
    Hang,
    /// Says 200 and then sends its body a byte at a time for ever.
    Drip,
    /// Takes the request and resets the connection.
    Reset,
    /// Answers so.
    Status(u16),
    /// Answers 429, with `Retry-After` in seconds or without.
    Throttle(Option<u32>),
    /// Answers 200 with a body that says no, as Slack does.
    PoliteRefusal(&'static str),
    /// Redirects to itself.
    Circle,
    /// Answers 200 with a body of so many bytes.
    Flood(u64),
    /// Shows a certificate that nobody trusts.
    Untrusted,
}

/// What a request gets, and what that means for the account.
#[derive(Debug)]
struct Reaction {
    answer: Answer,
    /// The destination has the event now.
    takes: bool,
    /// And said so.
    acknowledges: bool,
}

impl Mode {
    fn react(self) -> Reaction {
        let (answer, takes, acknowledges) = match self {
            Self::Healthy => (Answer::with_body(200, "ok"), true, true),
            // Only connections from before see these.
            Self::Refuse | Self::Untrusted => (Answer::Close, false, false),
            Self::Hang => (Answer::Hang, false, false),
            Self::Drip => (Answer::Drip, true, true),
            Self::Reset => (Answer::Reset, true, false),
            Self::Status(status) => (Answer::status(status), false, false),
            Self::Throttle(None) => (Answer::status(429), false, false),
            Self::Throttle(Some(seconds)) => {
                let answer = Answer::status(429).header("Retry-After", &seconds.to_string());
                (answer, false, false)
            }
            Self::PoliteRefusal(error) => {
                let body = format!("{{\"ok\":false,\"error\":\"{error}\"}}");
                (Answer::with_body(200, body), false, false)
            }
            Self::Circle => {
                let answer = Answer::status(307).header("Location", "/hook");
                (answer, false, false)
            }
            Self::Flood(length) => (Answer::Flood(length), true, true),
        };
        Reaction {
            answer,
            takes,
            acknowledges,
        }
    }
}

/// All arrivals of a round, in order.
pub(crate) type Arrivals = Arc<Mutex<Vec<Arrival>>>;

/// A running destination.
pub(crate) struct Destination {
    pub(crate) role: Role,
    sink: HttpSink,
    mode: Arc<Mutex<Mode>>,
    /// Certificates; only of a TLS destination.
    certificates: Option<Certificates>,
}

struct Certificates {
    authority: String,
    trusted: Pair,
    untrusted: Pair,
}

impl Destination {
    /// Starts one whose arrivals are entered with this index.
    pub(crate) async fn start(role: Role, index: usize, arrivals: &Arrivals) -> Self {
        let certificates = (role == Role::Secure).then(|| {
            let authority = Authority::new();
            Certificates {
                trusted: authority.issue(&NAMES),
                untrusted: Authority::new().issue(&NAMES),
                authority: authority.pem,
            }
        });
        let sink = match &certificates {
            None => HttpSink::start().await,
            Some(certificates) => HttpSink::start_tls(&certificates.trusted, None).await,
        };
        sink.keep_nothing();
        let mode = Arc::new(Mutex::new(Mode::Healthy));
        let (seen_mode, arrivals) = (Arc::clone(&mode), Arc::clone(arrivals));
        sink.answer_by(move |request| {
            let reaction = seen_mode
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .react();
            if reaction.takes {
                let at = Instant::now();
                let stamps = Stamp::find_all(&request.body);
                let mut arrivals = arrivals.lock().unwrap_or_else(PoisonError::into_inner);
                arrivals.extend(stamps.into_iter().map(|stamp| Arrival {
                    destination: index,
                    stamp,
                    is_acknowledged: reaction.acknowledges,
                    at,
                }));
            }
            reaction.answer
        });
        Self {
            role,
            sink,
            mode,
            certificates,
        }
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        self.sink.url("/hook")
    }

    /// The authority to trust there, in PEM; `None` without TLS.
    pub(crate) fn authority(&self) -> Option<&str> {
        self.certificates
            .as_ref()
            .map(|certificates| certificates.authority.as_str())
    }

    /// Makes it behave so from now on.
    pub(crate) fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap_or_else(PoisonError::into_inner) = mode;
        if let Some(certificates) = &self.certificates {
            self.sink.present(if mode == Mode::Untrusted {
                &certificates.untrusted
            } else {
                &certificates.trusted
            });
        }
        if mode == Mode::Refuse {
            self.sink.shut();
        } else {
            self.sink.open();
        }
    }

    /// Behaves so for a while, and then well again.
    pub(crate) async fn misbehave(&self, mode: Mode, lasts: Duration) {
        self.set(mode);
        tokio::time::sleep(lasts).await;
        self.set(Mode::Healthy);
    }

    /// Most connections that were open at once.
    pub(crate) fn most_connections(&self) -> usize {
        self.sink.connections().most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_says_so_counts_as_delivered() {
        for mode in [Mode::Healthy, Mode::Flood(1), Mode::Drip] {
            assert!(mode.react().acknowledges, "{mode:?}");
        }
        for mode in [
            Mode::Refuse,
            Mode::Hang,
            Mode::Reset,
            Mode::Status(500),
            Mode::Throttle(Some(1)),
            Mode::PoliteRefusal("ratelimited"),
            Mode::Circle,
            Mode::Untrusted,
        ] {
            assert!(!mode.react().acknowledges, "{mode:?}");
        }
        assert!(Mode::Reset.react().takes, "a repeat is expected");
    }
}
