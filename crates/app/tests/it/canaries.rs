//! A canary run: a secret that can be recognised is planted in every place where there may be one, for
//! every provider type, deliveries fail in every way they can, and then everything that anybody but the
//! destination gets to see is searched.

mod listener;
mod panics;
pub(crate) mod places;
pub(crate) mod plant;
mod standalone;
