//! Parses RE2 syntax, with the rules of Go's `regexp` package, into a [`Hir`].
//!
//! Nothing here calls itself: open groups live on an explicit stack. The height of the result is
//! limited, so that those who walk it may recurse.
//!
//! Groups and greediness leave no trace in the result: it only serves to tell whether there is a
//! match.

use regex_syntax::hir::{Class, ClassUnicode, Dot, Hir, Look, Repetition};

use super::classes::Classes;
use super::error::{PatternError, PatternProblem};

mod escapes;

/// Height of the syntax tree, as Go counts it.
const HEIGHT_LIMIT: u32 = 1000;
/// Height of the result, which has no groups; whoever walks it recurses. Stricter than Go, which
/// would take nested repetitions and alternations up to its own limit.
const RESULT_HEIGHT_LIMIT: u32 = 50;
/// Largest repetition count, also of nested repetitions multiplied.
const REPETITION_LIMIT: u32 = 1000;

/// Parses a whole pattern.
pub(super) fn parse(source: &str) -> Result<Hir, PatternError> {
    let mut parser = Parser::new(source);
    match parser.run() {
        Ok(hir) => Ok(hir),
        Err(problem) => {
            let consumed = source.len().saturating_sub(parser.token.len());
            let offset = source
                .char_indices()
                .take_while(|&(start, _)| start < consumed)
                .count();
            Err(PatternError::new(offset, problem))
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Flags {
    fold: bool,
    multi_line: bool,
    dot_all: bool,
}

/// Something that can be repeated.
struct Piece {
    hir: Hir,
    height: u32,
    result_height: u32,
    /// The largest product of counts over repetitions nested in it.
    repetitions: u32,
}

impl Piece {
    fn leaf(hir: Hir) -> Self {
        Self {
            hir,
            height: 1,
            result_height: 1,
            repetitions: 1,
        }
    }
}

/// An open group, or the whole pattern.
struct Group {
    flags_outside: Flags,
    captures: bool,
    alternatives: Vec<Piece>,
    sequence: Vec<Piece>,
}

impl Group {
    fn new(flags_outside: Flags, captures: bool) -> Self {
        Self {
            flags_outside,
            captures,
            alternatives: Vec::new(),
            sequence: Vec::new(),
        }
    }
}

struct Parser<'s> {
    /// What is still to be read.
    rest: &'s str,
    /// The source from the current token on, to say where a problem is.
    token: &'s str,
    flags: Flags,
    outer: Vec<Group>,
    group: Group,
    classes: Classes,
}

type Result<T, E = PatternProblem> = std::result::Result<T, E>;

impl<'s> Parser<'s> {
    fn new(source: &'s str) -> Self {
        Self {
            rest: source,
            token: source,
            flags: Flags::default(),
            outer: Vec::new(),
            group: Group::new(Flags::default(), false),
            classes: Classes::default(),
        }
    }

    fn run(&mut self) -> Result<Hir> {
        let mut after_repetition = false;
        while let Some(character) = self.start_token() {
            let mut repetition = None;
            match character {
                '(' => self.open_group()?,
                ')' => self.close_group()?,
                '|' => {
                    let piece = join(std::mem::take(&mut self.group.sequence), Hir::concat)?;
                    self.group.alternatives.push(piece);
                }
                '^' if self.flags.multi_line => self.push(Hir::look(Look::StartLF)),
                '^' => self.push(Hir::look(Look::Start)),
                '$' if self.flags.multi_line => self.push(Hir::look(Look::EndLF)),
                '$' => self.push(Hir::look(Look::End)),
                '.' if self.flags.dot_all => self.push(Hir::dot(Dot::AnyChar)),
                '.' => self.push(Hir::dot(Dot::AnyCharExceptLF)),
                '[' => {
                    let class = self.bracketed_class()?;
                    self.push(Hir::class(Class::Unicode(class)));
                }
                '*' => repetition = Some((0, None)),
                '+' => repetition = Some((1, None)),
                '?' => repetition = Some((0, Some(1))),
                '{' => match self.counts()? {
                    Some((minimum, maximum)) => repetition = Some((minimum, maximum)),
                    None => self.literal('{')?,
                },
                '\\' => self.escape()?,
                other => self.literal(other)?,
            }
            if let Some((minimum, maximum)) = repetition {
                // The lazy form matches the same texts.
                self.skip('?');
                if after_repetition {
                    return Err(PatternProblem::RepeatedRepetition);
                }
                self.repeat(minimum, maximum)?;
            }
            after_repetition = repetition.is_some();
        }
        if !self.outer.is_empty() {
            return Err(PatternProblem::UnclosedGroup);
        }
        let whole = std::mem::replace(&mut self.group, Group::new(self.flags, false));
        Ok(finish(whole)?.hir)
    }

    /// Reads the first character of a token.
    fn start_token(&mut self) -> Option<char> {
        self.token = self.rest;
        self.next()
    }

    fn next(&mut self) -> Option<char> {
        let mut characters = self.rest.chars();
        let character = characters.next()?;
        self.rest = characters.as_str();
        Some(character)
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn skip(&mut self, expected: char) -> bool {
        match self.rest.strip_prefix(expected) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn push(&mut self, hir: Hir) {
        self.group.sequence.push(Piece::leaf(hir));
    }

    fn literal(&mut self, character: char) -> Result<()> {
        if self.flags.fold {
            let class = self.classes.range(character, character, true)?;
            self.push(Hir::class(Class::Unicode(class)));
        } else {
            let mut buffer = [0; 4];
            let bytes = character.encode_utf8(&mut buffer).as_bytes();
            self.push(Hir::literal(bytes));
        }
        Ok(())
    }

    fn open_group(&mut self) -> Result<()> {
        let mut captures = true;
        let mut flags_inside = self.flags;
        if self.skip('?') {
            let name = self
                .rest
                .strip_prefix("P<")
                .or_else(|| self.rest.strip_prefix('<'));
            if let Some(name) = name {
                let (name, rest) = name.split_once('>').ok_or(PatternProblem::GroupName)?;
                if name.is_empty() || !name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric()) {
                    return Err(PatternProblem::GroupName);
                }
                self.rest = rest;
            } else {
                captures = false;
                let (flags, opens) = self.flag_list()?;
                if !opens {
                    self.flags = flags;
                    return Ok(());
                }
                flags_inside = flags;
            }
        }
        let group = Group::new(self.flags, captures);
        self.outer.push(std::mem::replace(&mut self.group, group));
        self.flags = flags_inside;
        Ok(())
    }

    /// Reads the flags after `(?`; also tells whether a group opens (`:`) or they stand alone (`)`).
    fn flag_list(&mut self) -> Result<(Flags, bool)> {
        let mut flags = self.flags;
        let mut value = true;
        let mut flag_expected = false;
        loop {
            match self.next().ok_or(PatternProblem::UnknownGroup)? {
                'i' => flags.fold = value,
                'm' => flags.multi_line = value,
                's' => flags.dot_all = value,
                // Swaps greedy and lazy, which match the same texts.
                'U' => {}
                '-' if value => {
                    value = false;
                    flag_expected = true;
                    continue;
                }
                end @ (':' | ')') if !flag_expected => return Ok((flags, end == ':')),
                _ => return Err(PatternProblem::UnknownGroup),
            }
            flag_expected = false;
        }
    }

    fn close_group(&mut self) -> Result<()> {
        let outer = self.outer.pop().ok_or(PatternProblem::UnopenedGroup)?;
        let group = std::mem::replace(&mut self.group, outer);
        self.flags = group.flags_outside;
        let piece = finish(group)?;
        self.group.sequence.push(piece);
        Ok(())
    }

    /// Reads `n}`, `n,}` or `n,m}`; `None` if it is something else, and the brace is a literal.
    fn counts(&mut self) -> Result<Option<(u32, Option<u32>)>> {
        let start = self.rest;
        let counts = self.well_formed_counts();
        let Some((minimum, maximum)) = counts else {
            self.rest = start;
            return Ok(None);
        };
        let ordered = maximum.is_none_or(|maximum| minimum <= maximum);
        if minimum > REPETITION_LIMIT || maximum.unwrap_or(0) > REPETITION_LIMIT || !ordered {
            return Err(PatternProblem::RepetitionCount);
        }
        Ok(Some((minimum, maximum)))
    }

    fn well_formed_counts(&mut self) -> Option<(u32, Option<u32>)> {
        let minimum = self.count()?;
        let mut maximum = Some(minimum);
        if self.skip(',') {
            maximum = if self.peek() == Some('}') {
                None
            } else {
                Some(self.count()?)
            };
        }
        self.skip('}').then_some((minimum, maximum))
    }

    /// Reads a number without leading zeros, cut off at `u32::MAX`.
    fn count(&mut self) -> Option<u32> {
        let digits: &str = {
            let end = self
                .rest
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(self.rest.len());
            let (digits, rest) = self.rest.split_at_checked(end)?;
            self.rest = rest;
            digits
        };
        if digits.is_empty() || (digits.len() > 1 && digits.starts_with('0')) {
            return None;
        }
        Some(digits.parse().unwrap_or(u32::MAX))
    }

    fn repeat(&mut self, minimum: u32, maximum: Option<u32>) -> Result<()> {
        let piece = self
            .group
            .sequence
            .pop()
            .ok_or(PatternProblem::NothingToRepeat)?;
        let repetitions = match (minimum, maximum) {
            (_, Some(0)) => 1,
            (minimum, None) => piece.repetitions.saturating_mul(minimum.max(1)),
            (_, Some(maximum)) => piece.repetitions.saturating_mul(maximum),
        };
        if repetitions > REPETITION_LIMIT {
            return Err(PatternProblem::RepetitionCount);
        }
        let height = deeper(piece.height, HEIGHT_LIMIT)?;
        let result_height = deeper(piece.result_height, RESULT_HEIGHT_LIMIT)?;
        let hir = Hir::repetition(Repetition {
            min: minimum,
            max: maximum,
            greedy: true,
            sub: Box::new(piece.hir),
        });
        self.group.sequence.push(Piece {
            hir,
            height,
            result_height,
            repetitions,
        });
        Ok(())
    }

    /// Reads what follows a `[`.
    fn bracketed_class(&mut self) -> Result<ClassUnicode> {
        let negated = self.skip('^');
        let mut class = ClassUnicode::empty();
        let mut first = true;
        while first || !self.skip(']') {
            first = false;
            let item = match self.class_item()? {
                Some(item) => item,
                None => self.class_range()?,
            };
            class.union(&item);
        }
        if negated {
            class.negate();
        }
        self.classes.counted(class)
    }

    /// Reads `[:name:]`, `\pN` or `\d` inside a class.
    fn class_item(&mut self) -> Result<Option<ClassUnicode>> {
        if let Some((name, rest)) = self
            .rest
            .strip_prefix("[:")
            .and_then(|after| after.split_once(":]"))
        {
            let class = self.classes.posix(name, self.flags.fold)?;
            self.rest = rest;
            return Ok(Some(class));
        }
        let Some(escape) = self.rest.strip_prefix('\\') else {
            return Ok(None);
        };
        let mut characters = escape.chars();
        match characters.next() {
            Some(letter @ ('p' | 'P')) => {
                self.rest = characters.as_str();
                self.unicode_class(letter == 'P').map(Some)
            }
            Some(letter) => {
                let class = self.classes.perl(letter, self.flags.fold)?;
                if class.is_some() {
                    self.rest = characters.as_str();
                }
                Ok(class)
            }
            None => Ok(None),
        }
    }

    /// Reads a single character or a range inside a class.
    fn class_range(&mut self) -> Result<ClassUnicode> {
        let low = self.class_character()?;
        let mut high = low;
        let mut after_dash = self.rest.strip_prefix('-').unwrap_or_default().chars();
        if after_dash.next().is_some_and(|end| end != ']') {
            self.skip('-');
            high = self.class_character()?;
            if high < low {
                return Err(PatternProblem::ReversedRange);
            }
        }
        self.classes.range(low, high, self.flags.fold)
    }

    fn class_character(&mut self) -> Result<char> {
        match self.next().ok_or(PatternProblem::UnclosedClass)? {
            '\\' => self.escaped_character(),
            character => Ok(character),
        }
    }
}

fn finish(mut group: Group) -> Result<Piece> {
    let last = join(group.sequence, Hir::concat)?;
    group.alternatives.push(last);
    let mut piece = join(group.alternatives, Hir::alternation)?;
    if group.captures {
        piece.height = deeper(piece.height, HEIGHT_LIMIT)?;
    }
    Ok(piece)
}

fn join(mut pieces: Vec<Piece>, combine: fn(Vec<Hir>) -> Hir) -> Result<Piece> {
    if pieces.len() == 1
        && let Some(only) = pieces.pop()
    {
        return Ok(only);
    }
    let highest = |height: fn(&Piece) -> u32| pieces.iter().map(height).max().unwrap_or(0);
    let height = deeper(highest(|piece| piece.height), HEIGHT_LIMIT)?;
    let result_height = deeper(highest(|piece| piece.result_height), RESULT_HEIGHT_LIMIT)?;
    let repetitions = pieces
        .iter()
        .map(|piece| piece.repetitions)
        .max()
        .unwrap_or(1);
    let hir = combine(pieces.into_iter().map(|piece| piece.hir).collect());
    Ok(Piece {
        hir,
        height,
        result_height,
        repetitions,
    })
}

fn deeper(height: u32, limit: u32) -> Result<u32> {
    if height >= limit {
        return Err(PatternProblem::NestedTooDeep(limit));
    }
    Ok(height + 1)
}
