//! Something that is wrong with what a user wrote, and how to put it right.

use std::fmt;

/// Whether the object can still be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The object works, but not as its author may think.
    Warning,
    /// The object cannot be used.
    Error,
}

/// One thing the user can fix: where, what, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Whether the object can still be used.
    pub severity: Severity,
    /// Field path inside the object, such as `spec.eventSources[0].kind`; empty for the whole object.
    pub path: String,
    /// What is wrong: lower case, no full stop, never a secret value.
    pub message: String,
    /// How to fix it, when there is something useful to say.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem that makes the object unusable.
    pub fn error(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            path: path.into(),
            message: message.into(),
            hint: None,
        }
    }

    /// A problem that leaves the object usable.
    pub fn warning(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(path, message)
        }
    }

    /// Adds advice.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Whether the object cannot be used because of this.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(formatter, "{}: ", self.path)?;
        }
        formatter.write_str(&self.message)
    }
}
