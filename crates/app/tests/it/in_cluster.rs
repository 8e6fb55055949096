//! `fanfare controller` against a real API server.

mod canaries;
mod door;
mod guide;
mod healing;
mod lax_definitions;
mod outages;
mod permissions;
mod poison;
mod replicas;
mod setting;
mod webhooks;
