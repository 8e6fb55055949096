//! `cargo xtask tidy`: the rules of the house, as far as a program can check them.
//!
//! Every check is a function from the [`Tree`] to findings, and has a test that shows it fail.

mod documents;
mod kinds;
mod layers;
mod rooms;
mod sizes;
mod sources;
mod traces;

use std::fmt;

use anyhow::{Result, bail};

use crate::tree::Tree;

/// Something that breaks a rule, or is about to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    path: String,
    line: Option<usize>,
    message: String,
    level: Level,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Warning,
    Error,
}

impl Finding {
    fn new(path: &str, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line: None,
            message: message.into(),
            level: Level::Error,
        }
    }

    /// `index` counts from 0.
    fn at_line(mut self, index: usize) -> Self {
        self.line = Some(index + 1);
        self
    }

    fn softened(mut self) -> Self {
        self.level = Level::Warning;
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Warning => "warning",
            Level::Error => "error",
        };
        write!(formatter, "{level}: {}", self.path)?;
        if let Some(line) = self.line {
            write!(formatter, ":{line}")?;
        }
        write!(formatter, ": {}", self.message)
    }
}

/// Runs all checks and prints what they found.
pub(crate) fn run() -> Result<()> {
    let tree = Tree::read()?;
    let packages = layers::read_packages()?;
    let mut findings = Vec::new();
    findings.extend(layers::check(&packages));
    findings.extend(layers::check_document(&tree));
    findings.extend(rooms::check(&packages));
    findings.extend(rooms::check_unused(&tree, &packages));
    findings.extend(sizes::check(&tree));
    findings.extend(sources::check(&tree));
    findings.extend(kinds::check(&tree));
    findings.extend(traces::check(&tree));
    findings.extend(documents::check(&tree));
    findings.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
    for finding in &findings {
        println!("{finding}");
    }
    let errors = findings
        .iter()
        .filter(|finding| finding.level == Level::Error)
        .count();
    let warnings = findings.len() - errors;
    if errors > 0 {
        bail!("tidy: {errors} errors, {warnings} warnings");
    }
    println!(
        "tidy: {} files in order, {warnings} warnings",
        tree.texts.len()
    );
    Ok(())
}
