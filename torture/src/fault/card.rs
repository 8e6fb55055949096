//! What is known about a fault before it strikes.

use crate::compiler;
use crate::mount::Mount;
use crate::plan::Rhythm;
use crate::target::controller;

/// What is said of targets other than ours.
const NO_PROMISE: &str = "promises nothing about its disk";

/// Everything that is said about a fault.
#[derive(Clone, Debug)]
pub(crate) struct Card {
    /// Its name on the command line and in reports: lower case, words joined by `-`.
    pub(crate) name: &'static str,
    /// What it does, in one line.
    pub(crate) about: &'static str,
    /// How often it strikes and for how long.
    pub(crate) rhythm: Rhythm,
    /// What must be there.
    pub(crate) needs: Needs,
    /// Whether it can strike together with others.
    pub(crate) mixes: bool,
}

impl Card {
    /// A fault that any target can have, together with others.
    pub(crate) fn new(name: &'static str, about: &'static str, rhythm: Rhythm) -> Self {
        Self {
            name,
            about,
            rhythm,
            needs: Needs::Nothing,
            mixes: true,
        }
    }

    /// It needs this.
    pub(crate) fn needs(self, needs: Needs) -> Self {
        Self { needs, ..self }
    }

    /// It is always alone.
    pub(crate) fn alone(self) -> Self {
        Self {
            mixes: false,
            ..self
        }
    }
}

/// What a fault needs of target and machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    Nothing,
    /// Something that only Fanfare has; what is said of others.
    Fanfare(&'static str),
    /// A target that asks the C library for the time.
    Clock,
    /// The disk shim, and a target that promises something about its disk.
    DiskShim,
    /// A file system of its own to be mounted, and the same promise.
    Mount,
    /// A target that runs in a cluster.
    Cluster,
}

impl Needs {
    /// Whether a target of this name on this machine has it; if not, the reason.
    pub(crate) fn fit(self, target: &str) -> Result<(), String> {
        let of_fanfare = |others: &str| {
            let is_fanfare = target == "fanfare";
            let reason = || format!("{target} {others}");
            is_fanfare.then_some(()).ok_or_else(reason)
        };
        match self {
            Self::Nothing => Ok(()),
            Self::Fanfare(others) => of_fanfare(others),
            Self::Clock if target == "alertmanager" => Err(
                "programs in Go ask the kernel for the time, not the C library, so the library \
                 that moves the clock is not asked"
                    .to_owned(),
            ),
            Self::Clock => compiler::is_there(),
            Self::DiskShim => of_fanfare(NO_PROMISE).and_then(|()| compiler::is_there()),
            Self::Mount => of_fanfare(NO_PROMISE).and_then(|()| Mount::is_possible()),
            Self::Cluster => of_fanfare("does not follow objects of an API server")
                .and_then(|()| controller::is_possible()),
        }
    }
}
