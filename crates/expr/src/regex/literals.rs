//! Finds literals that every matching text must contain.
//!
//! For each part of a pattern it tracks the complete list of texts the part matches, while that is
//! short, and else a list of literals of which one must occur. Both only ever err on the side of
//! knowing nothing.

use regex_syntax::hir::{Class, Hir, HirKind};

/// Most literals of a set.
const SET_LIMIT: usize = 16;
/// Shortest literal worth looking for, in bytes.
const SHORTEST: usize = 3;
/// Longest literal, in bytes; longer ones are cut into several.
const LONGEST: usize = 64;

/// Returns literals of which at least one occurs in every text that `hir` matches.
pub(super) fn required(hir: &Hir) -> Option<Vec<String>> {
    let set = analyse(hir).into_required()?;
    let mut literals = Vec::with_capacity(set.len());
    for bytes in set {
        literals.push(String::from_utf8(bytes).ok()?);
    }
    literals.sort_unstable();
    literals.dedup();
    Some(literals)
}

type Set = Vec<Vec<u8>>;

/// What is known about a part of a pattern.
enum Known {
    /// It matches these texts and no others.
    Exactly(Set),
    /// What it matches contains one of these.
    Contains(Set),
    Nothing,
}

impl Known {
    fn into_required(self) -> Option<Set> {
        match self {
            Known::Exactly(set) | Known::Contains(set) => is_useful(&set).then_some(set),
            Known::Nothing => None,
        }
    }
}

fn analyse(hir: &Hir) -> Known {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Known::Exactly(vec![Vec::new()]),
        HirKind::Literal(literal) => Known::Exactly(vec![literal.0.to_vec()]),
        HirKind::Class(class) => class_texts(class).map_or(Known::Nothing, Known::Exactly),
        HirKind::Capture(capture) => analyse(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min == 0 => Known::Nothing,
        HirKind::Repetition(repetition) => match analyse(&repetition.sub) {
            // One round of several: what it matches is contained in the whole.
            Known::Exactly(set) | Known::Contains(set) => Known::Contains(set),
            Known::Nothing => Known::Nothing,
        },
        HirKind::Concat(parts) => concat(parts),
        HirKind::Alternation(alternatives) => alternation(alternatives),
    }
}

fn class_texts(class: &Class) -> Option<Set> {
    let Class::Unicode(class) = class else {
        return None;
    };
    let mut texts = Set::new();
    for range in class.ranges() {
        for character in range.start()..=range.end() {
            if texts.len() == SET_LIMIT {
                return None;
            }
            texts.push(character.to_string().into_bytes());
        }
    }
    // A class without characters never matches; claiming nothing is always right.
    (!texts.is_empty()).then_some(texts)
}

fn concat(parts: &[Hir]) -> Known {
    let mut best: Option<Set> = None;
    let mut current: Set = vec![Vec::new()];
    let mut complete = true;
    for part in parts {
        match analyse(part) {
            Known::Exactly(set) => {
                if let Some(joined) = product(&current, &set) {
                    current = joined;
                } else {
                    complete = false;
                    keep_better(&mut best, std::mem::replace(&mut current, set));
                }
            }
            Known::Contains(set) => {
                complete = false;
                keep_better(&mut best, std::mem::replace(&mut current, vec![Vec::new()]));
                keep_better(&mut best, set);
            }
            Known::Nothing => {
                complete = false;
                keep_better(&mut best, std::mem::replace(&mut current, vec![Vec::new()]));
            }
        }
    }
    if complete {
        return Known::Exactly(current);
    }
    keep_better(&mut best, current);
    best.map_or(Known::Nothing, Known::Contains)
}

fn alternation(alternatives: &[Hir]) -> Known {
    let mut complete = true;
    let mut union = Set::new();
    for alternative in alternatives {
        let set = match analyse(alternative) {
            Known::Exactly(set) => set,
            Known::Contains(set) => {
                complete = false;
                set
            }
            Known::Nothing => return Known::Nothing,
        };
        for text in set {
            if !union.contains(&text) {
                union.push(text);
            }
        }
        if union.len() > SET_LIMIT {
            return Known::Nothing;
        }
    }
    if complete {
        Known::Exactly(union)
    } else {
        Known::Contains(union)
    }
}

/// Returns every text of `left` followed by every text of `right`, while that stays small.
fn product(left: &Set, right: &Set) -> Option<Set> {
    if left.len().saturating_mul(right.len()) > SET_LIMIT {
        return None;
    }
    let mut joined = Set::with_capacity(left.len() * right.len());
    for first in left {
        for second in right {
            if first.len() + second.len() > LONGEST && !first.is_empty() {
                return None;
            }
            joined.push([first.as_slice(), second.as_slice()].concat());
        }
    }
    Some(joined)
}

fn keep_better(best: &mut Option<Set>, candidate: Set) {
    if !is_useful(&candidate) {
        return;
    }
    // Long literals and few of them make the best filter.
    let rank = |set: &Set| (shortest(set), usize::MAX - set.len());
    if best
        .as_ref()
        .is_none_or(|best| rank(&candidate) > rank(best))
    {
        *best = Some(candidate);
    }
}

fn is_useful(set: &Set) -> bool {
    !set.is_empty() && set.len() <= SET_LIMIT && shortest(set) >= SHORTEST
}

fn shortest(set: &Set) -> usize {
    set.iter().map(Vec::len).min().unwrap_or(0)
}
