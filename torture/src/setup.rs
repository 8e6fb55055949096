//! What the faults of a round ask for before its target starts.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use crate::destination::Role;
use crate::fault::Outage;
use crate::mount::Mount;

/// Everything about a round that is decided before it begins.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// Folder of the round, for whatever a fault needs on disk.
    pub(crate) folder: PathBuf,
    /// Destinations besides [`Role::Steady`], which is always there.
    pub(crate) roles: BTreeSet<Role>,
    /// Environment of the target's process.
    pub(crate) environment: Vec<(String, OsString)>,
    /// Libraries to load into the target's process before all others (`LD_PRELOAD`).
    pub(crate) preload: Vec<PathBuf>,
    /// Further arguments of the target.
    pub(crate) arguments: Vec<String>,
    /// What it takes to cut the power of the first process; only where a fault does so.
    pub(crate) outage: Option<Arc<Outage>>,
    /// File systems that are there for the round.
    pub(crate) mounts: Vec<Arc<Mount>>,
    /// How many processes of the target.
    pub(crate) replicas: usize,
    /// Events per second, of all lanes together.
    pub(crate) rate: u32,
    /// Objects whose events are sent, each by a connection of its own.
    pub(crate) lanes: u32,
}

impl Setup {
    /// What a round has when no fault asks for more.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            roles: BTreeSet::from([Role::Steady]),
            environment: Vec::new(),
            preload: Vec::new(),
            arguments: Vec::new(),
            outage: None,
            mounts: Vec::new(),
            replicas: 1,
            rate: 200,
            lanes: 16,
        }
    }
}
