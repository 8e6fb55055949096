//! What we ship, tried on a real Kubernetes API server.

mod columns;
mod old_versions;
mod recorded;
mod switching;
