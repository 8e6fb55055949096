//! Providers against recordings, fixtures and real servers.

#![cfg(test)]

mod bench;
mod commit_status;
mod conformance;
mod courier;
mod every_kind;
mod fixtures;
mod github_api;
mod github_app;
mod render;
mod servers;
