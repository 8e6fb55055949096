//! `fanfare controller` against a real API server.

mod door;
mod guide;
mod healing;
mod outages;
mod permissions;
mod poison;
mod setting;
