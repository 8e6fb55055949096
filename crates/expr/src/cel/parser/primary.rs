//! Names, literals, lists, maps and messages.

use super::{Parser, RESERVED, Result, macros};
use crate::cel::ast::{Element, Entry, Expression, Kind, Literal};
use crate::cel::error::{CompileProblem, Located};
use crate::cel::lexer::TokenKind;

impl Parser {
    pub(super) fn primary(&mut self) -> Result<Expression> {
        let offset = self.offset();
        match self.peek() {
            Some(TokenKind::Identifier(_)) => self.name(offset, false),
            Some(TokenKind::Symbol(symbol)) => match *symbol {
                "." => {
                    self.skip(".");
                    self.name(offset, true)
                }
                "(" => {
                    self.skip("(");
                    let inner = self.expression()?;
                    self.require(")")?;
                    Ok(inner)
                }
                "[" => self.list(offset),
                "{" => self.map(offset),
                "true" => self.literal(Literal::Bool(true)),
                "false" => self.literal(Literal::Bool(false)),
                "null" => self.literal(Literal::Null),
                _ => self.unexpected("a value"),
            },
            Some(TokenKind::Int(_) | TokenKind::Double(_)) => self.number(false),
            Some(TokenKind::Uint(value)) => {
                let value = *value;
                self.literal(Literal::Uint(value))
            }
            Some(TokenKind::String(text)) => {
                let text = text.as_str().into();
                self.literal(Literal::String(text))
            }
            Some(TokenKind::Bytes(bytes)) => {
                let bytes = bytes.as_slice().into();
                self.literal(Literal::Bytes(bytes))
            }
            Some(TokenKind::End) | None => self.unexpected("a value"),
        }
    }

    fn literal(&mut self, literal: Literal) -> Result<Expression> {
        let offset = self.offset();
        self.advance();
        Self::make(offset, 0, Kind::Literal(literal))
    }

    pub(super) fn number(&mut self, negative: bool) -> Result<Expression> {
        let offset = self.offset();
        let literal = match self.peek() {
            Some(TokenKind::Int(digits)) => {
                let value = i128::from(*digits) * if negative { -1 } else { 1 };
                i64::try_from(value).ok().map(Literal::Int)
            }
            Some(TokenKind::Double(value)) => {
                Some(Literal::Double(if negative { -value } else { *value }))
            }
            _ => return self.unexpected("a number"),
        };
        let literal = literal.ok_or(Located::new(offset, CompileProblem::NumberRange))?;
        self.literal(literal)
    }

    /// Parses a variable, a call of a global function, or a message.
    fn name(&mut self, offset: u32, global: bool) -> Result<Expression> {
        let name = self.identifier("a name")?;
        let call_offset = self.offset();
        if self.skip("(") {
            if RESERVED.contains(&name.as_str()) {
                return Err(Located::new(offset, CompileProblem::ReservedWord(name)));
            }
            let arguments = self.arguments()?;
            return macros::global_call(call_offset, &name, arguments);
        }
        if let Some(path) = self.message_path(&name) {
            return self.message(offset, path);
        }
        if RESERVED.contains(&name.as_str()) {
            return Err(Located::new(offset, CompileProblem::ReservedWord(name)));
        }
        Self::make(offset, 0, Kind::Identifier { name, global })
    }

    /// Looks ahead for `a.b.C{`; takes it up to the brace if it is there.
    fn message_path(&mut self, first: &str) -> Option<String> {
        let mut path = first.to_owned();
        let mut ahead = self.next;
        loop {
            match &self.tokens.get(ahead)?.kind {
                TokenKind::Symbol("{") => break,
                TokenKind::Symbol(".") => {}
                _ => return None,
            }
            let TokenKind::Identifier(part) = &self.tokens.get(ahead + 1)?.kind else {
                return None;
            };
            path.push('.');
            path.push_str(part);
            ahead += 2;
        }
        self.next = ahead + 1;
        Some(path)
    }

    fn message(&mut self, offset: u32, name: String) -> Result<Expression> {
        let mut fields = Vec::new();
        while !self.at("}") {
            let field_offset = self.offset();
            let optional = self.skip("?");
            let key = self.identifier("a field name")?;
            self.require(":")?;
            let value = self.expression()?;
            fields.push(Entry {
                offset: field_offset,
                key,
                value,
                optional,
            });
            if !self.skip(",") {
                break;
            }
        }
        self.require("}")?;
        let deepest = fields
            .iter()
            .map(|field| field.value.depth)
            .max()
            .unwrap_or(0);
        Self::make(offset, deepest, Kind::Message { name, fields })
    }

    /// Parses the rest of a call after its `(`.
    pub(super) fn arguments(&mut self) -> Result<Vec<Expression>> {
        let mut arguments = Vec::new();
        if self.skip(")") {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.expression()?);
            if !self.skip(",") {
                break;
            }
        }
        self.require(")")?;
        Ok(arguments)
    }

    fn list(&mut self, offset: u32) -> Result<Expression> {
        self.require("[")?;
        if self.skip(",") {
            self.require("]")?;
            return Self::make(offset, 0, Kind::List(Vec::new()));
        }
        let mut elements = Vec::new();
        while !self.at("]") {
            let optional = self.skip("?");
            elements.push(Element {
                value: self.expression()?,
                optional,
            });
            if !self.skip(",") {
                break;
            }
        }
        self.require("]")?;
        let deepest = elements
            .iter()
            .map(|element| element.value.depth)
            .max()
            .unwrap_or(0);
        Self::make(offset, deepest, Kind::List(elements))
    }

    fn map(&mut self, offset: u32) -> Result<Expression> {
        self.require("{")?;
        if self.skip(",") {
            self.require("}")?;
            return Self::make(offset, 0, Kind::Map(Vec::new()));
        }
        let mut entries = Vec::new();
        let mut deepest = 0;
        while !self.at("}") {
            let entry_offset = self.offset();
            let optional = self.skip("?");
            let key = self.expression()?;
            self.require(":")?;
            let value = self.expression()?;
            deepest = deepest.max(key.depth).max(value.depth);
            entries.push(Entry {
                offset: entry_offset,
                key,
                value,
                optional,
            });
            if !self.skip(",") {
                break;
            }
        }
        self.require("}")?;
        Self::make(offset, deepest, Kind::Map(entries))
    }
}
