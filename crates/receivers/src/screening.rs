//! What is computed over the body of a call while it arrives: the checks of the Receivers that may be
//! meant, or, where the headers rule all of them out, the same work for nothing.
//!
//! Every body is fed to one MAC for each token that counts (one, except for a while after a
//! rotation), by the algorithm that the sender speaks of, whether or not the path is known. Bodies of
//! types whose senders sign nothing are genuine by then, and are fed to none.

use http::HeaderMap;

use crate::call::header;
use crate::kind::Proof;
use crate::kinds;
use crate::signature::{Algorithm, BodyCheck, Mac};
use crate::table::Found;

/// A call whose body is still to come.
pub struct Screening {
    pub(crate) is_known: bool,
    pub(crate) possible: Vec<Possible>,
    decoy: Option<Mac>,
}

/// A Receiver that may be meant.
pub(crate) struct Possible {
    pub(crate) found: Found,
    pub(crate) checks: Vec<BodyCheck>,
}

impl Screening {
    /// Of the Receivers that the headers did not rule out. `key` is one that nobody knows.
    pub(crate) fn new(
        is_known: bool,
        possible: Vec<Possible>,
        headers: &HeaderMap,
        key: &[u8],
    ) -> Self {
        let is_decided = possible
            .iter()
            .any(|possible| !possible.checks.is_empty() || possible.is_genuine());
        let decoy = (!is_decided).then(|| Mac::new(spoken_of(headers), key));
        Self {
            is_known,
            possible,
            decoy,
        }
    }

    /// Whether anybody will look at the body, so that it must be kept.
    pub fn wants_body(&self) -> bool {
        !self.possible.is_empty()
    }

    /// Another piece of the body; all of it must pass here, in order.
    pub fn update(&mut self, piece: &[u8]) {
        let checks = self
            .possible
            .iter_mut()
            .flat_map(|possible| &mut possible.checks)
            .map(BodyCheck::mac);
        for mac in checks.chain(&mut self.decoy) {
            mac.update(piece);
        }
    }

    /// The MACs under way, each with the bytes that it was fed. Says nothing about whose they are.
    pub fn work(&mut self) -> Vec<(Algorithm, u64)> {
        let checks = self
            .possible
            .iter_mut()
            .flat_map(|possible| &mut possible.checks)
            .map(|check| check.mac().work());
        checks.chain(self.decoy.iter().map(Mac::work)).collect()
    }

    /// Ends the work for nothing; who may be meant.
    pub(crate) fn finish(self) -> Vec<Possible> {
        if let Some(decoy) = self.decoy {
            let _ = decoy.finish();
        }
        self.possible
    }
}

impl Possible {
    /// Whether the headers alone proved it.
    fn is_genuine(&self) -> bool {
        matches!(self.found.kind.proof, Proof::Path | Proof::Token(_))
    }
}

/// The algorithm that a call's headers speak of; the usual one where they speak of none.
fn spoken_of(headers: &HeaderMap) -> Algorithm {
    let spoken = kinds::ALL.iter().find_map(|kind| match kind.proof {
        Proof::Signature(names) => names
            .iter()
            .find_map(|name| header(headers, name).filter(|text| !text.is_empty()))
            .and_then(Algorithm::spoken_of),
        Proof::PlainSha1(name) => header(headers, name).map(|_| Algorithm::Sha1),
        _ => None,
    });
    spoken.unwrap_or(Algorithm::Sha256)
}
