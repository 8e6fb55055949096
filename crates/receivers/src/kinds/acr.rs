//! Webhooks of Azure Container Registry, which are not signed: the path is the only secret.
//!
//! | Field | Use |
//! |---|---|
//! | Secret key `token` | makes the path; must not be empty |
//! | `events` | ignored |
//! | `resourceFilter`, `filter` | see the payload as `req`, such as `req.action` and `req.target.repository` |
//!
//! The body must be a JSON object; `action`, `target.repository` and `target.tag` are strings where they are there.
//! [Microsoft's page on the webhook schema](https://learn.microsoft.com/azure/container-registry/container-registry-webhook-reference) shows the payload.
//!
//! ```yaml
//! apiVersion: notification.toolkit.fluxcd.io/v1
//! kind: Receiver
//! metadata:
//!   name: acr
//!   namespace: flux-system
//! spec:
//!   type: acr
//!   secretRef:
//!     name: hook-token
//!   resources:
//!     - kind: ImageRepository
//!       name: app
//!   resourceFilter: req.action == 'push'
//! ```

use crate::json::Shape;
use crate::kind::{Proof, Reading, ReceiverKind};

pub(crate) const KIND: ReceiverKind = ReceiverKind {
    name: "acr",
    title: "Azure Container Registry",
    proof: Proof::Path,
    reading: Reading::First(Shape::Object(&[
        ("action", Shape::Text),
        (
            "target",
            Shape::Object(&[("repository", Shape::Text), ("tag", Shape::Text)]),
        ),
    ])),
    event: None,
    delivery: &[],
    page: include_str!("acr.rs"),
};
