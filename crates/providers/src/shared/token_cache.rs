//! Tokens that services mint for us, kept until shortly before they expire.
//!
//! Keys hold a digest of the credentials, so that a rotated credential never finds an old token, and
//! the Provider, so that namespaces never share one. Attempts that need the same token at the same
//! time lead to one request, and share its failure; a slow service holds up nobody who needs another
//! token. Failures are not kept.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api::{ObjectKey, Secret};
use domain::delivery::Failure;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

/// A bounded cache.
pub struct TokenCache {
    most: usize,
    longest: SignedDuration,
    tokens: Mutex<HashMap<String, CachedToken>>,
    /// One entry per token that somebody waits for.
    minting: Mutex<HashMap<String, Arc<Minting>>>,
}

struct CachedToken {
    token: Secret<String>,
    /// Not used any more from then on.
    until: Timestamp,
}

#[derive(Default)]
struct Minting {
    /// How many requests have ended.
    finished: AtomicU64,
    /// Held while a request is under way; what came of the last one if it failed.
    turn: tokio::sync::Mutex<Option<Failure>>,
}

/// A token as the service gave it.
#[derive(Debug)]
pub(crate) struct Minted {
    pub(crate) token: Secret<String>,
    /// When the service stops taking it.
    pub(crate) expires: Timestamp,
}

/// A token to use.
#[derive(Debug)]
pub(crate) struct Usable {
    pub(crate) token: Secret<String>,
    /// Whether it was minted for an earlier attempt.
    pub(crate) is_from_cache: bool,
}

/// The longest a token is kept, however long it is valid; `--token-cache-max-duration` can only
/// shorten it.
const LONGEST: SignedDuration = SignedDuration::from_hours(1);

impl TokenCache {
    /// A cache of at most `most` tokens, each kept for an hour at most; `0` switches it off.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            longest: LONGEST,
            tokens: Mutex::default(),
            minting: Mutex::default(),
        }
    }

    /// The same, tokens kept no longer than this.
    #[must_use]
    pub fn keeping_no_longer_than(mut self, longest: Duration) -> Self {
        self.longest = SignedDuration::try_from(longest)
            .unwrap_or(LONGEST)
            .min(LONGEST);
        self
    }

    /// A token that is still good.
    fn get(&self, key: &str, now: Timestamp) -> Option<Secret<String>> {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens
            .get(key)
            .filter(|cached| now < cached.until)
            .map(|cached| cached.token.clone())
    }

    /// Forgets a token that the service does not take any more.
    pub(crate) fn remove(&self, key: &str) {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.remove(key);
    }

    /// Keeps a token for 80 % of what is left of its life, within the longest time.
    fn put(&self, key: String, token: Secret<String>, expires: Timestamp, now: Timestamp) {
        if self.most == 0 {
            return;
        }
        let life = (expires.duration_since(now) / 5 * 4).min(self.longest);
        let Ok(until) = now.checked_add(life) else {
            return;
        };
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.retain(|_, cached| now < cached.until);
        if tokens.len() >= self.most && !tokens.contains_key(&key) {
            let oldest = tokens
                .iter()
                .min_by_key(|(_, cached)| cached.until)
                .map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                tokens.remove(&oldest);
            }
        }
        tokens.insert(key, CachedToken { token, until });
    }

    /// The token of a key, minted if there is none.
    ///
    /// Whoever waits while another attempt mints gets what that attempt gets. An attempt that is
    /// given up while it mints leaves the next one to try.
    pub(crate) async fn get_or_mint(
        &self,
        key: &str,
        now: Timestamp,
        mint: impl Future<Output = Result<Minted, Failure>>,
    ) -> Result<Usable, Failure> {
        let cached = || {
            self.get(key, now).map(|token| Usable {
                token,
                is_from_cache: true,
            })
        };
        if let Some(found) = cached() {
            return Ok(found);
        }
        let turn = Turn::wait_for(self, key);
        let arrived = turn.minting.finished.load(Ordering::Acquire);
        let mut last_failure = turn.minting.turn.lock().await;
        if let Some(found) = cached() {
            return Ok(found);
        }
        if turn.minting.finished.load(Ordering::Acquire) != arrived
            && let Some(failure) = &*last_failure
        {
            return Err(failure.clone());
        }
        let result = mint.await;
        *last_failure = result.as_ref().err().cloned();
        turn.minting.finished.fetch_add(1, Ordering::Release);
        let Minted { token, expires } = result?;
        self.put(key.to_owned(), token.clone(), expires, now);
        Ok(Usable {
            token,
            is_from_cache: false,
        })
    }
}

/// A place among those who wait for a token; given up on drop.
struct Turn<'a> {
    cache: &'a TokenCache,
    key: &'a str,
    minting: Arc<Minting>,
}

impl<'a> Turn<'a> {
    fn wait_for(cache: &'a TokenCache, key: &'a str) -> Self {
        let mut all = cache.minting.lock().unwrap_or_else(PoisonError::into_inner);
        let minting = Arc::clone(all.entry(key.to_owned()).or_default());
        drop(all);
        Self {
            cache,
            key,
            minting,
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut all = self
            .cache
            .minting
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // The map's and ours: nobody else waits.
        if Arc::strong_count(&self.minting) <= 2 {
            all.remove(self.key);
        }
    }
}

/// A key that differs whenever the Provider or any of the parts does, and reveals nothing.
pub(crate) fn key<'a>(
    what: &str,
    provider: &ObjectKey,
    parts: impl IntoIterator<Item = &'a [u8]>,
) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part.len().to_le_bytes());
        digest.update(part);
    }
    let digest: [u8; 32] = digest.finalize().into();
    format!("{what}|{provider}|{digest:?}")
}

#[cfg(test)]
mod tests;
