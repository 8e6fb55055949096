//! How an object is called in messages.

use api::Event;

/// `kustomization/webapp.apps`: kind in lower case, name, namespace.
pub(crate) fn title(event: &Event) -> String {
    let object = &event.involved_object;
    format!(
        "{}/{}.{}",
        object.kind.to_lowercase(),
        object.name,
        object.namespace
    )
}
