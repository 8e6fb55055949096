//! What users write: events, providers, alerts, secrets.
