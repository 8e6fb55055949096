//! The client against real servers on the loopback interface.

#![cfg(test)]

mod certificates;
mod guard;
mod limits;
mod origin;
mod pooling;
mod proxies;
mod proxy_server;
mod redaction;
mod redirects;
mod setup;
mod tls;
