//! Anybody who knows the path can trigger it: a script, a CI job, a service without signatures.
//!
//! The path is the only secret, so treat the address like a password, and prefer `generic-hmac` or `generic-oidc` where the caller can sign.
//!
//! | Field | Use |
//! |---|---|
//! | Secret key `token` | makes the path; must not be empty |
//! | `events` | ignored |
//! | `resourceFilter`, `filter` | see the body as `req` if its `Content-Type` is `application/json` |
//!
//! Any method and any body are accepted.
//!
//! ```yaml
//! apiVersion: notification.toolkit.fluxcd.io/v1
//! kind: Receiver
//! metadata:
//!   name: generic
//!   namespace: flux-system
//! spec:
//!   type: generic
//!   secretRef:
//!     name: hook-token
//!   resources:
//!     - kind: GitRepository
//!       name: app
//! ```

use crate::kind::{Proof, Reading, ReceiverKind};

pub(crate) const KIND: ReceiverKind = ReceiverKind {
    name: "generic",
    title: "Any caller",
    proof: Proof::Path,
    reading: Reading::Anything,
    event: None,
    delivery: &[],
    page: include_str!("generic.rs"),
};
