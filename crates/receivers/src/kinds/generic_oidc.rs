//! A caller that shows a token of an OIDC issuer, such as a job of GitHub Actions, GitLab CI or Forgejo Actions: no shared secret at all.
//!
//! The token comes as `Authorization: Bearer <token>`.
//! It must name a configured issuer and the audience, must not have expired, and must be signed with a key that the issuer publishes; then every validation must hold.
//! The issuer is asked for its keys when the first such token comes, and then at most once an hour, or twice a minute while unknown keys are named.
//!
//! | Field | Use |
//! |---|---|
//! | `oidcProviders[].issuerURL` | byte for byte the claim `iss` |
//! | `oidcProviders[].audience` | what `aud` must contain; default `notification-controller` |
//! | `oidcProviders[].variables` | named expressions over `claims` and earlier `vars` |
//! | `oidcProviders[].validations` | expressions that must be true, with the message for the log; at least one |
//! | `secretRef` | not allowed |
//! | `events` | ignored |
//! | `resourceFilter`, `filter` | see the claims as `claims`, the body as `req` |
//!
//! Validate who may call, not only that somebody may: every repository of a public Git host can get a token of its issuer.
//!
//! ```yaml
//! apiVersion: notification.toolkit.fluxcd.io/v1
//! kind: Receiver
//! metadata:
//!   name: ci
//!   namespace: flux-system
//! spec:
//!   type: generic-oidc
//!   oidcProviders:
//!     - issuerURL: https://token.actions.githubusercontent.com
//!       audience: fanfare
//!       validations:
//!         - expression: claims.repository == 'octo-org/app' && claims.ref == 'refs/heads/main'
//!           message: only the main branch of octo-org/app may call
//!   resources:
//!     - kind: OCIRepository
//!       name: app
//! ```

use crate::kind::{Proof, Reading, ReceiverKind};

pub(crate) const KIND: ReceiverKind = ReceiverKind {
    name: "generic-oidc",
    title: "CI job with an OIDC token",
    proof: Proof::Oidc,
    reading: Reading::Anything,
    event: None,
    delivery: &[],
    page: include_str!("generic_oidc.rs"),
};
