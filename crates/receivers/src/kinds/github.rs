//! Webhooks of GitHub, and of Gitea and Forgejo, which send the same headers.
//!
//! The header `X-Hub-Signature-256` signs the body with the shared token; `X-Hub-Signature` counts where the first is missing.
//! Both content types that GitHub offers work: `application/json`, and `application/x-www-form-urlencoded`, whose field `payload` is what filters see.
//! A delivery that GitHub repeats, with the same `X-GitHub-Delivery` and body, is recognised and does nothing the second time.
//!
//! | Field | Use |
//! |---|---|
//! | Secret key `token` | the webhook's secret, used exactly as stored, and part of the path; must not be empty |
//! | `events` | values of `X-GitHub-Event`; empty takes all; others are answered 200 and do nothing |
//! | `resourceFilter`, `filter` | see the payload as `req` |
//!
//! [GitHub's page on webhooks](https://docs.github.com/en/webhooks/webhook-events-and-payloads) lists events and payloads.
//!
//! ```yaml
//! apiVersion: notification.toolkit.fluxcd.io/v1
//! kind: Receiver
//! metadata:
//!   name: github
//!   namespace: flux-system
//! spec:
//!   type: github
//!   events: ["ping", "push"]
//!   secretRef:
//!     name: hook-token
//!   resources:
//!     - kind: GitRepository
//!       name: app
//!   resourceFilter: req.ref == 'refs/heads/main'
//! ```

use crate::kind::{Proof, Reading, ReceiverKind};

pub(crate) const KIND: ReceiverKind = ReceiverKind {
    name: "github",
    title: "GitHub, Gitea, Forgejo",
    proof: Proof::Signature(&["X-Hub-Signature-256", "X-Hub-Signature"]),
    reading: Reading::JsonOrForm,
    event: Some("X-GitHub-Event"),
    delivery: &[
        "X-GitHub-Delivery",
        "X-Gitea-Delivery",
        "X-Forgejo-Delivery",
    ],
    page: include_str!("github.rs"),
};
