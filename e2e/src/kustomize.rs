//! Renders manifests as a user does: with kustomize, which is part of `kubectl`.

use testkit::ControlPlane;

use crate::repository;

/// What `kubectl kustomize` makes of a folder of the repository.
pub fn render(plane: &ControlPlane, folder: &str) -> String {
    let folder = repository::path(folder).display().to_string();
    plane.stdout(&["kustomize", &folder])
}
