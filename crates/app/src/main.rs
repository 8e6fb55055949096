//! The fanfare binary: settings, commands, wiring.

fn main() {}
