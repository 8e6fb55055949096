//! Facts remembered in the store, as the port that providers ask.

use std::sync::Arc;

use domain::ports::Memory;
use futures::future::BoxFuture;

use crate::store::Store;

/// What [`Store::recall`] knows. A store that cannot be read knows nothing, and callers then ask the
/// service instead.
pub struct StoreMemory(pub Arc<dyn Store>);

impl Memory for StoreMemory {
    fn recall<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Option<String>> {
        Box::pin(async move {
            match self.0.recall(key).await {
                Ok(value) => value,
                Err(error) => {
                    tracing::warn!(%error, "reading remembered facts failed");
                    None
                }
            }
        })
    }
}
