//! Splits an expression into tokens.

use super::error::{CompileProblem, Located};

mod strings;

/// A token and the character it starts at.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) offset: u32,
    pub(super) kind: TokenKind,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum TokenKind {
    Identifier(String),
    /// Digits, sign not included.
    Int(u64),
    Uint(u64),
    Double(f64),
    String(String),
    Bytes(Vec<u8>),
    /// Operators, brackets, and the keywords `true`, `false`, `null`, `in`.
    Symbol(&'static str),
    End,
}

/// Longest first where one begins with another.
const SYMBOLS: &[&str] = &[
    "==", "!=", "<=", ">=", "&&", "||", "<", ">", "[", "]", "{", "}", "(", ")", ".", ",", "-", "!",
    "?", ":", "+", "*", "/", "%",
];

/// Returns all tokens, the last one being [`TokenKind::End`].
pub(super) fn tokens(source: &str) -> Result<Vec<Token>, Located> {
    let mut lexer = Lexer {
        rest: source,
        offset: 0,
    };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_space();
        let offset = lexer.offset;
        let kind = lexer
            .token()
            .map_err(|problem| Located::new(offset, problem))?;
        let done = kind == TokenKind::End;
        tokens.push(Token { offset, kind });
        if done {
            return Ok(tokens);
        }
    }
}

struct Lexer<'s> {
    rest: &'s str,
    offset: u32,
}

impl<'s> Lexer<'s> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let mut characters = self.rest.chars();
        let character = characters.next()?;
        self.rest = characters.as_str();
        self.offset = self.offset.saturating_add(1);
        Some(character)
    }

    fn skip(&mut self, text: &str) -> bool {
        let found = self.rest.starts_with(text);
        if found {
            for _ in text.chars() {
                self.next();
            }
        }
        found
    }

    /// Takes characters as long as they are wanted.
    fn take(&mut self, wanted: fn(char) -> bool) -> &'s str {
        let start = self.rest;
        while self.peek().is_some_and(wanted) {
            self.next();
        }
        start.strip_suffix(self.rest).unwrap_or_default()
    }

    fn skip_space(&mut self) {
        loop {
            self.take(|character| matches!(character, ' ' | '\t' | '\r' | '\n' | '\u{c}'));
            if !self.rest.starts_with("//") {
                return;
            }
            self.take(|character| character != '\n');
        }
    }

    fn token(&mut self) -> Result<TokenKind, CompileProblem> {
        let Some(first) = self.peek() else {
            return Ok(TokenKind::End);
        };
        let second_is_digit = self.rest.chars().nth(1).is_some_and(|c| c.is_ascii_digit());
        if first.is_ascii_digit() || (first == '.' && second_is_digit) {
            return self.number();
        }
        if let Some(string) = self.string()? {
            return Ok(string);
        }
        if first == '_' || first.is_ascii_alphabetic() {
            let name = self.take(|c| c == '_' || c.is_ascii_alphanumeric());
            return Ok(match name {
                "true" => TokenKind::Symbol("true"),
                "false" => TokenKind::Symbol("false"),
                "null" => TokenKind::Symbol("null"),
                "in" => TokenKind::Symbol("in"),
                name => TokenKind::Identifier(name.to_owned()),
            });
        }
        for symbol in SYMBOLS {
            if self.skip(symbol) {
                return Ok(TokenKind::Symbol(symbol));
            }
        }
        Err(CompileProblem::UnexpectedCharacter(first))
    }

    fn number(&mut self) -> Result<TokenKind, CompileProblem> {
        let is_hexadecimal = self
            .rest
            .strip_prefix("0x")
            .is_some_and(|r| r.starts_with(|c: char| c.is_ascii_hexdigit()));
        if is_hexadecimal {
            self.skip("0x");
            let digits = self.take(|c| c.is_ascii_hexdigit());
            let value = u64::from_str_radix(digits, 16).map_err(|_| CompileProblem::NumberRange)?;
            return Ok(self.with_suffix(value));
        }
        let start = self.rest;
        let digits = self.take(|c| c.is_ascii_digit());
        let mut is_double = false;
        let mut after_dot = self.rest.strip_prefix('.').unwrap_or_default().chars();
        if after_dot.next().is_some_and(|c| c.is_ascii_digit()) {
            is_double = true;
            self.next();
            self.take(|c| c.is_ascii_digit());
        }
        if self.exponent() {
            is_double = true;
        }
        if is_double {
            let text = start.strip_suffix(self.rest).unwrap_or_default();
            return match text.parse::<f64>() {
                Ok(value) if value.is_finite() => Ok(TokenKind::Double(value)),
                _ => Err(CompileProblem::NumberRange),
            };
        }
        let value = digits.parse().map_err(|_| CompileProblem::NumberRange)?;
        Ok(self.with_suffix(value))
    }

    fn with_suffix(&mut self, value: u64) -> TokenKind {
        if self.skip("u") || self.skip("U") {
            TokenKind::Uint(value)
        } else {
            TokenKind::Int(value)
        }
    }

    fn exponent(&mut self) -> bool {
        let Some(after) = self.rest.strip_prefix(['e', 'E']) else {
            return false;
        };
        let digits = after.strip_prefix(['+', '-']).unwrap_or(after);
        if !digits.starts_with(|c: char| c.is_ascii_digit()) {
            return false;
        }
        self.next();
        self.take(|c| matches!(c, '+' | '-'));
        self.take(|c| c.is_ascii_digit());
        true
    }
}
