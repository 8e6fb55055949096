//! Power cuts: what may be on the disk after one at any moment of a recorded run.

mod cuts;
pub(crate) mod disk;
pub(crate) mod fate;
mod file;
pub(crate) mod image;
mod load;
mod names;
mod promises;
pub(crate) mod record;
pub(crate) mod recording;
pub(crate) mod run;
mod trial;
