//! Webhooks from the look-up of a path to the requests that follow, without sockets.

#![cfg(test)]

mod answers;
mod equal_work;
mod every_kind;
mod issuers;
mod payloads;
mod support;
