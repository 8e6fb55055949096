//! What more than one type needs, one file each.

pub(crate) mod address;
pub(crate) mod answer;
pub(crate) mod authorization;
pub(crate) mod basic_pair;
pub(crate) mod comment;
pub(crate) mod commit_status;
pub(crate) mod delivery_id;
pub(crate) mod digest;
pub(crate) mod fit;
pub(crate) mod git_repository;
pub(crate) mod gitea_api;
pub(crate) mod github_api;
pub(crate) mod github_app;
pub(crate) mod gitlab_api;
pub(crate) mod incident;
pub(crate) mod json_post;
pub(crate) mod line_stream;
pub(crate) mod markdown_post;
pub(crate) mod mentions;
pub(crate) mod pages;
pub(crate) mod protobuf;
pub(crate) mod slack_message;
pub(crate) mod title;
pub(crate) mod token_cache;
pub(crate) mod truncate;
