//! Calls that were kept because the API server was away: tried again until they succeed or are too
//! old.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use api::ObjectReference;
use domain::delivery::retry::later;
use domain::ports::KeepError;
use domain::receiver::kept::{CONTENT_LIMIT, KeptCall, next_try};
use futures::FutureExt;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::answer::Hooks;
use crate::reconcile::{self, Report};
use crate::table::Service;

/// Calls that are tried at once.
const BATCH: usize = 20;
/// How old a call is when its Receiver counts as gone.
const GONE: Duration = Duration::from_mins(10);
/// How often it is looked for calls that are due.
const PERIOD: Duration = Duration::from_secs(2);

/// What of a call is stored. Never a path or a token.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Content {
    /// What filters need to see.
    Call {
        /// What was sent.
        payload: Value,
        /// The claims of its token.
        claims: Option<Value>,
    },
    /// An object that the filters let through.
    #[serde(with = "reference")]
    Object(ObjectReference),
}

impl Content {
    /// As text; `None` if that is too long to be kept.
    pub(crate) fn to_json(&self) -> Option<String> {
        let text = serde_json::to_string(self).ok()?;
        (text.len() <= CONTENT_LIMIT).then_some(text)
    }
}

mod reference {
    use api::ObjectReference;
    use serde::{Deserialize, Deserializer, Serialize as _, Serializer};

    pub(super) fn serialize<S: Serializer>(
        object: &ObjectReference,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        [
            &object.api_version,
            &object.kind,
            &object.namespace,
            &object.name,
        ]
        .serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<ObjectReference, D::Error> {
        let [api_version, kind, namespace, name] = <[String; 4]>::deserialize(deserializer)?;
        Ok(ObjectReference {
            api_version,
            kind,
            namespace,
            name,
            ..ObjectReference::default()
        })
    }
}

impl Hooks {
    /// Tries kept calls again, until told to stop.
    pub async fn try_kept_calls(self: Arc<Self>, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        loop {
            if let Err(error) = self.try_due_calls().await {
                tracing::warn!(logger = "receiver-server", %error, "reading kept calls failed");
            }
            tokio::select! {
                () = &mut stop => return,
                () = tokio::time::sleep(PERIOD) => {}
            }
        }
    }

    /// Tries those that are due.
    pub async fn try_due_calls(&self) -> Result<(), KeepError> {
        for call in self.kept().due_calls(self.clock().now(), BATCH).await? {
            let now = self.clock().now();
            let trying = AssertUnwindSafe(self.try_call(&call, now)).catch_unwind();
            // One that panics must not keep those behind it from being tried.
            let outcome = trying.await.unwrap_or(Some(false));
            self.settle(&call, outcome, now).await?;
        }
        Ok(())
    }

    /// Whether it is done; `None` if nobody wants it any more.
    async fn try_call(&self, call: &KeptCall, now: Timestamp) -> Option<bool> {
        let found = self.table().get(&call.receiver, now);
        match &found {
            // Right after a start not every Receiver may be known.
            None if !self.table().is_complete() || now < later(call.accepted_at, GONE) => {
                Some(false)
            }
            // It is gone, or another one has its name.
            None => None,
            Some(found) if found.receiver.uid != call.receiver_uid => None,
            Some(found) if found.service != Service::Ready => Some(false),
            Some(found) => {
                let report = match parse(call) {
                    Some(Content::Object(object)) => {
                        self.reconciler().run_object(&found.receiver, object).await
                    }
                    Some(Content::Call { payload, claims }) => {
                        let content = reconcile::Content { payload, claims };
                        self.reconciler().run(&found.receiver, Some(content)).await
                    }
                    // It was kept when there were no filters; with filters it cannot be judged.
                    None if found.receiver.has_filters() => Report::default(),
                    None => self.reconciler().run(&found.receiver, None).await,
                };
                Some(report.unavailable == 0)
            }
        }
    }

    async fn settle(
        &self,
        call: &KeptCall,
        outcome: Option<bool>,
        now: Timestamp,
    ) -> Result<(), KeepError> {
        let say = |words: &str| {
            tracing::info!(
                logger = "receiver-server",
                "reconciler kind" = "Receiver",
                name = call.receiver.name,
                namespace = call.receiver.namespace,
                attempts = call.attempts + 1,
                "{words}"
            );
        };
        match outcome {
            Some(false) => match next_try(call.accepted_at, call.attempts, now) {
                Some(until) => return self.kept().postpone(call.id, until).await,
                None => say("a kept call is too old and was given up"),
            },
            Some(true) => say("a kept call was answered for"),
            None => say("a kept call was dropped: its Receiver is gone"),
        }
        self.kept().forget(call.id).await
    }
}

fn parse(call: &KeptCall) -> Option<Content> {
    serde_json::from_str(call.content.as_deref()?).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_kept_can_be_read_again() {
        for content in [
            Content::Call {
                payload: json!({"ref": "main"}),
                claims: None,
            },
            Content::Object(ObjectReference {
                api_version: "a/v1".to_owned(),
                kind: "K".to_owned(),
                namespace: "ns".to_owned(),
                name: "n".to_owned(),
                ..ObjectReference::default()
            }),
        ] {
            let text = content.to_json().unwrap();
            assert_eq!(serde_json::from_str::<Content>(&text).unwrap(), content);
        }
    }

    #[test]
    fn what_is_too_long_is_not_kept() {
        let content = Content::Call {
            payload: json!("x".repeat(CONTENT_LIMIT)),
            claims: None,
        };
        assert_eq!(content.to_json(), None);
    }
}
