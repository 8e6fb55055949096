//! Webhooks of GitLab projects and groups, and system hooks.
//!
//! GitLab sends the shared token itself in `X-Gitlab-Token`, so use HTTPS.
//!
//! | Field | Use |
//! |---|---|
//! | Secret key `token` | the webhook's secret token, compared exactly, and part of the path; must not be empty |
//! | `events` | values of `X-Gitlab-Event`, such as `Push Hook`; empty takes all; others are answered 200 and do nothing |
//! | `resourceFilter`, `filter` | see the payload as `req` |
//!
//! [GitLab's page on webhook events](https://docs.gitlab.com/user/project/integrations/webhook_events/) lists events and payloads.
//!
//! ```yaml
//! apiVersion: notification.toolkit.fluxcd.io/v1
//! kind: Receiver
//! metadata:
//!   name: gitlab
//!   namespace: flux-system
//! spec:
//!   type: gitlab
//!   events: ["Push Hook", "Tag Push Hook"]
//!   secretRef:
//!     name: hook-token
//!   resources:
//!     - kind: GitRepository
//!       name: app
//! ```

use crate::kind::{Proof, Reading, ReceiverKind};

pub(crate) const KIND: ReceiverKind = ReceiverKind {
    name: "gitlab",
    title: "GitLab",
    proof: Proof::Token("X-Gitlab-Token"),
    reading: Reading::Anything,
    event: Some("X-Gitlab-Event"),
    delivery: &["X-Gitlab-Event-UUID"],
    page: include_str!("gitlab.rs"),
};
