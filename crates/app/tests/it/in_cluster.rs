//! `fanfare controller` against a real API server.

mod canaries;
mod door;
mod guide;
mod healing;
mod lax_definitions;
mod outages;
mod own_role;
mod permissions;
mod poison;
mod replicas;
mod requests;
mod setting;
mod webhooks;
