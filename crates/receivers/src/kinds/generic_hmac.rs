//! A caller that signs its body with the shared token.
//!
//! The header `X-Signature` holds `<algorithm>=<hex>`, an HMAC of the exact bytes of the body; algorithms are `sha1`, `sha256` and `sha512`.
//! `--receiver-refuse-sha1` refuses the first.
//!
//! | Field | Use |
//! |---|---|
//! | Secret key `token` | the HMAC key, used exactly as stored, and part of the path; must not be empty |
//! | `events` | ignored |
//! | `resourceFilter`, `filter` | see the body as `req` if its `Content-Type` is `application/json` |
//!
//! `printf '{}' | openssl dgst -sha256 -hmac TOKEN` computes a signature.
//!
//! ```yaml
//! apiVersion: notification.toolkit.fluxcd.io/v1
//! kind: Receiver
//! metadata:
//!   name: generic-hmac
//!   namespace: flux-system
//! spec:
//!   type: generic-hmac
//!   secretRef:
//!     name: hook-token
//!   resources:
//!     - kind: GitRepository
//!       name: app
//! ```

use crate::kind::{Proof, Reading, ReceiverKind};

pub(crate) const KIND: ReceiverKind = ReceiverKind {
    name: "generic-hmac",
    title: "Any caller that signs",
    proof: Proof::Signature(&["X-Signature"]),
    reading: Reading::Anything,
    event: None,
    delivery: &[],
    page: include_str!("generic_hmac.rs"),
};
