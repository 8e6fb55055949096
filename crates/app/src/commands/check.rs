//! `fanfare check`: every problem of some manifests.

use std::process::ExitCode;

use providers::Directory;
use serde::Serialize;
use standalone::{FileProblem, Source, directory};

use crate::cli::{CheckArguments, Format};
use crate::output;

#[derive(Serialize)]
struct Report<'a> {
    severity: &'static str,
    file: String,
    line: Option<usize>,
    column: Option<usize>,
    object: Option<&'a str>,
    field: &'a str,
    message: &'a str,
    hint: Option<&'a str>,
}

pub(super) fn execute(arguments: &CheckArguments) -> anyhow::Result<ExitCode> {
    let source = Source {
        paths: arguments.paths.clone(),
        secrets: arguments.secrets.secrets_dir.clone(),
        ..Source::default()
    };
    let configuration = directory::read(&source, &Directory);
    let problems = configuration.problems();
    match arguments.format.output {
        Format::Json => {
            output::print_json(&problems.iter().map(report).collect::<Vec<_>>())?;
        }
        Format::Text => {
            for problem in problems {
                output::print_line(&text(problem))?;
            }
            let counts = configuration.counts();
            let receivers = match counts.receivers {
                0 => String::new(),
                number => format!("{number} receivers, "),
            };
            output::print_line(&format!(
                "{} files, {} providers, {} alerts, {receivers}{} secrets: {}",
                counts.files,
                counts.providers,
                counts.alerts,
                counts.secrets,
                verdict(problems.len())
            ))?;
        }
    }
    Ok(if problems.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(output::FAILED)
    })
}

fn verdict(problems: usize) -> String {
    match problems {
        0 => "no problems".to_owned(),
        1 => "1 problem".to_owned(),
        many => format!("{many} problems"),
    }
}

fn severity(problem: &FileProblem) -> &'static str {
    if problem.problem.is_error() {
        "error"
    } else {
        "warning"
    }
}

fn text(problem: &FileProblem) -> String {
    let mut plain = problem.clone();
    let hint = plain.problem.hint.take();
    let mut text = format!("{}: {plain}", severity(problem));
    if let Some(hint) = hint {
        text.push_str("\n  hint: ");
        text.push_str(&hint);
    }
    text
}

fn report(problem: &FileProblem) -> Report<'_> {
    Report {
        severity: severity(problem),
        file: problem.file.display().to_string(),
        line: problem.position.map(|position| position.line),
        column: problem.position.map(|position| position.column),
        object: problem.object.as_deref(),
        field: &problem.problem.path,
        message: &problem.problem.message,
        hint: problem.problem.hint.as_deref(),
    }
}
