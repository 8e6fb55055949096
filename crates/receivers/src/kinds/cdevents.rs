//! [CDEvents](https://cdevents.dev) of CI and CD systems, in the binary mode of CloudEvents, which is not signed: the path is the only secret.
//!
//! | Field | Use |
//! |---|---|
//! | Secret key `token` | makes the path; must not be empty |
//! | `events` | values of the header `Ce-Type`; empty takes all; others are answered 200 and do nothing |
//! | `resourceFilter`, `filter` | see the whole event as `req`, fields that the specification does not know included |
//!
//! The body must be a valid CDEvent of version 0.4.1 of the specification, with a type that it knows or a custom one (`dev.cdeventsx…`).
//! Each event is checked for itself; nothing of one is remembered for the next.
//!
//! ```yaml
//! apiVersion: notification.toolkit.fluxcd.io/v1
//! kind: Receiver
//! metadata:
//!   name: cdevents
//!   namespace: flux-system
//! spec:
//!   type: cdevents
//!   events: ["dev.cdevents.change.merged.0.2.0"]
//!   secretRef:
//!     name: hook-token
//!   resources:
//!     - kind: GitRepository
//!       name: app
//! ```

use crate::kind::{Proof, Reading, ReceiverKind};

pub(crate) const KIND: ReceiverKind = ReceiverKind {
    name: "cdevents",
    title: "CDEvents",
    proof: Proof::Path,
    reading: Reading::CdEvent,
    event: Some("Ce-Type"),
    delivery: &["Ce-Id"],
    page: include_str!("cdevents.rs"),
};
