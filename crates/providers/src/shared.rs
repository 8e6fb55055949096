//! What more than one type needs, one file each.

pub(crate) mod address;
pub(crate) mod commit_status;
pub(crate) mod delivery_id;
pub(crate) mod fit;
pub(crate) mod git_repository;
pub(crate) mod github_app;
pub(crate) mod json_post;
pub(crate) mod line_stream;
pub(crate) mod mentions;
pub(crate) mod pages;
pub(crate) mod slack_message;
pub(crate) mod title;
pub(crate) mod token_cache;
pub(crate) mod truncate;
