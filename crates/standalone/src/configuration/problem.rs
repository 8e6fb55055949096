//! A problem with the place in the file it is at.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use api::Problem;
use api::manifest::Position;

/// One thing the user can fix, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileProblem {
    /// The file or folder.
    pub file: Arc<Path>,
    /// Line and column, unless the file as a whole is meant.
    pub position: Option<Position>,
    /// The object, such as `Alert flux-system/on-call`.
    pub object: Option<String>,
    /// What is wrong.
    pub problem: Problem,
}

impl fmt::Display for FileProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:", self.file.display())?;
        if let Some(position) = self.position {
            write!(formatter, "{position}:")?;
        }
        if let Some(object) = &self.object {
            write!(formatter, " {object}:")?;
        }
        write!(formatter, " {}", self.problem)?;
        match &self.problem.hint {
            Some(hint) => write!(formatter, " ({hint})"),
            None => Ok(()),
        }
    }
}
