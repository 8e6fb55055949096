//! Our automation, in Rust.

fn main() {}
