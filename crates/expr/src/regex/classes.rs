//! Sets of characters: the named ones, and case folding.

use std::collections::HashMap;
use std::sync::OnceLock;

use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, HirKind};

use super::error::PatternProblem;
use super::names;

/// Ranges that all classes of one pattern may have together.
const RANGE_LIMIT: usize = 100_000;

/// Characters whose other cases may be looked up for one pattern; each costs time.
const FOLDING_LIMIT: u32 = 300_000;

/// Makes classes for one pattern and counts their ranges.
#[derive(Default)]
pub(super) struct Classes {
    ranges: usize,
    folded: u32,
    named: HashMap<(String, bool), ClassUnicode>,
}

impl Classes {
    /// Returns the class of the characters from `low` to `high`, with their other cases if `fold`.
    pub(super) fn range(
        &mut self,
        low: char,
        high: char,
        fold: bool,
    ) -> Result<ClassUnicode, PatternProblem> {
        let mut class = ClassUnicode::new([ClassUnicodeRange::new(low, high)]);
        if fold {
            class = self.fold(class)?;
        }
        self.counted(class)
    }

    /// Returns the class behind `\d`, `\s`, `\w` and their negations, or `None` for other letters.
    pub(super) fn perl(
        &mut self,
        letter: char,
        fold: bool,
    ) -> Result<Option<ClassUnicode>, PatternProblem> {
        let ranges: &[(char, char)] = match letter.to_ascii_lowercase() {
            'd' => &[('0', '9')],
            // Unlike [[:space:]], without the vertical tab.
            's' => &[('\t', '\n'), ('\u{c}', '\r'), (' ', ' ')],
            'w' => &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')],
            _ => return Ok(None),
        };
        self.group(ranges, letter.is_ascii_uppercase(), fold)
            .map(Some)
    }

    /// Returns the class behind `[:name:]` or `[:^name:]`.
    pub(super) fn posix(&mut self, name: &str, fold: bool) -> Result<ClassUnicode, PatternProblem> {
        let (negated, bare) = match name.strip_prefix('^') {
            Some(bare) => (true, bare),
            None => (false, name),
        };
        let ranges: &[(char, char)] = match bare {
            "alnum" => &[('0', '9'), ('A', 'Z'), ('a', 'z')],
            "alpha" => &[('A', 'Z'), ('a', 'z')],
            "ascii" => &[('\0', '\u{7f}')],
            "blank" => &[('\t', '\t'), (' ', ' ')],
            "cntrl" => &[('\0', '\u{1f}'), ('\u{7f}', '\u{7f}')],
            "digit" => &[('0', '9')],
            "graph" => &[('!', '~')],
            "lower" => &[('a', 'z')],
            "print" => &[(' ', '~')],
            "punct" => &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
            "space" => &[('\t', '\r'), (' ', ' ')],
            "upper" => &[('A', 'Z')],
            "word" => &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')],
            "xdigit" => &[('0', '9'), ('A', 'F'), ('a', 'f')],
            _ => return Err(PatternProblem::UnknownClass(format!("[:{name}:]"))),
        };
        self.group(ranges, negated, fold)
    }

    /// Returns the class behind `\p{name}`; `negated` for `\P`.
    pub(super) fn unicode(
        &mut self,
        name: &str,
        negated: bool,
        fold: bool,
    ) -> Result<ClassUnicode, PatternProblem> {
        let (inner_negation, bare) = match name.strip_prefix('^') {
            Some(bare) => (true, bare),
            None => (false, name),
        };
        let key = (names::canonical(bare), fold);
        let mut class = if let Some(class) = self.named.get(&key) {
            class.clone()
        } else {
            let mut class = named(&key.0)
                .ok_or_else(|| PatternProblem::UnknownClass(format!("\\p{{{name}}}")))?;
            if fold {
                class = self.fold(class)?;
            }
            self.named.insert(key, class.clone());
            class
        };
        if negated != inner_negation {
            class.negate();
        }
        self.counted(class)
    }

    /// Takes `class` into account and hands it back.
    pub(super) fn counted(&mut self, class: ClassUnicode) -> Result<ClassUnicode, PatternProblem> {
        self.ranges = self.ranges.saturating_add(class.ranges().len());
        if self.ranges > RANGE_LIMIT {
            return Err(PatternProblem::ClassesTooLarge);
        }
        Ok(class)
    }

    /// Adds the other cases of the characters in `class`.
    fn fold(&mut self, mut class: ClassUnicode) -> Result<ClassUnicode, PatternProblem> {
        // Looking cases up takes time for every character, so only those that have cases are.
        let mut cased = class.clone();
        cased.intersect(with_cases());
        for range in cased.ranges() {
            let length = u32::from(range.end()).saturating_sub(u32::from(range.start()));
            self.folded = self.folded.saturating_add(length);
        }
        if self.folded > FOLDING_LIMIT {
            return Err(PatternProblem::ClassesTooLarge);
        }
        // Fails only without Unicode tables, which are always compiled in.
        cased
            .try_case_fold_simple()
            .map_err(|_| PatternProblem::ClassesTooLarge)?;
        class.union(&cased);
        Ok(class)
    }

    fn group(
        &mut self,
        ranges: &[(char, char)],
        negated: bool,
        fold: bool,
    ) -> Result<ClassUnicode, PatternProblem> {
        let ranges = ranges
            .iter()
            .map(|&(low, high)| ClassUnicodeRange::new(low, high));
        let mut class = ClassUnicode::new(ranges);
        if fold {
            class = self.fold(class)?;
        }
        if negated {
            class.negate();
        }
        self.counted(class)
    }
}

fn named(canonical: &str) -> Option<ClassUnicode> {
    match canonical {
        "Any" => return Some(ClassUnicode::new([ClassUnicodeRange::new('\0', char::MAX)])),
        "Ascii" => return Some(ClassUnicode::new([ClassUnicodeRange::new('\0', '\u{7f}')])),
        "Assigned" => {
            let mut class = table("gc=Cn")?;
            class.negate();
            return Some(class);
        }
        // Surrogates never occur in text.
        "Cs" | "Surrogate" => return Some(ClassUnicode::empty()),
        _ => {}
    }
    if names::is_category(canonical) {
        table(&format!("gc={canonical}"))
    } else if names::is_script(canonical) {
        table(&format!("sc={canonical}"))
    } else {
        None
    }
}

/// Returns all characters that have other cases, and some that have none.
fn with_cases() -> &'static ClassUnicode {
    static WITH_CASES: OnceLock<ClassUnicode> = OnceLock::new();
    WITH_CASES.get_or_init(|| {
        let everything = || ClassUnicode::new([ClassUnicodeRange::new('\0', char::MAX)]);
        let mut class = table("CWCF").unwrap_or_else(everything);
        class.union(&table("CWCM").unwrap_or_else(everything));
        class
    })
}

/// Looks a property up in the Unicode tables, which are reachable through the parser only.
fn table(property: &str) -> Option<ClassUnicode> {
    let hir = regex_syntax::parse(&format!("\\p{{{property}}}")).ok()?;
    match hir.into_kind() {
        HirKind::Class(Class::Unicode(class)) => Some(class),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::with_cases;

    #[test]
    fn characters_without_cases_fold_to_themselves() {
        let mut rest = with_cases().clone();
        rest.negate();
        let before = rest.clone();
        rest.try_case_fold_simple().unwrap();
        assert_eq!(rest, before);
        assert!(with_cases().ranges().len() > 100);
    }
}
