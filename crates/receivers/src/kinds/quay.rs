//! Repository notifications of Quay as webhook POSTs, which are not signed: the path is the only secret.
//!
//! | Field | Use |
//! |---|---|
//! | Secret key `token` | makes the path; must not be empty |
//! | `events` | ignored |
//! | `resourceFilter`, `filter` | see the payload as `req`, such as `'v1.2.3' in req.updated_tags` |
//!
//! The body must be a JSON object; `docker_url` is a string and `updated_tags` a list of strings where they are there.
//! [Quay's page on notifications](https://docs.quay.io/guides/notifications.html) shows the payload.
//!
//! ```yaml
//! apiVersion: notification.toolkit.fluxcd.io/v1
//! kind: Receiver
//! metadata:
//!   name: quay
//!   namespace: flux-system
//! spec:
//!   type: quay
//!   secretRef:
//!     name: hook-token
//!   resources:
//!     - kind: ImageRepository
//!       name: app
//! ```

use crate::json::Shape;
use crate::kind::{Proof, Reading, ReceiverKind};

pub(crate) const KIND: ReceiverKind = ReceiverKind {
    name: "quay",
    title: "Quay",
    proof: Proof::Path,
    reading: Reading::First(Shape::Object(&[
        ("docker_url", Shape::Text),
        ("updated_tags", Shape::Texts),
    ])),
    event: None,
    delivery: &[],
    page: include_str!("quay.rs"),
};
