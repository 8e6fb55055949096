//! Chat services: what they answer, their size limits, and Providers that lack something.

mod answers;
mod limits;
mod refusals;
