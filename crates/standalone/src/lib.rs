//! Configuration from a folder of manifests.
