//! Configuration from the objects of a Kubernetes cluster, and what we write back to them.
//!
//! A sibling of the standalone mode: it feeds the same catalog and answers the same ports.

mod client;
mod cluster;
mod finalizers;
mod follower;
mod labels;
pub mod lease;
mod looks;
mod members;
mod object;
mod receivers;
mod reconcile_requests;
mod recorder;
mod requests;
mod resource;
mod resources;
mod secrets;
mod service_accounts;
mod status;
mod suspects;
mod token_review;
mod watch;
mod world;

pub use client::{Client, ConnectError, connect};
pub use cluster::{Cluster, Companions, Settings};
pub use follower::{Timing, Update};
pub use labels::Labels;
pub use lease::{Election, ElectionSettings};
pub use looks::{LookObserver, LookResult, LookedAt};
pub use members::Members;
pub use receivers::ReceiverUpdate;
pub use reconcile_requests::ReconcileRequests;
pub use requests::RequestObserver;
pub use resource::Scope;
pub use resources::MetadataReader;
pub use secrets::Secrets;
pub use service_accounts::ServiceAccounts;
pub use token_review::{AccountError, AllowedAccount, TokenReviewer};
