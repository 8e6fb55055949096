//! Tokens that services mint for us, kept until shortly before they expire.
//!
//! Keys hold a digest of the credentials, so that a rotated credential never finds an old token, and
//! the Provider, so that namespaces never share one.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use api::Secret;
use jiff::{SignedDuration, Timestamp};

/// A bounded cache.
pub struct TokenCache {
    most: usize,
    tokens: Mutex<HashMap<String, CachedToken>>,
}

struct CachedToken {
    token: Secret<String>,
    /// Not used any more from then on.
    until: Timestamp,
}

/// The longest a token is kept, however long it is valid (`--token-cache-max-duration`).
const LONGEST: SignedDuration = SignedDuration::from_hours(1);

impl TokenCache {
    /// A cache of at most `most` tokens; `0` switches it off.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            tokens: Mutex::new(HashMap::new()),
        }
    }

    /// A token that is still good.
    pub fn get(&self, key: &str, now: Timestamp) -> Option<Secret<String>> {
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

    /// Keeps a token for 80 % of what is left of its life, at most an hour.
    pub fn put(&self, key: String, token: Secret<String>, expires: Timestamp, now: Timestamp) {
        if self.most == 0 {
            return;
        }
        let life = (expires.duration_since(now) / 5 * 4).min(LONGEST);
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
}
