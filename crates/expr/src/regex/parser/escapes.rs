//! What a backslash starts.

use regex_syntax::hir::{Class, ClassUnicode, Hir, Look};

use super::{Parser, Result};
use crate::regex::error::PatternProblem;

impl Parser<'_> {
    /// Reads what follows a backslash outside a class.
    pub(super) fn escape(&mut self) -> Result<()> {
        let mut characters = self.rest.chars();
        let letter = characters.next().ok_or(PatternProblem::TrailingBackslash)?;
        let after = characters.as_str();
        let hir = match letter {
            'A' => Hir::look(Look::Start),
            'z' => Hir::look(Look::End),
            'b' => Hir::look(Look::WordAscii),
            'B' => Hir::look(Look::WordAsciiNegate),
            'Q' => {
                let (quoted, rest) = after.split_once("\\E").unwrap_or((after, ""));
                self.rest = rest;
                return quoted
                    .chars()
                    .try_for_each(|character| self.literal(character));
            }
            'p' | 'P' => {
                self.rest = after;
                let class = self.unicode_class(letter == 'P')?;
                self.push(Hir::class(Class::Unicode(class)));
                return Ok(());
            }
            _ => {
                let Some(class) = self.classes.perl(letter, self.flags.fold)? else {
                    let character = self.escaped_character()?;
                    return self.literal(character);
                };
                Hir::class(Class::Unicode(class))
            }
        };
        self.rest = after;
        self.push(hir);
        Ok(())
    }

    /// Reads the name after `\p` or `\P`.
    pub(super) fn unicode_class(&mut self, negated: bool) -> Result<ClassUnicode> {
        let name_start = self.rest;
        let first = self
            .next()
            .ok_or_else(|| PatternProblem::UnknownClass("\\p".to_owned()))?;
        let name = if first == '{' {
            let (name, rest) = self
                .rest
                .split_once('}')
                .ok_or(PatternProblem::UnclosedClassName)?;
            self.rest = rest;
            name
        } else {
            name_start.strip_suffix(self.rest).unwrap_or_default()
        };
        self.classes.unicode(name, negated, self.flags.fold)
    }

    /// Reads the rest of an escape that stands for one character.
    pub(super) fn escaped_character(&mut self) -> Result<char> {
        let letter = self.next().ok_or(PatternProblem::TrailingBackslash)?;
        let code = match letter {
            // A single digit would be a back reference.
            '1'..='7' if !self.peek().is_some_and(is_octal) => {
                return Err(PatternProblem::UnknownEscape);
            }
            '0'..='7' => self.octal(letter),
            'x' => self.hexadecimal()?,
            'a' => 0x07,
            'f' => 0x0c,
            'n' => 0x0a,
            'r' => 0x0d,
            't' => 0x09,
            'v' => 0x0b,
            other if other.is_ascii() && !other.is_ascii_alphanumeric() => return Ok(other),
            _ => return Err(PatternProblem::UnknownEscape),
        };
        char::from_u32(code).ok_or(if code <= u32::from(char::MAX) {
            PatternProblem::Surrogate
        } else {
            PatternProblem::UnknownEscape
        })
    }

    fn octal(&mut self, first: char) -> u32 {
        let mut code = first.to_digit(8).unwrap_or(0);
        for _ in 0..2 {
            let Some(digit) = self.peek().and_then(|character| character.to_digit(8)) else {
                break;
            };
            self.next();
            code = code * 8 + digit;
        }
        code
    }

    fn hexadecimal(&mut self) -> Result<u32> {
        if !self.skip('{') {
            let high = self.hexadecimal_digit()?;
            return Ok(high * 16 + self.hexadecimal_digit()?);
        }
        let mut code = self.hexadecimal_digit()?;
        while !self.skip('}') {
            code = code * 16 + self.hexadecimal_digit()?;
            if code > u32::from(char::MAX) {
                return Err(PatternProblem::UnknownEscape);
            }
        }
        Ok(code)
    }

    fn hexadecimal_digit(&mut self) -> Result<u32> {
        self.next()
            .and_then(|character| character.to_digit(16))
            .ok_or(PatternProblem::UnknownEscape)
    }
}

fn is_octal(character: char) -> bool {
    character.is_digit(8)
}
