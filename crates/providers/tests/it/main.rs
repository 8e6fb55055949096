//! Providers against recordings, fixtures and real servers.

mod conformance;
