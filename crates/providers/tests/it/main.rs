//! Providers against recordings, fixtures and real servers.

mod bench;
mod conformance;
mod fixtures;
