//! What more than one type needs, one file each.

pub mod address;
pub mod token_cache;
