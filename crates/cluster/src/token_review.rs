//! Who sends events: asks the API server whose a bearer token is.
//!
//! Answers are kept for a short time under a digest of the token, so a sender costs one request a
//! minute. Tokens that nobody vouches for are remembered too, and few requests run at a time: a flood
//! of made-up tokens cannot become a flood of requests to the API server.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use api::Secret;
use domain::ports::{SenderCheck, SenderRefused};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, TokenReviewStatus};
use kube::api::PostParams;
use kube::{Api, Client};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

/// How long a known sender is not asked about again; a token that is revoked works for that long.
const KNOWN: Duration = Duration::from_mins(1);
/// How long an unknown sender is not asked about again.
const UNKNOWN: Duration = Duration::from_secs(10);
/// How many answers are kept.
const MOST_ANSWERS: usize = 1000;
/// How many requests run at a time.
const MOST_REVIEWS: usize = 8;
/// How long one request may take; senders give up after 15 s.
const LIMIT: Duration = Duration::from_secs(5);
/// Longest token that is looked at; those of `ServiceAccount`s have about 1 kB.
const LONGEST_TOKEN: usize = 16 << 10;

/// An account that may send: one `ServiceAccount`, or all of a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedAccount {
    namespace: String,
    /// `None` for all.
    name: Option<String>,
}

/// Why a text names no account.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "`{0}` names no ServiceAccount; write namespace/name, or namespace/* for all of a namespace"
)]
pub struct AccountError(String);

impl std::str::FromStr for AllowedAccount {
    type Err = AccountError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('/') {
            Some((namespace, name)) if is_name(namespace) && (name == "*" || is_name(name)) => {
                Ok(Self {
                    namespace: namespace.to_owned(),
                    name: (name != "*").then(|| name.to_owned()),
                })
            }
            _ => Err(AccountError(text.to_owned())),
        }
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte))
}

impl AllowedAccount {
    /// All accounts of a namespace.
    pub fn all_of(namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: None,
        }
    }

    /// Whether the user name that the API server gave is this account's.
    fn is(&self, user: &str) -> bool {
        user.strip_prefix("system:serviceaccount:")
            .and_then(|account| account.split_once(':'))
            .is_some_and(|(namespace, name)| {
                namespace == self.namespace
                    && self.name.as_deref().is_none_or(|allowed| allowed == name)
            })
    }
}

/// Asks the API server about bearer tokens.
pub struct TokenReviewer {
    reviews: Api<TokenReview>,
    allowed: Vec<AllowedAccount>,
    answers: Mutex<HashMap<[u8; 32], Answer>>,
    slots: Semaphore,
}

#[derive(Clone, Copy)]
struct Answer {
    verdict: Result<(), SenderRefused>,
    until: Instant,
}

impl TokenReviewer {
    /// Prepares to ask; needs the permission to create `tokenreviews`.
    pub fn new(client: Client, allowed: Vec<AllowedAccount>) -> Self {
        Self {
            reviews: Api::all(client),
            allowed,
            answers: Mutex::default(),
            slots: Semaphore::new(MOST_REVIEWS),
        }
    }

    async fn judge(&self, token: &Secret<String>) -> Result<(), SenderRefused> {
        if token.expose().len() > LONGEST_TOKEN {
            return Err(SenderRefused::Unknown);
        }
        let digest: [u8; 32] = Sha256::digest(token.expose()).into();
        if let Some(verdict) = self.kept(&digest) {
            return verdict;
        }
        let asking = async {
            let _slot = self.slots.acquire().await;
            // Somebody may have asked while we waited for the slot.
            match self.kept(&digest) {
                Some(verdict) => verdict,
                None => self.ask(token, digest).await,
            }
        };
        timeout(LIMIT, asking)
            .await
            .unwrap_or(Err(SenderRefused::Undecided))
    }

    async fn ask(&self, token: &Secret<String>, digest: [u8; 32]) -> Result<(), SenderRefused> {
        let review = TokenReview {
            spec: TokenReviewSpec {
                token: Some(token.expose().clone()),
                ..TokenReviewSpec::default()
            },
            ..TokenReview::default()
        };
        let answer = self.reviews.create(&PostParams::default(), &review).await;
        let verdict = match answer {
            Ok(review) => verdict(&self.allowed, review.status.as_ref()),
            Err(error) => {
                tracing::warn!(
                    logger = "event-server",
                    %error,
                    "asking the API server about a sender failed; it is asked to repeat its event"
                );
                return Err(SenderRefused::Undecided);
            }
        };
        self.keep(digest, verdict);
        verdict
    }

    fn kept(&self, digest: &[u8; 32]) -> Option<Result<(), SenderRefused>> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = answers.get(digest)?;
        (Instant::now() < answer.until).then_some(answer.verdict)
    }

    fn keep(&self, digest: [u8; 32], verdict: Result<(), SenderRefused>) {
        let now = Instant::now();
        let life = if verdict.is_ok() { KNOWN } else { UNKNOWN };
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= MOST_ANSWERS {
            answers.retain(|_, answer| now < answer.until && answer.verdict.is_ok());
        }
        // Even then there may be no room: asking again is all that costs.
        if answers.len() < MOST_ANSWERS {
            let until = now + life;
            answers.insert(digest, Answer { verdict, until });
        }
    }
}

/// Judges what the API server said.
fn verdict(
    allowed: &[AllowedAccount],
    status: Option<&TokenReviewStatus>,
) -> Result<(), SenderRefused> {
    let status = status.ok_or(SenderRefused::Unknown)?;
    if status.authenticated != Some(true) {
        return Err(SenderRefused::Unknown);
    }
    let user = status
        .user
        .as_ref()
        .and_then(|user| user.username.as_deref())
        .unwrap_or_default();
    if allowed.iter().any(|account| account.is(user)) {
        Ok(())
    } else {
        tracing::warn!(
            logger = "event-server",
            user,
            "a sender that is not on the list was refused"
        );
        Err(SenderRefused::NotAllowed)
    }
}

impl SenderCheck for TokenReviewer {
    fn check<'a>(&'a self, token: &'a Secret<String>) -> BoxFuture<'a, Result<(), SenderRefused>> {
        self.judge(token).boxed()
    }
}

#[cfg(test)]
mod tests;
