//! Power cuts: what may be on the disk after one at any moment of a recorded run.

pub(crate) mod disk;
pub(crate) mod fate;
mod file;
pub(crate) mod image;
mod names;
pub(crate) mod record;
