//! Chat services: their size limits, and what happens to a Provider that lacks something.

mod limits;
mod refusals;
