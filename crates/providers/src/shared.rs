//! What more than one type needs, one file each.

pub(crate) mod address;
pub(crate) mod token_cache;
pub(crate) mod truncate;
