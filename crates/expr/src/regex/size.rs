//! Estimates the size of an automaton without building it.
//!
//! Building is most of the time that a pattern costs when configuration is read. The estimate only
//! ever errs on the side of building.

use regex_syntax::hir::{Class, Hir, HirKind};

/// Most states of an automaton that counts as small: it is far from every limit.
const SMALL: usize = 512;
/// States of one range of characters beyond ASCII at most: eight sequences of up to four bytes.
const STATES_PER_WIDE_RANGE: usize = 32;

/// Tells whether the automaton of a pattern is certainly small.
pub(super) fn is_surely_small(hir: &Hir) -> bool {
    states(hir) <= SMALL
}

/// An upper bound of the states.
fn states(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(literal) => literal.0.len(),
        HirKind::Class(Class::Bytes(class)) => class.ranges().len(),
        HirKind::Class(Class::Unicode(class)) => class
            .ranges()
            .iter()
            .map(|range| {
                if range.end().is_ascii() {
                    1
                } else {
                    STATES_PER_WIDE_RANGE
                }
            })
            .sum(),
        HirKind::Capture(capture) => states(&capture.sub).saturating_add(2),
        HirKind::Repetition(repetition) => {
            let most = repetition.max.unwrap_or(repetition.min.saturating_add(1));
            let rounds = usize::try_from(most).unwrap_or(usize::MAX);
            states(&repetition.sub)
                .saturating_add(2)
                .saturating_mul(rounds.max(1))
        }
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts
            .iter()
            .map(|part| states(part).saturating_add(1))
            .fold(0, usize::saturating_add),
    }
}
