//! What the process itself provides: time, randomness, the async runtime.

use std::hash::{BuildHasher, Hasher, RandomState};

use domain::ports::{Clock, Random};
use jiff::Timestamp;

/// The system's clock.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one real clock")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Random enough to spread retries.
pub(crate) struct SystemRandom;

impl Random for SystemRandom {
    fn fraction(&self) -> f64 {
        // Each `RandomState` has keys of its own.
        let bits = RandomState::new().build_hasher().finish() >> 32;
        let bits = u32::try_from(bits).unwrap_or(0);
        f64::from(bits) / (f64::from(u32::MAX) + 1.0)
    }
}

/// `<host name>_<uuid>`: who this process is among its replicas.
pub(crate) fn process_identity() -> String {
    let random = || RandomState::new().build_hasher().finish();
    let (high, low) = (random(), random());
    let host = rustix::system::uname();
    let host = host.nodename().to_string_lossy().into_owned();
    format!(
        "{host}_{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        low >> 52,
        low & 0xffff_ffff_ffff,
    )
}

/// Bytes that nobody can guess, without asking for more than the hash maps of this process have.
pub(crate) fn random_bytes() -> [u8; 32] {
    let mut bytes = [0; 32];
    for chunk in bytes.chunks_exact_mut(8) {
        let number = RandomState::new().build_hasher().finish();
        chunk.copy_from_slice(&number.to_le_bytes());
    }
    bytes
}

/// An async runtime for a command that does one thing.
pub(crate) fn small() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

/// The async runtime of `run`: as many threads as there are processors, within reason.
pub(crate) fn full() -> std::io::Result<tokio::runtime::Runtime> {
    let processors = std::thread::available_parallelism().map_or(2, usize::from);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(processors.clamp(2, 8))
        .max_blocking_threads(16)
        .thread_name("fanfare")
        .enable_all()
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_process_has_an_identity_of_its_own() {
        let (first, second) = (process_identity(), process_identity());
        assert_ne!(first, second);
        let (_, uuid) = first.rsplit_once('_').unwrap();
        assert_eq!(uuid.len(), 36, "{uuid}");
    }

    #[test]
    fn fractions_are_between_zero_and_one_and_differ() {
        let fractions: Vec<f64> = (0..100).map(|_| SystemRandom.fraction()).collect();
        assert!(
            fractions
                .iter()
                .all(|fraction| (0.0..1.0).contains(fraction))
        );
        assert!(fractions.windows(2).any(|pair| pair[0] < pair[1]));
    }
}
