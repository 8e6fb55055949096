//! Webhooks of Bitbucket Server and Data Center, and of Bitbucket Cloud with a webhook secret.
//!
//! The header `X-Hub-Signature` signs the body with the shared token.
//! The button that tests the connection gets 200.
//!
//! | Field | Use |
//! |---|---|
//! | Secret key `token` | the webhook's secret, used exactly as stored, and part of the path; must not be empty |
//! | `events` | values of `X-Event-Key`, such as `repo:refs_changed` or `repo:push`; empty takes all; others are answered 200 and do nothing |
//! | `resourceFilter`, `filter` | see the payload as `req` |
//!
//! [Atlassian's page on event payloads](https://confluence.atlassian.com/bitbucketserver/event-payload-938025882.html) lists events and payloads.
//!
//! ```yaml
//! apiVersion: notification.toolkit.fluxcd.io/v1
//! kind: Receiver
//! metadata:
//!   name: bitbucket
//!   namespace: flux-system
//! spec:
//!   type: bitbucket
//!   events: ["repo:refs_changed"]
//!   secretRef:
//!     name: hook-token
//!   resources:
//!     - kind: GitRepository
//!       name: app
//! ```

use crate::kind::{Proof, Reading, ReceiverKind};

pub(crate) const KIND: ReceiverKind = ReceiverKind {
    name: "bitbucket",
    title: "Bitbucket Server, Data Center and Cloud",
    proof: Proof::Signature(&["X-Hub-Signature-256", "X-Hub-Signature"]),
    reading: Reading::JsonOrForm,
    event: Some("X-Event-Key"),
    delivery: &["X-Request-Id", "X-Request-UUID"],
    page: include_str!("bitbucket.rs"),
};
