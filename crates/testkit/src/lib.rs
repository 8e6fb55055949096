//! Fakes, fixtures and real sinks for tests. Never a product dependency.
