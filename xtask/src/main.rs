//! Our automation, in Rust: `cargo xtask` lists what it can do.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool talks through its standard streams"
)]

mod codegen;
mod examples;
mod fanfare;
mod quickstart;
mod sbom;
mod tidy;
mod tree;

use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "\
Usage: cargo xtask COMMAND

  quickstart        start fanfare with a local receiver, send an event, show the message
  sink [PORT]       print what arrives at http://127.0.0.1:PORT (8888), until Ctrl-C
  tidy              check the rules of the house: layers, sizes, names, links
  codegen [--check] write docs/reference and generated parts of deploy, or fail if out of date
  sbom FILE [TARGET] write the bill of materials of the program, for the host unless a target is named
  examples          run `fanfare check` over every manifest in documents and examples
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["tidy"] => tidy::run(),
        ["codegen"] => codegen::run(codegen::Mode::Write),
        ["codegen", "--check"] => codegen::run(codegen::Mode::Check),
        ["examples"] => examples::run(),
        ["sbom", file] => sbom::run(None, Path::new(file)),
        ["sbom", file, target] => sbom::run(Some(target), Path::new(file)),
        ["quickstart"] => quickstart::run(),
        ["sink"] => quickstart::sink::run(quickstart::sink::DEFAULT_PORT),
        ["sink", port] => match port.parse() {
            Ok(port) => quickstart::sink::run(port),
            Err(_) => return usage(),
        },
        ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => return usage(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprint!("{USAGE}");
    ExitCode::from(2)
}
