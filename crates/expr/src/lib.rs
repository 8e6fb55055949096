//! What users program: CEL expressions and RE2 regular expressions.
//!
//! Both come from people who may be hostile. Nothing here does I/O, reads a clock or logs; no input
//! makes it panic, overflow a 2 MiB stack, or use memory or time beyond the stated limits.

pub mod cel;
pub mod regex;
