//! What is promised of expressions, checked from outside.

mod re2;
