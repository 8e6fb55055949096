//! Webhooks of Docker Hub, which signs nothing: the path is the only secret.
//!
//! | Field | Use |
//! |---|---|
//! | Secret key `token` | makes the path; must not be empty |
//! | `events` | ignored |
//! | `resourceFilter`, `filter` | see the payload as `req`, such as `req.push_data.tag` |
//!
//! The body must be a JSON object; `push_data.tag` and `repository.repo_url` are strings where they are there.
//! [Docker's page on webhooks](https://docs.docker.com/docker-hub/repos/manage/webhooks/) shows the payload.
//!
//! ```yaml
//! apiVersion: notification.toolkit.fluxcd.io/v1
//! kind: Receiver
//! metadata:
//!   name: dockerhub
//!   namespace: flux-system
//! spec:
//!   type: dockerhub
//!   secretRef:
//!     name: hook-token
//!   resources:
//!     - kind: ImageRepository
//!       name: app
//! ```

use crate::json::Shape;
use crate::kind::{Proof, Reading, ReceiverKind};

pub(crate) const KIND: ReceiverKind = ReceiverKind {
    name: "dockerhub",
    title: "Docker Hub",
    proof: Proof::Path,
    reading: Reading::First(Shape::Object(&[
        ("push_data", Shape::Object(&[("tag", Shape::Text)])),
        ("repository", Shape::Object(&[("repo_url", Shape::Text)])),
    ])),
    event: None,
    delivery: &[],
    page: include_str!("dockerhub.rs"),
};
