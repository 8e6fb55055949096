//! How we dial out: one HTTP client, TLS, proxy, limits, redaction.
