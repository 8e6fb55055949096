//! The crate against real files.

#![cfg(test)]

mod clock;
mod every_store;
mod lanes;
mod panics;
mod setting;
mod sqlite;
