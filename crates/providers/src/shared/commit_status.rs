//! Writes a commit status, but only if it changes something.
//!
//! What was posted last is remembered per Provider, repository, commit and id, so an unchanged status
//! costs no call. On first contact the host is asked. When asking keeps failing the status is posted
//! without knowing: better twice than not at all. A host that asks for fewer requests is waited for.

use domain::delivery::{Failure, FailureClass, Receipt, Remembered};
use domain::notification::{CommitStatus, commit_status};
use domain::{Capabilities, Family, Notification, provider::Progressing};
use futures::future::BoxFuture;
use outbound::HttpResponse;
use serde_json::Value;
use sha1::{Digest, Sha1};
use tokio::time::Instant;

use crate::notifier::AttemptContext;
use crate::shared::digest::{self, hexadecimal};
use crate::{Notifier, ProviderSettings, classify};

/// What every type that writes commit statuses can do.
pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    family: Family::CommitStatus,
    commit_status_updates: true,
    commit_status: true,
    change_request: false,
    progressing: Progressing::Skipped,
    expires: false,
    skipped_kinds: &[],
};

/// Pages of a list that are read at most.
pub(crate) const MOST_PAGES: usize = 20;

/// From this attempt on a status is posted although nobody could say what is there.
const POST_BLINDLY_AFTER: u32 = 3;

/// A status as one host spells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    /// The id, as given.
    pub(crate) id: String,
    /// The commit.
    pub(crate) commit: String,
    /// `success` and the like, in the host's words.
    pub(crate) state: &'static str,
    /// The reason as words, within the host's limit.
    pub(crate) description: String,
    /// `<kind>/<name>` in lower case.
    pub(crate) name: String,
}

/// The host's words for the states that we know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words {
    pub(crate) success: &'static str,
    pub(crate) failure: &'static str,
    /// For the reason `Progressing`, where the type takes such events.
    pub(crate) pending: Option<&'static str>,
    /// Characters a description may have.
    pub(crate) description: usize,
}

impl Status {
    /// The status that a notification asks for.
    pub(crate) fn of(notification: &Notification, words: Words) -> Result<Self, Failure> {
        let Some(CommitStatus { id, commit }) = notification.commit_status.clone() else {
            return Err(misconfigured(
                &"no commit status id was made for this event",
            ));
        };
        let event = &notification.event;
        let state = match words.pending {
            Some(pending) if event.reason == commit_status::PROGRESSING => pending,
            _ if event.is_error() => words.failure,
            _ => words.success,
        };
        Ok(Self {
            id,
            commit,
            state,
            description: commit_status::description(event)
                .chars()
                .take(words.description)
                .collect(),
            name: commit_status::name(event),
        })
    }

    /// SHA-1 of the id, for hosts with short keys.
    pub(crate) fn key(&self) -> String {
        hexadecimal(&Sha1::digest(&self.id))
    }
}

/// One host and repository.
pub(crate) trait StatusHost: Send + Sync {
    /// Says which repository this is, without credentials; part of what is remembered.
    fn repository(&self) -> String;

    /// The words of this host.
    fn words(&self) -> Words;

    /// What else tells statuses of one repository, commit and id apart; part of what is remembered.
    fn scope(&self, _: &Notification) -> Option<String> {
        None
    }

    /// What counts when two statuses are compared, besides commit and id.
    fn fingerprint(&self, status: &Status) -> String {
        format!("{}\n{}", status.state, status.description)
    }

    /// Whether the host has exactly this status as the latest one.
    fn has<'a>(
        &'a self,
        status: &'a Status,
        notification: &'a Notification,
        context: &'a AttemptContext<'a>,
    ) -> BoxFuture<'a, Result<bool, Failure>>;

    /// Posts it.
    fn post<'a>(
        &'a self,
        status: &'a Status,
        notification: &'a Notification,
        context: &'a AttemptContext<'a>,
    ) -> BoxFuture<'a, Result<HttpResponse, Failure>>;
}

/// A host as a notifier of one Provider.
struct StatusWriter<H> {
    provider: String,
    host: H,
}

/// What writes statuses on this host for this Provider.
pub(crate) fn notifier(
    settings: &ProviderSettings,
    host: impl StatusHost + 'static,
) -> Box<dyn Notifier> {
    Box::new(StatusWriter {
        provider: settings.provider.key.to_string(),
        host,
    })
}

impl<H: StatusHost> Notifier for StatusWriter<H> {
    fn notify<'a>(
        &'a self,
        notification: &'a Notification,
        context: &'a AttemptContext<'a>,
    ) -> BoxFuture<'a, Result<Receipt, Failure>> {
        Box::pin(write(&self.host, &self.provider, notification, context))
    }
}

/// Writes the status of a notification if the host does not have it.
async fn write(
    host: &dyn StatusHost,
    provider: &str,
    notification: &Notification,
    context: &AttemptContext<'_>,
) -> Result<Receipt, Failure> {
    let status = Status::of(notification, host.words())?;
    let scope = match host.scope(notification) {
        Some(scope) => format!("{provider}|{scope}"),
        None => provider.to_owned(),
    };
    let key = memory_key(
        "commit status",
        &[&scope, &host.repository(), &status.commit, &status.id],
    );
    let fingerprint = host.fingerprint(&status);
    let remembered = context.memory.recall(&key).await;
    let unchanged = match &remembered {
        Some(last) => *last == fingerprint,
        None => is_there(host, &status, notification, context).await?,
    };
    let remember = vec![Remembered {
        key,
        value: fingerprint,
    }];
    if unchanged {
        return Ok(Receipt {
            status: None,
            unchanged: true,
            remember,
        });
    }
    let response = host.post(&status, notification, context).await;
    let response = response.map_err(|failure| during("writing the commit status", failure))?;
    Ok(Receipt {
        status: Some(response.status.as_u16()),
        unchanged: false,
        remember,
    })
}

/// What is remembered is found under a digest, because ids can be of any length.
pub(crate) fn memory_key(what: &str, parts: &[&str]) -> String {
    let digest = digest::of_parts(parts.iter().copied());
    format!("{what} {}", hexadecimal(&digest))
}

/// Says which call was refused; without an answer the failure speaks for itself.
pub(crate) fn during(what: &str, failure: Failure) -> Failure {
    if failure.status.is_none() {
        return failure;
    }
    Failure {
        detail: format!("{what}: {}", failure.detail),
        ..failure
    }
}

async fn is_there(
    host: &dyn StatusHost,
    status: &Status,
    notification: &Notification,
    context: &AttemptContext<'_>,
) -> Result<bool, Failure> {
    let asking = host.has(status, notification, context);
    let answer = if context.attempt > POST_BLINDLY_AFTER {
        // Leaves time to post in case there is no answer.
        let left = context.deadline.saturating_duration_since(Instant::now());
        let late = || {
            Failure::new(
                FailureClass::Unreachable,
                "no answer about the commit status",
            )
        };
        tokio::time::timeout(left / 2, asking)
            .await
            .unwrap_or_else(|_| Err(late()))
    } else {
        asking.await
    };
    let failure = match answer {
        Ok(is_there) => return Ok(is_there),
        Err(failure) => failure,
    };
    // Permission to write does not imply permission to read, and hosts have bad hours. A host that
    // throttles would refuse the status as well, and count it.
    let tries = match failure.class {
        FailureClass::Throttled => u32::MAX,
        FailureClass::Misconfigured => 1,
        _ => POST_BLINDLY_AFTER,
    };
    if context.attempt > tries {
        Ok(false)
    } else {
        Err(during("looking up the commit status", failure))
    }
}

/// The body of a successful answer as JSON; anything else is the host's fault.
pub(crate) fn json<T: serde::de::DeserializeOwned>(
    response: &HttpResponse,
    context: &AttemptContext<'_>,
) -> Result<T, Failure> {
    classify::by_status(response, context.clock.now())?;
    serde_json::from_slice(&response.body).map_err(|_| Failure {
        status: Some(response.status.as_u16()),
        ..Failure::new(
            FailureClass::ServerFault,
            format!(
                "the service answered {} without the expected JSON",
                response.status
            ),
        )
    })
}

/// A failure that a change of configuration heals.
pub(crate) fn misconfigured(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(FailureClass::Misconfigured, error.to_string())
}

/// The answer to a status that was posted.
///
/// Some redirects turn a POST into a GET, such as those from http to https, and at the same place a
/// GET lists statuses: a success that wrote nothing.
pub(crate) fn posted(
    response: HttpResponse,
    context: &AttemptContext<'_>,
) -> Result<HttpResponse, Failure> {
    classify::by_status(&response, context.clock.now())?;
    if is_list(&response.body) {
        return Err(Failure {
            status: Some(response.status.as_u16()),
            ..misconfigured(
                &"the service listed statuses instead of taking one, as it does after a redirect; \
                  does the address begin with https, and is it the repository's present one?",
            )
        });
    }
    Ok(response)
}

/// A list as GitHub and GitLab send it, or as Azure DevOps does.
fn is_list(body: &[u8]) -> bool {
    match serde_json::from_slice(body) {
        Ok(Value::Array(_)) => true,
        Ok(Value::Object(object)) => object.get("value").is_some_and(Value::is_array),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
