//! Load generator, sinks and recorded results.

fn main() {}
