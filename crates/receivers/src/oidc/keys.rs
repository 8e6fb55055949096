//! Public keys of issuers: found through discovery, fetched through the guarded client, kept within
//! limits.
//!
//! Whoever sends tokens cannot make us ask an issuer more often than the limits here say: keys are
//! used for an hour, an unknown key id asks again at most twice a minute, and after a failure there is
//! a pause, in which keys of the last day still do.

use std::collections::HashMap;
use std::str::FromStr as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::delivery::retry::later;
use domain::ports::Clock;
use http::Method;
use jiff::Timestamp;
use jsonwebtoken::jwk::{Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use outbound::{HttpRequest, HttpTransport, Route, SendOptions};
use serde_json::Value;
use url::Url;

use super::Token;
use crate::json;
use crate::rejection::Rejection;

/// How long keys are used without asking again.
const FRESH: Duration = Duration::from_hours(1);
/// How long they are used when the issuer cannot be reached.
const STALE: Duration = Duration::from_hours(24);
/// Least time between two questions to an issuer because of an unknown key id.
const UNKNOWN_KEY_PAUSE: Duration = Duration::from_secs(30);
/// Least time between two questions after one that failed.
const FAILURE_PAUSE: Duration = Duration::from_secs(10);
/// Time for one question: senders wait, and give up after ten seconds.
const DEADLINE: Duration = Duration::from_secs(2);
/// Largest answer.
const MOST_BYTES: usize = 1 << 20;
/// Most keys of one issuer.
const MOST_KEYS: usize = 100;
/// Most issuers whose keys are kept.
const MOST_ISSUERS: usize = 1000;

/// Where keys come from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KeySource {
    /// An issuer that publishes a discovery document below its URL
    /// (<https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig>).
    Issuer(String),
    /// A fixed address, and the algorithm of all its keys.
    Fixed(&'static str, Algorithm),
}

/// The keys of one source.
pub struct Keys {
    algorithms: Vec<Algorithm>,
    keys: Vec<(Option<String>, DecodingKey)>,
}

/// Keys of all sources that were needed.
pub struct KeyStore {
    transport: Arc<dyn HttpTransport>,
    clock: Arc<dyn Clock>,
    slots: Mutex<HashMap<KeySource, Arc<Slot>>>,
}

#[derive(Default)]
struct Slot(tokio::sync::Mutex<State>);

#[derive(Default)]
struct State {
    keys: Option<Arc<Keys>>,
    fetched_at: Option<Timestamp>,
    asked_at: Option<Timestamp>,
    failure: Option<String>,
}

impl Keys {
    /// Verifies a token's signature, with the key it names, or with any if it names none.
    pub fn verify(&self, token: &Token) -> Result<(), Rejection> {
        // Names of algorithms are case-sensitive, and `none` is none of them.
        let algorithm = Algorithm::from_str(token.algorithm()).map_err(|_| Rejection::Algorithm)?;
        if !self.algorithms.contains(&algorithm) {
            return Err(Rejection::Algorithm);
        }
        let id = token.key_id();
        let mut candidates = self.keys.iter().filter(|(key_id, _)| {
            // A key that names no id may be anybody's.
            id.is_none() || key_id.as_deref() == id
        });
        let is_genuine = candidates.any(|(_, key)| {
            jsonwebtoken::crypto::verify(token.signature(), token.message(), key, algorithm)
                .unwrap_or(false)
        });
        if is_genuine {
            Ok(())
        } else {
            Err(Rejection::Mismatch)
        }
    }

    fn knows(&self, id: Option<&str>) -> bool {
        id.is_none_or(|id| {
            let mut ids = self.keys.iter().map(|(key_id, _)| key_id.as_deref());
            ids.any(|key_id| key_id == Some(id))
        })
    }
}

impl KeyStore {
    /// An empty store.
    pub fn new(transport: Arc<dyn HttpTransport>, clock: Arc<dyn Clock>) -> Self {
        Self {
            transport,
            clock,
            slots: Mutex::default(),
        }
    }

    /// The keys of a source, from memory as long as they do. `id` is the key that is needed.
    pub async fn keys(&self, source: &KeySource, id: Option<&str>) -> Result<Arc<Keys>, Rejection> {
        let slot = self.slot(source);
        // One question at a time; others wait for its answer.
        let mut state = slot.0.lock().await;
        let now = self.clock.now();
        if let Some(keys) = state.usable(id, now) {
            return keys;
        }
        state.asked_at = Some(now);
        match self.fetch(source).await {
            Ok(keys) => {
                let keys = Arc::new(keys);
                state.keys = Some(keys.clone());
                state.fetched_at = Some(now);
                state.failure = None;
                Ok(keys)
            }
            Err(reason) => {
                tracing::warn!(
                    logger = "receiver-server",
                    reason,
                    "reading an issuer's keys failed"
                );
                state.failure = Some(reason);
                state.fallback(now)
            }
        }
    }

    fn slot(&self, source: &KeySource) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(source) {
            return slot.clone();
        }
        if slots.len() >= MOST_ISSUERS {
            // Only configured issuers get here, so this is rare; any one will do.
            let victim = slots.keys().next().cloned();
            victim.and_then(|victim| slots.remove(&victim));
        }
        slots.entry(source.clone()).or_default().clone()
    }

    async fn fetch(&self, source: &KeySource) -> Result<Keys, String> {
        let (address, algorithms) = match source {
            KeySource::Fixed(address, algorithm) => ((*address).to_owned(), vec![*algorithm]),
            KeySource::Issuer(issuer) => self.discover(issuer).await?,
        };
        let set = self.get(&address).await?;
        let published = set
            .get("keys")
            .and_then(Value::as_array)
            .ok_or("its key set has no list of keys")?;
        let keys = published.iter().take(MOST_KEYS).filter_map(key);
        Ok(Keys {
            algorithms,
            keys: keys.collect(),
        })
    }

    async fn discover(&self, issuer: &str) -> Result<(String, Vec<Algorithm>), String> {
        let base = issuer.strip_suffix('/').unwrap_or(issuer);
        let address = format!("{base}/.well-known/openid-configuration");
        let document = self.get(&address).await?;
        let text = |name: &str| document.get(name).and_then(Value::as_str);
        if text("issuer") != Some(issuer) {
            return Err("its discovery document is of another issuer".to_owned());
        }
        let keys = text("jwks_uri").ok_or("its discovery document names no keys")?;
        if issuer.starts_with("https://") && !keys.starts_with("https://") {
            return Err("its keys are not published over https".to_owned());
        }
        let listed = document
            .get("id_token_signing_alg_values_supported")
            .and_then(Value::as_array);
        let mut algorithms: Vec<Algorithm> = listed
            .into_iter()
            .flatten()
            .filter_map(|name| Algorithm::from_str(name.as_str()?).ok())
            .filter(|algorithm| !is_symmetric(*algorithm))
            .collect();
        if algorithms.is_empty() {
            algorithms.push(Algorithm::RS256);
        }
        Ok((keys.to_owned(), algorithms))
    }

    async fn get(&self, address: &str) -> Result<Value, String> {
        let url = Url::parse(address).map_err(|_| "its address is no URL")?;
        let options = SendOptions {
            deadline: DEADLINE,
            max_response_bytes: MOST_BYTES,
        };
        let request = HttpRequest::new(Method::GET, url);
        let route = Route::default();
        let response = self
            .transport
            .send(request, &route, &options)
            .await
            .map_err(|error| error.to_string())?;
        if response.status != http::StatusCode::OK {
            return Err(format!(
                "it answered with status {}",
                response.status.as_u16()
            ));
        }
        if response.truncated {
            return Err("its answer is too large or broke off".to_owned());
        }
        json::whole(&response.body).map_err(|_| "its answer is no JSON".to_owned())
    }
}

impl State {
    /// What can be answered without asking.
    fn usable(&self, id: Option<&str>, now: Timestamp) -> Option<Result<Arc<Keys>, Rejection>> {
        let is_within = |since: Option<Timestamp>, time: Duration| {
            since.is_some_and(|since| now < later(since, time))
        };
        if let Some(keys) = &self.keys
            && is_within(self.fetched_at, FRESH)
            && (keys.knows(id) || is_within(self.asked_at, UNKNOWN_KEY_PAUSE))
        {
            return Some(Ok(keys.clone()));
        }
        (self.failure.is_some() && is_within(self.asked_at, FAILURE_PAUSE))
            .then(|| self.fallback(now))
    }

    fn fallback(&self, now: Timestamp) -> Result<Arc<Keys>, Rejection> {
        let is_recent = self.fetched_at.is_some_and(|at| now < later(at, STALE));
        match &self.keys {
            Some(keys) if is_recent => Ok(keys.clone()),
            _ => Err(Rejection::Issuer(self.failure.clone().unwrap_or_default())),
        }
    }
}

fn key(published: &Value) -> Option<(Option<String>, DecodingKey)> {
    let jwk: Jwk = serde_json::from_value(published.clone()).ok()?;
    let is_for_signatures = !matches!(
        jwk.common.public_key_use,
        Some(PublicKeyUse::Encryption | PublicKeyUse::Other(_))
    );
    let is_public = published.get("kty").and_then(Value::as_str) != Some("oct");
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    (is_for_signatures && is_public).then_some((jwk.common.key_id, key))
}

fn is_symmetric(algorithm: Algorithm) -> bool {
    matches!(
        algorithm,
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512
    )
}
