//! The event port over a real socket, on a real store.

mod event_port;
mod hostile;
mod support;
