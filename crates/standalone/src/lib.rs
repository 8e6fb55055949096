//! Configuration from a folder of manifests: the standalone mode.
//!
//! A [`Source`] names the folders, [`directory::read`] reads them into a [`Configuration`] and lists
//! every problem, [`Current`] answers questions about the one in force, and [`Watch`] follows
//! changes. One broken object, file or folder never takes another one down.

pub mod configuration;
pub mod directory;
pub mod ports;
pub mod watch;

pub use configuration::{Configuration, Counts, FileProblem};
pub use directory::Source;
pub use ports::Current;
pub use watch::{Reload, Timing, Watch};
