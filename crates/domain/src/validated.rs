//! The result of checking what a user wrote.

use api::Problem;

/// A usable value, if there is one, and everything that is wrong with what was written.
///
/// Both can be there: an Alert with one broken expression still works without it.
#[derive(Clone, Debug)]
pub struct Validated<T> {
    /// The value, unless the problems make it unusable.
    pub value: Option<T>,
    /// All problems, not the first.
    pub problems: Vec<Problem>,
}
