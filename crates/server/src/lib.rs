//! HTTP: events, health, metrics, control.
