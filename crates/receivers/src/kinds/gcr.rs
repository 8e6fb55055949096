//! Notifications of Google Artifact Registry (and Container Registry), pushed by Pub/Sub.
//!
//! The push subscription must authenticate: Google then signs a token for an audience and with a service account that you choose, and both are checked.
//!
//! | Field | Use |
//! |---|---|
//! | Secret key `token` | makes the path; must not be empty |
//! | Secret key `audience` | the subscription's audience, compared exactly (required) |
//! | Secret key `email` | the subscription's service account (required) |
//! | `events` | ignored |
//! | `resourceFilter`, `filter` | see `req.action`, `req.digest` and `req.tag` of the message, empty where it lacks them |
//!
//! [Google's page on authenticated push](https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions) shows how to set it up.
//!
//! ```yaml
//! apiVersion: notification.toolkit.fluxcd.io/v1
//! kind: Receiver
//! metadata:
//!   name: gcr
//!   namespace: flux-system
//! spec:
//!   type: gcr
//!   secretRef:
//!     name: hook-token
//!   resources:
//!     - kind: ImageRepository
//!       name: app
//!   resourceFilter: req.action == 'INSERT'
//! ```

use crate::kind::{Proof, Reading, ReceiverKind};

pub(crate) const KIND: ReceiverKind = ReceiverKind {
    name: "gcr",
    title: "Google Artifact Registry through Pub/Sub",
    proof: Proof::Google,
    reading: Reading::PubSub,
    event: None,
    delivery: &[],
    page: include_str!("gcr.rs"),
};
