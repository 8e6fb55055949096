//! What is promised of expressions, checked from outside.

mod cel;
mod re2;
