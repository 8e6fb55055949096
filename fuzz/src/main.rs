//! Fuzzing on stable Rust: mutates seeds, runs targets, keeps what breaks them.
//!
//! There is no measure of coverage; instead targets say what an input showed, and inputs that showed
//! something new are changed further. Seeds are the kept corpus, real events, recorded manifests and
//! recorded expressions, and mutations know the notation of their target. Runs are random unless
//! `FUZZ_SEED` is set.

mod bench;
mod corpus;
mod driver;
mod features;
mod mutate;
mod seeds;
mod targets;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["list"] => {
            for target in targets::ALL {
                println!("{}", target.name);
            }
            Ok(true)
        }
        [way @ ("run" | "grow"), name, seconds] => match (targets::find(name), seconds.parse()) {
            (Some(target), Ok(seconds)) => {
                driver::run(target, Duration::from_secs(seconds), *way == "grow")
            }
            _ => return usage(),
        },
        ["replay", name, file] => match targets::find(name) {
            Some(target) => driver::replay(target, Path::new(file)),
            None => return usage(),
        },
        _ => return usage(),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: fuzz list | run TARGET SECONDS | grow TARGET SECONDS | replay TARGET FILE");
    ExitCode::from(2)
}
