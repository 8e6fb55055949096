//! String and bytes literals.

use super::{Lexer, TokenKind};
use crate::cel::error::CompileProblem;

/// The characters of a literal, as text or as bytes.
enum Content {
    Text(String),
    Bytes(Vec<u8>),
}

impl Lexer<'_> {
    /// Reads a string or bytes literal if one starts here.
    pub(super) fn string(&mut self) -> Result<Option<TokenKind>, CompileProblem> {
        let after_b = self.rest.strip_prefix(['b', 'B']);
        let after_r = after_b.unwrap_or(self.rest).strip_prefix(['r', 'R']);
        let quoted = after_r.or(after_b).unwrap_or(self.rest);
        let Some(quote) = quoted.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
            return Ok(None);
        };
        for _ in 0..usize::from(after_b.is_some()) + usize::from(after_r.is_some()) {
            self.next();
        }
        let long = if quote == '"' { "\"\"\"" } else { "'''" };
        let is_long = self.skip(long);
        if !is_long {
            self.next();
        }
        let mut content = match after_b {
            Some(_) => Content::Bytes(Vec::new()),
            None => Content::Text(String::new()),
        };
        loop {
            if is_long && self.skip(long) {
                break;
            }
            match self.next().ok_or(CompileProblem::UnterminatedString)? {
                end if end == quote && !is_long => break,
                '\n' | '\r' if !is_long => return Err(CompileProblem::UnterminatedString),
                '\r' => {
                    // Line ends in long strings are all the same.
                    self.skip("\n");
                    content.push('\n');
                }
                '\\' if after_r.is_none() => self.escape(&mut content)?,
                character => content.push(character),
            }
        }
        Ok(Some(match content {
            Content::Text(text) => TokenKind::String(text),
            Content::Bytes(bytes) => TokenKind::Bytes(bytes),
        }))
    }

    fn escape(&mut self, content: &mut Content) -> Result<(), CompileProblem> {
        let letter = self.next().ok_or(CompileProblem::UnterminatedString)?;
        let character = match letter {
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            '"' | '\'' | '\\' | '?' | '`' => letter,
            'x' | 'X' => {
                let code = self.code(16, 2)?;
                return content.push_code(code);
            }
            '0'..='3' => {
                let code = letter.to_digit(8).unwrap_or(0) * 64 + self.code(8, 2)?;
                return content.push_code(code);
            }
            'u' if matches!(content, Content::Text(_)) => {
                char::from_u32(self.code(16, 4)?).ok_or(CompileProblem::UnknownEscape)?
            }
            'U' if matches!(content, Content::Text(_)) => {
                char::from_u32(self.code(16, 8)?).ok_or(CompileProblem::UnknownEscape)?
            }
            _ => return Err(CompileProblem::UnknownEscape),
        };
        content.push(character);
        Ok(())
    }

    fn code(&mut self, radix: u32, digits: u32) -> Result<u32, CompileProblem> {
        let mut code: u32 = 0;
        for _ in 0..digits {
            let digit = self.next().and_then(|c| c.to_digit(radix));
            let digit = digit.ok_or(CompileProblem::UnknownEscape)?;
            code = code.wrapping_mul(radix).wrapping_add(digit);
        }
        Ok(code)
    }
}

impl Content {
    fn push(&mut self, character: char) {
        match self {
            Content::Text(text) => text.push(character),
            Content::Bytes(bytes) => {
                bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
    }

    /// Adds a code below 256: a code point in text, a byte in bytes.
    fn push_code(&mut self, code: u32) -> Result<(), CompileProblem> {
        let byte = u8::try_from(code).map_err(|_| CompileProblem::UnknownEscape)?;
        match self {
            Content::Text(text) => text.push(char::from(byte)),
            Content::Bytes(bytes) => bytes.push(byte),
        }
        Ok(())
    }
}
