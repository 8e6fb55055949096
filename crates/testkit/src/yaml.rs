//! Manifests as JSON values, as the product reads them.

use serde_json::Value;

/// All objects of a text; panics on what is no manifest.
pub fn documents(text: &str) -> Vec<Value> {
    api::manifest::parse(text)
        .into_iter()
        .map(|document| match document {
            Ok(manifest) => manifest.object,
            Err(broken) => panic!("{broken:?}"),
        })
        .collect()
}
