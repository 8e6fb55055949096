//! Providers against recordings, fixtures and real servers.

#![cfg(test)]

mod bench;
mod conformance;
mod courier;
mod every_kind;
mod fixtures;
mod render;
