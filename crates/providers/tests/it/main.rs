//! Providers against recordings, fixtures and real servers.

mod bench;
mod conformance;
mod courier;
mod every_kind;
mod fixtures;
