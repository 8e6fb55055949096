//! The Kubernetes mode against an API server that does what a script says.

#![cfg(test)]

mod bench;
mod fake_kube;
mod receivers;
mod requests;
mod secrets;
mod statuses;
mod watching;
