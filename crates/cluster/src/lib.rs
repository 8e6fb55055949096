//! Configuration from the objects of a Kubernetes cluster, and what we write back to them.

mod client;

pub use client::{Client, ConnectError, connect};
