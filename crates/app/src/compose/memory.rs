//! Facts remembered between deliveries, as long as nobody else delivers.

use delivery::StoreMemory;
use domain::ports::Memory;
use futures::future::BoxFuture;
use tokio::sync::watch;

/// What the store remembers, while this process is the only one that delivers. Another replica may
/// have posted since, so then nothing is remembered and the host is asked.
pub(super) struct MemoryWhileAlone {
    pub(super) memory: StoreMemory,
    pub(super) is_alone: watch::Receiver<bool>,
}

impl Memory for MemoryWhileAlone {
    fn recall<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Option<String>> {
        if *self.is_alone.borrow() {
            self.memory.recall(key)
        } else {
            Box::pin(std::future::ready(None))
        }
    }
}
