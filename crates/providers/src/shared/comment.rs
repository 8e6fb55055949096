//! Keeps one comment per Provider and object on a pull or merge request.
//!
//! Where the comment is, is remembered, so that an update is one request. Without that memory it is
//! looked for by its marker among all comments that are by us, and only when there is none is one
//! written. So a repeated attempt edits what an earlier one wrote, and a comment that somebody deleted
//! is written anew. Nothing is ever written before the search has ended: better late than twice.

mod body;
mod search;

use domain::delivery::{Failure, FailureClass, Receipt, Remembered};
use domain::provider::Progressing;
use domain::{Capabilities, Family, Notification};
use futures::future::BoxFuture;
use outbound::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};

use crate::notifier::AttemptContext;
use crate::shared::commit_status::{during, json, memory_key, posted};
use crate::shared::truncate::Unit;
use crate::{Notifier, ProviderSettings, classify};

pub(crate) use search::Page;

/// What every type that comments on change requests can do.
pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    family: Family::ChangeRequest,
    commit_status_updates: false,
    commit_status: false,
    change_request: true,
    progressing: Progressing::Sent,
    expires: false,
    skipped_kinds: &[],
};

/// Answers that say that a comment is not there any more.
const GONE: [u16; 2] = [404, 410];

/// The same for a comment that we only remember: it may also be another user's from whom we had a
/// token before.
const LOST: [u16; 3] = [403, 404, 410];

/// Where a comment belongs: a pull request's number, or a merge request's.
pub(crate) type Number = u64;

/// What a host takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    /// How long a comment may be.
    pub(crate) length: usize,
    /// How the host counts.
    pub(crate) unit: Unit,
}

/// What is sent to write or edit a comment; the same for all hosts.
#[derive(Serialize)]
pub(crate) struct NewComment<'a> {
    pub(crate) body: &'a str,
}

#[derive(Deserialize)]
struct Written {
    id: u64,
}

/// One host and repository.
pub(crate) trait CommentHost: Send + Sync {
    /// Says which repository this is, without credentials; part of what is remembered.
    fn repository(&self) -> String;

    /// What markers on this host begin with.
    fn marker_prefix(&self) -> &'static str;

    /// The longest comment.
    fn limit(&self) -> Limit;

    /// The name under which these credentials write.
    fn author<'a>(
        &'a self,
        context: &'a AttemptContext<'a>,
    ) -> BoxFuture<'a, Result<String, Failure>>;

    /// Asks for a page of comments, the oldest first.
    fn list(&self, number: Number, page: Page) -> Result<HttpRequest, Failure>;

    /// Writes a comment.
    fn create(&self, number: Number, comment: &NewComment<'_>) -> Result<HttpRequest, Failure>;

    /// Edits a comment.
    fn update(
        &self,
        number: Number,
        id: u64,
        comment: &NewComment<'_>,
    ) -> Result<HttpRequest, Failure>;

    /// Sends one of these requests; answers may be long lists.
    fn send<'a>(
        &'a self,
        request: HttpRequest,
        context: &'a AttemptContext<'a>,
    ) -> BoxFuture<'a, Result<HttpResponse, Failure>>;
}

/// A host as a notifier of one Provider.
struct Commenter<H> {
    provider: String,
    /// Part of the markers.
    provider_uid: String,
    host: H,
}

/// What comments on this host for this Provider.
pub(crate) fn notifier(
    settings: &ProviderSettings,
    host: impl CommentHost + 'static,
) -> Box<dyn Notifier> {
    Box::new(Commenter {
        provider: settings.provider.key.to_string(),
        provider_uid: settings.provider.uid.clone(),
        host,
    })
}

impl<H: CommentHost> Notifier for Commenter<H> {
    fn notify<'a>(
        &'a self,
        notification: &'a Notification,
        context: &'a AttemptContext<'a>,
    ) -> BoxFuture<'a, Result<Receipt, Failure>> {
        Box::pin(self.write(notification, context))
    }
}

impl<H: CommentHost> Commenter<H> {
    async fn write(
        &self,
        notification: &Notification,
        context: &AttemptContext<'_>,
    ) -> Result<Receipt, Failure> {
        let host = &self.host;
        let number = number_of(notification)?;
        let marker = body::marker(
            host.marker_prefix(),
            &self.provider_uid,
            &notification.event.involved_object,
        );
        let body = body::body(&marker, &notification.event, host.limit());
        let comment = NewComment { body: &body };
        let place = number.to_string();
        let key = memory_key(
            "comment",
            &[&self.provider, &host.repository(), &place, &marker],
        );
        let receipt = |id: u64, response: &HttpResponse| Receipt {
            status: Some(response.status.as_u16()),
            unchanged: false,
            remember: vec![Remembered {
                key: key.clone(),
                value: id.to_string(),
            }],
        };
        let remembered = context.memory.recall(&key).await;
        if let Some(id) = remembered.and_then(|id| id.parse().ok())
            && let Some(response) = self.edit(number, id, &LOST, &comment, context).await?
        {
            return Ok(receipt(id, &response));
        }
        let author = host.author(context).await?;
        let found = search::find(host, number, &marker, &author, context).await;
        let found = found.map_err(|failure| during("looking for the comment", failure))?;
        if let Some(id) = found
            && let Some(response) = self.edit(number, id, &GONE, &comment, context).await?
        {
            return Ok(receipt(id, &response));
        }
        let written = self.create(number, &comment, context).await;
        let (id, response) = written.map_err(|failure| during("writing the comment", failure))?;
        Ok(receipt(id, &response))
    }

    /// Edits a comment; `None` if the answer is one of those `missing`.
    async fn edit(
        &self,
        number: Number,
        id: u64,
        missing: &[u16],
        comment: &NewComment<'_>,
        context: &AttemptContext<'_>,
    ) -> Result<Option<HttpResponse>, Failure> {
        let request = self.host.update(number, id, comment)?;
        let response = self.host.send(request, context).await?;
        match classify::by_status(&response, context.clock.now()) {
            Ok(()) => Ok(Some(response)),
            // A 403 can also be a rate limit.
            Err(failure)
                if failure.class == FailureClass::Misconfigured
                    && missing.contains(&response.status.as_u16()) =>
            {
                Ok(None)
            }
            Err(failure) => Err(during("editing the comment", failure)),
        }
    }

    async fn create(
        &self,
        number: Number,
        comment: &NewComment<'_>,
        context: &AttemptContext<'_>,
    ) -> Result<(u64, HttpResponse), Failure> {
        let request = self.host.create(number, comment)?;
        let response = posted(self.host.send(request, context).await?, context)?;
        let written: Written = json(&response, context)?;
        Ok((written.id, response))
    }
}

/// The change request's number from the metadata (`providers-git.md`, githubpullrequestcomment).
/// Numbers begin at 1; under 0 GitHub lists the comments of the whole repository.
fn number_of(notification: &Notification) -> Result<Number, Failure> {
    let rejected = |text: String| Failure::new(FailureClass::Rejected, text);
    let Some(value) = notification.event.metadata.get("change_request") else {
        return Err(rejected(
            "missing \"change_request\" metadata key: set the annotation \
             event.toolkit.fluxcd.io/change_request to the number of the pull or merge request"
                .to_owned(),
        ));
    };
    let number: Option<i64> = value.parse().ok();
    number
        .and_then(|number| Number::try_from(number).ok())
        .filter(|number| *number > 0)
        .ok_or_else(|| {
            let shown: String = value.chars().take(64).collect();
            rejected(format!(
                "invalid \"change_request\" metadata value {shown:?}: expected a number from 1 on"
            ))
        })
}

#[cfg(test)]
mod tests {
    use api::{Event, ObjectKey};

    use super::*;

    fn number(value: Option<&str>) -> Result<Number, Failure> {
        let value = value.map(|value| ("change_request".to_owned(), value.to_owned()));
        number_of(&Notification {
            event: Event {
                metadata: value.into_iter().collect(),
                ..Event::default()
            },
            alert: ObjectKey::new("apps", "alert"),
            alert_uid: String::new(),
            commit_status: None,
            accepted_at: jiff::Timestamp::UNIX_EPOCH,
            idempotency_key: String::new(),
        })
    }

    #[test]
    fn a_change_request_is_a_number_from_one_on() {
        assert_eq!(number(Some("42")), Ok(42));
        assert_eq!(number(Some("+007")), Ok(7));
        assert_eq!(number(Some("9007199254740993")), Ok(9_007_199_254_740_993));
        for bad in ["", "0", "-1", " 1", "1.0", "abc", "9223372036854775808"] {
            let failure = number(Some(bad)).unwrap_err();
            assert_eq!(failure.class, FailureClass::Rejected, "{bad}");
            assert!(failure.detail.contains("invalid \"change_request\""));
        }
        let failure = number(None).unwrap_err();
        assert!(
            failure
                .detail
                .starts_with("missing \"change_request\" metadata key")
        );
    }
}
