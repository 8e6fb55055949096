//! One attempt from end to end: find the Provider, read its Secrets, build, send, redact.
