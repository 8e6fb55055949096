//! Webhooks of Sonatype Nexus Repository.
//!
//! The header `X-Nexus-Webhook-Signature` holds the lower-case hexadecimal HMAC-SHA1 of the body; Nexus offers no other algorithm.
//!
//! | Field | Use |
//! |---|---|
//! | Secret key `token` | the webhook's secret key, used exactly as stored, and part of the path; must not be empty |
//! | `events` | ignored |
//! | `resourceFilter`, `filter` | see the payload as `req`, such as `req.repositoryName` |
//!
//! The body must be one JSON object; `action` and `repositoryName` are strings where they are there.
//! [Sonatype's page on webhooks](https://help.sonatype.com/en/working-with-hmac-payloads.html) shows how they are signed.
//!
//! ```yaml
//! apiVersion: notification.toolkit.fluxcd.io/v1
//! kind: Receiver
//! metadata:
//!   name: nexus
//!   namespace: flux-system
//! spec:
//!   type: nexus
//!   secretRef:
//!     name: hook-token
//!   resources:
//!     - kind: HelmRepository
//!       name: app
//! ```

use crate::json::Shape;
use crate::kind::{Proof, Reading, ReceiverKind};

pub(crate) const KIND: ReceiverKind = ReceiverKind {
    name: "nexus",
    title: "Sonatype Nexus",
    proof: Proof::PlainSha1("X-Nexus-Webhook-Signature"),
    reading: Reading::Whole(Shape::Object(&[
        ("action", Shape::Text),
        ("repositoryName", Shape::Text),
    ])),
    event: None,
    delivery: &["X-Nexus-Webhook-Delivery"],
    page: include_str!("nexus.rs"),
};
