//! Providers against recordings, fixtures and real servers.

#![cfg(test)]

mod alertmanager;
mod any_event;
mod bench;
mod chat;
mod comments;
mod commit_status;
mod conformance;
mod courier;
mod every_kind;
mod fixtures;
mod github_api;
mod github_app;
mod identities;
mod incidents;
mod otel;
mod platforms;
mod render;
mod servers;
