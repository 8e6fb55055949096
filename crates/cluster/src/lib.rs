//! Configuration from the objects of a Kubernetes cluster, and what we write back to them.

mod client;
pub mod lease;
mod members;
mod token_review;

pub use client::{Client, ConnectError, connect};
pub use lease::{Election, ElectionSettings};
pub use members::Members;
pub use token_review::{AccountError, AllowedAccount, TokenReviewer};
