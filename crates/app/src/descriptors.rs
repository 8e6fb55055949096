//! Who may have how many file descriptors, so that connections to one port cannot take what the store,
//! deliveries and the other ports need.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// For the store, the configuration, the API server and the process itself.
const FILES: usize = 64;

/// Per attempt at once: its connection, and one that is kept open after another.
const PER_ATTEMPT: usize = 2;

/// Most connections that a port for events or webhooks has for itself. With [`MOST_COMMON`] it is as
/// many as a port may have where nobody limits descriptors.
const MOST_OWN: usize = 4_000;

/// Most connections that all ports have in common.
const MOST_COMMON: usize = 16_000;

/// What a limit is divided into. All that no port has is left to whatever else needs descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shares {
    /// Connections that only the event port may have.
    pub(crate) events: usize,
    /// Connections that only the webhook port may have.
    pub(crate) webhooks: usize,
    /// Connections that only the health port may have.
    pub(crate) health: usize,
    /// Connections that only the metrics port may have.
    pub(crate) metrics: usize,
    /// Connections that only the control socket may have.
    pub(crate) control: usize,
    /// Connections that any of them may have beyond these.
    pub(crate) common: usize,
}

/// Raises this process's limit on descriptors as far as it may, and divides it; `attempts` is how many
/// there may be at once.
pub(crate) fn shares(attempts: usize) -> Shares {
    let limit = raise_limit();
    let needed = needed(attempts).saturating_mul(2);
    if limit < needed {
        tracing::warn!(
            limit,
            needed,
            "the limit on open files (`ulimit -n`) is low for --delivery-concurrency={attempts}: \
             raise it to what is needed, or allow fewer attempts at once"
        );
    }
    divide(limit, attempts)
}

/// Gives what the limit is then; without one it is the largest number.
fn raise_limit() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    let limit = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => maximum,
        Err(error) => {
            tracing::warn!(%error, "the limit on open files could not be raised");
            current
        }
    };
    let limit = limit.unwrap_or(u64::MAX);
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// What attempts and files need.
fn needed(attempts: usize) -> usize {
    attempts.saturating_mul(PER_ATTEMPT).saturating_add(FILES)
}

/// Ports get what attempts and files leave: three quarters of the limit at most, half of it at least.
fn divide(limit: usize, attempts: usize) -> Shares {
    let reserve = needed(attempts).max(limit / 4).min(limit / 2);
    let connections = limit - reserve;
    let large = (connections / 8).clamp(1, MOST_OWN);
    let small = (connections / 40).clamp(1, MOST_OWN);
    let own = 2 * large + 3 * small;
    Shares {
        events: large,
        webhooks: large,
        health: small,
        metrics: small,
        control: small,
        common: connections.saturating_sub(own).min(MOST_COMMON),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_all(shares: Shares) -> usize {
        let Shares {
            events,
            webhooks,
            health,
            metrics,
            control,
            common,
        } = shares;
        events + webhooks + health + metrics + control + common
    }

    #[test]
    fn ports_never_get_what_attempts_and_files_need() {
        for limit in (20..3000).chain([20_000, 65_536, 1 << 20, usize::MAX]) {
            for attempts in [1, 32, 256, 10_000, usize::MAX] {
                let all = in_all(divide(limit, attempts));
                assert!(
                    all <= limit - limit / 2 || limit - all >= needed(attempts),
                    "{limit}"
                );
                assert!(all <= limit - limit / 4, "{limit} {attempts}");
                // Little is wasted, either.
                assert!(
                    all >= (limit / 2 - 5).min(MOST_COMMON),
                    "{limit} {attempts}"
                );
            }
        }
    }

    #[test]
    fn every_port_has_something_of_its_own_whatever_the_limit() {
        for limit in [0, 1, 10, 64, 256] {
            let shares = divide(limit, 256);
            let least = [shares.health, shares.metrics, shares.control];
            assert!(least.iter().all(|share| *share > 0), "{limit}: {shares:?}");
            assert!(shares.events >= shares.health && shares.webhooks == shares.events);
        }
    }

    #[test]
    fn usual_limits_are_divided_like_this() {
        let shares = |large, small, common| Shares {
            events: large,
            webhooks: large,
            health: small,
            metrics: small,
            control: small,
            common,
        };
        assert_eq!(divide(1024, 256), shares(64, 12, 348));
        assert_eq!(divide(65_536, 256), shares(4_000, 1_228, 16_000));
        assert_eq!(divide(1 << 20, 256), shares(4_000, 4_000, 16_000));
    }
}
