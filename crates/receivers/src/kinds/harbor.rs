//! Webhooks of Harbor, in its default payload format.
//!
//! Harbor sends the whole value of its field "Auth Header" as `Authorization`, so use HTTPS.
//!
//! | Field | Use |
//! |---|---|
//! | Secret key `token` | what the whole `Authorization` header must be, compared exactly, and part of the path; must not be empty |
//! | `events` | ignored; choose events in Harbor, or with a filter on `req.type` |
//! | `resourceFilter`, `filter` | see the payload as `req` |
//!
//! [Harbor's page on webhooks](https://goharbor.io/docs/latest/working-with-projects/project-configuration/configure-webhooks/) describes the payload.
//!
//! ```yaml
//! apiVersion: notification.toolkit.fluxcd.io/v1
//! kind: Receiver
//! metadata:
//!   name: harbor
//!   namespace: flux-system
//! spec:
//!   type: harbor
//!   secretRef:
//!     name: hook-token
//!   resources:
//!     - kind: ImageRepository
//!       name: app
//!   resourceFilter: req.type == 'PUSH_ARTIFACT'
//! ```

use crate::kind::{Proof, Reading, ReceiverKind};

pub(crate) const KIND: ReceiverKind = ReceiverKind {
    name: "harbor",
    title: "Harbor",
    proof: Proof::Token("Authorization"),
    reading: Reading::Anything,
    event: None,
    delivery: &[],
    page: include_str!("harbor.rs"),
};
