//! Regular expressions in the syntax of RE2, as Go's `regexp` package understands it.
//!
//! A pattern either means exactly what it means in Go or is refused with a [`PatternError`]. One
//! difference is inherent: the contents of `\p{…}` classes and case folding follow the Unicode
//! version of the tables at hand (16), where Go's are at 15.
//!
//! [`Pattern::compile`] checks everything, including that the automaton fits its size limit, and keeps
//! no automaton: an idle pattern costs its source, its [required
//! literals](Pattern::required_literals) and about a hundred bytes. The first
//! [`Pattern::is_match`] builds it and keeps it, so test the literals first when there are
//! thousands of patterns. Matching takes time linear in the text.

mod classes;
mod error;
mod literals;
mod names;
mod parser;
mod size;

use std::fmt;
use std::sync::{Arc, OnceLock};

use regex_automata::meta;
use regex_syntax::hir::Hir;

pub use error::{PatternError, PatternProblem};

/// Longest pattern, in bytes.
const SOURCE_LIMIT: usize = 64 * 1024;
/// Largest automaton (an NFA, in bytes).
const AUTOMATON_LIMIT: usize = 1024 * 1024;
/// Memory that one searching thread may use for states it discovers.
const SEARCH_CACHE_LIMIT: usize = 256 * 1024;
/// Searches that keep their scratch memory for the next one.
const POOLED_SEARCHES: usize = 2;
/// Bytes of automaton that count as one unit of work per byte of text. Small automata count as none:
/// they take a nanosecond.
const BYTES_PER_WORK_UNIT: usize = 16 * 1024;

/// A compiled regular expression; cheap to clone.
#[derive(Clone)]
pub struct Pattern {
    inner: Arc<Inner>,
}

struct Inner {
    source: Box<str>,
    required_literals: Option<Box<[String]>>,
    work_per_byte: u64,
    automaton: OnceLock<Option<meta::Regex>>,
}

impl Pattern {
    /// Compiles `source`; what is accepted here will also match later without failing.
    pub fn compile(source: &str) -> Result<Pattern, PatternError> {
        if source.len() > SOURCE_LIMIT {
            return Err(PatternError::new(
                0,
                PatternProblem::SourceTooLong(SOURCE_LIMIT),
            ));
        }
        let hir = parser::parse(source)?;
        let work = if size::is_surely_small(&hir) {
            0
        } else {
            let automaton = build(&hir).ok_or_else(|| {
                PatternError::new(0, PatternProblem::AutomatonTooLarge(AUTOMATON_LIMIT))
            })?;
            automaton.memory_usage() / BYTES_PER_WORK_UNIT
        };
        let required_literals = literals::required(&hir).map(Vec::into_boxed_slice);
        Ok(Pattern {
            inner: Arc::new(Inner {
                source: source.into(),
                required_literals,
                work_per_byte: u64::try_from(work).unwrap_or(u64::MAX),
                automaton: OnceLock::new(),
            }),
        })
    }

    /// Tells whether the pattern matches anywhere in `text`.
    pub fn is_match(&self, text: &str) -> bool {
        let automaton = self.inner.automaton.get_or_init(|| {
            // The same steps succeeded in `compile`, or the automaton is too small for them to fail;
            // they depend on nothing but the source.
            parser::parse(&self.inner.source)
                .ok()
                .and_then(|hir| build(&hir))
        });
        automaton
            .as_ref()
            .is_some_and(|automaton| automaton.is_match(text))
    }

    /// Returns the pattern as it was written.
    pub fn source(&self) -> &str {
        &self.inner.source
    }

    /// Returns literals of which at least one occurs in every matching text, if such a set is known.
    ///
    /// At most 16, each at least 3 bytes long, compared byte by byte (case matters). `None` means
    /// that nothing can be said and the pattern has to be tried.
    pub fn required_literals(&self) -> Option<Vec<String>> {
        self.inner
            .required_literals
            .as_ref()
            .map(|literals| literals.to_vec())
    }

    /// Returns how much work one byte of text may be at worst, in the units of a CEL budget.
    pub(crate) fn work_per_byte(&self) -> u64 {
        self.inner.work_per_byte
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Pattern")
            .field(&self.inner.source)
            .finish()
    }
}

/// Builds the automaton, or `None` if it would exceed its limit.
fn build(hir: &Hir) -> Option<meta::Regex> {
    let config = meta::Config::new()
        .which_captures(regex_automata::nfa::thompson::WhichCaptures::None)
        .nfa_size_limit(Some(AUTOMATON_LIMIT))
        .hybrid_cache_capacity(SEARCH_CACHE_LIMIT)
        .pool_capacity(POOLED_SEARCHES)
        .onepass(false)
        .dfa(false);
    meta::Builder::new()
        .configure(config)
        .build_from_hir(hir)
        .ok()
}

#[cfg(test)]
mod tests;
