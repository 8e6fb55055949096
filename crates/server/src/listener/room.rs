//! How many connections a port may have: its own, which no other port can take, and those that all
//! ports have in common.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections that go to whichever port has more than its own.
#[derive(Clone, Debug)]
pub struct CommonRoom(Arc<Semaphore>);

impl CommonRoom {
    /// Room for so many connections.
    pub fn new(connections: usize) -> Self {
        Self(Arc::new(Semaphore::new(connections)))
    }

    /// The room of a port that has `own` connections for itself, and can have those in common.
    pub fn with(&self, own: usize) -> Room {
        Room {
            own: Arc::new(Semaphore::new(own)),
            common: self.0.clone(),
        }
    }
}

/// The room of one port.
#[derive(Clone, Debug)]
pub struct Room {
    own: Arc<Semaphore>,
    common: Arc<Semaphore>,
}

impl Room {
    /// Waits for room for one connection, the port's own first; it is free again when the permit is
    /// dropped. `None` cannot be, since nobody closes a room.
    pub(super) async fn enter(&self) -> Option<OwnedSemaphorePermit> {
        let (own, common) = (self.own.clone(), self.common.clone());
        tokio::select! {
            biased;
            permit = own.acquire_owned() => permit,
            permit = common.acquire_owned() => permit,
        }
        .ok()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    /// As many as can enter without waiting.
    fn fill(room: &Room) -> Vec<OwnedSemaphorePermit> {
        let enter = || room.enter().now_or_never().flatten();
        std::iter::from_fn(enter).collect()
    }

    #[test]
    fn a_full_port_leaves_the_others_what_is_theirs() {
        let common = CommonRoom::new(10);
        let (flooded, other) = (common.with(2), common.with(3));
        let mut flood = fill(&flooded);
        assert_eq!(flood.len(), 12);
        assert_eq!(fill(&other).len(), 3);
        // What the flood gives back goes to whoever comes.
        flood.truncate(8);
        assert_eq!(fill(&other).len(), 7);
        assert_eq!(fill(&flooded).len(), 4);
    }

    #[test]
    fn a_port_takes_its_own_first() {
        let common = CommonRoom::new(1);
        let (first, second) = (common.with(1), common.with(0));
        let own = first.enter().now_or_never().flatten();
        assert_eq!(fill(&second).len(), 1);
        drop(own);
    }
}
