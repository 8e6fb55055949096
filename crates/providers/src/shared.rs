//! What more than one type needs, one file each.

pub(crate) mod address;
pub(crate) mod fit;
pub(crate) mod json_post;
pub(crate) mod mentions;
pub(crate) mod slack_message;
pub(crate) mod title;
pub(crate) mod token_cache;
pub(crate) mod truncate;
