//! Parses tokens into an [`Expression`].
//!
//! Nesting is limited, both of brackets, for which the parser calls itself, and of the resulting
//! tree, which also grows with chains such as `a + b + c` or `a.b().c()`. Chains of `&&` and of `||`
//! are one level each, however long.

use super::ast::{Expression, Kind};
use super::error::{CompileProblem, Located};
use super::lexer::{Token, TokenKind, tokens};

mod macros;
mod primary;

/// Levels of nesting.
pub(super) const DEPTH_LIMIT: u16 = 250;

const RESERVED: &[&str] = &[
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// How strongly the arithmetic and comparison operators bind.
const OPERATORS: &[(&str, u8, &str)] = &[
    ("==", 1, "_==_"),
    ("!=", 1, "_!=_"),
    ("<", 1, "_<_"),
    ("<=", 1, "_<=_"),
    (">", 1, "_>_"),
    (">=", 1, "_>=_"),
    ("in", 1, "@in"),
    ("+", 2, "_+_"),
    ("-", 2, "_-_"),
    ("*", 3, "_*_"),
    ("/", 3, "_/_"),
    ("%", 3, "_%_"),
];

type Result<T> = std::result::Result<T, Located>;

/// Parses a whole expression.
pub(super) fn parse(source: &str) -> Result<Expression> {
    let mut parser = Parser {
        tokens: tokens(source)?,
        next: 0,
        open: 0,
    };
    let expression = parser.expression()?;
    match parser.peek() {
        Some(TokenKind::End) | None => Ok(expression),
        Some(_) => parser.unexpected("an operator or the end of the expression"),
    }
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    /// Expressions being parsed at the moment.
    open: u16,
}

impl Parser {
    fn peek(&self) -> Option<&TokenKind> {
        self.tokens.get(self.next).map(|token| &token.kind)
    }

    fn advance(&mut self) {
        self.next = self.next.saturating_add(1);
    }

    fn offset(&self) -> u32 {
        self.tokens
            .get(self.next)
            .map_or(u32::MAX, |token| token.offset)
    }

    fn at(&self, symbol: &str) -> bool {
        matches!(self.peek(), Some(TokenKind::Symbol(found)) if *found == symbol)
    }

    fn skip(&mut self, symbol: &str) -> bool {
        let found = self.at(symbol);
        if found {
            self.advance();
        }
        found
    }

    fn require(&mut self, symbol: &'static str) -> Result<()> {
        if self.skip(symbol) {
            Ok(())
        } else {
            self.unexpected(symbol)
        }
    }

    fn unexpected<T>(&self, expected: &'static str) -> Result<T> {
        let offset = self.offset();
        let found = match self.peek() {
            Some(TokenKind::Symbol(symbol)) => format!("`{symbol}`"),
            Some(TokenKind::Identifier(name)) => format!("`{name}`"),
            Some(TokenKind::Int(_) | TokenKind::Uint(_) | TokenKind::Double(_)) => {
                "a number".to_owned()
            }
            Some(TokenKind::String(_) | TokenKind::Bytes(_)) => "a string".to_owned(),
            Some(TokenKind::End) | None => "the end of the expression".to_owned(),
        };
        Err(Located::new(
            offset,
            CompileProblem::Unexpected { expected, found },
        ))
    }

    /// Makes an expression one level above its deepest part.
    fn make(offset: u32, deepest: u16, kind: Kind) -> Result<Expression> {
        if deepest >= DEPTH_LIMIT {
            return Err(Located::new(
                offset,
                CompileProblem::NestedTooDeep(DEPTH_LIMIT),
            ));
        }
        Ok(Expression {
            offset,
            depth: deepest + 1,
            kind: Box::new(kind),
        })
    }

    fn expression(&mut self) -> Result<Expression> {
        if self.open >= DEPTH_LIMIT {
            let offset = self.offset();
            return Err(Located::new(
                offset,
                CompileProblem::NestedTooDeep(DEPTH_LIMIT),
            ));
        }
        self.open += 1;
        let condition = self.alternatives()?;
        let offset = self.offset();
        let expression = if self.skip("?") {
            let positive = self.alternatives()?;
            self.require(":")?;
            let negative = self.expression()?;
            call(offset, "_?_:_", vec![condition, positive, negative])?
        } else {
            condition
        };
        self.open -= 1;
        Ok(expression)
    }

    fn alternatives(&mut self) -> Result<Expression> {
        let first = self.conjunction()?;
        self.chain(first, "||", Self::conjunction, Kind::Or)
    }

    fn conjunction(&mut self) -> Result<Expression> {
        let first = self.binary(1)?;
        self.chain(first, "&&", |parser| parser.binary(1), Kind::And)
    }

    fn chain(
        &mut self,
        first: Expression,
        symbol: &str,
        part: fn(&mut Self) -> Result<Expression>,
        combine: fn(Vec<Expression>) -> Kind,
    ) -> Result<Expression> {
        let offset = self.offset();
        if !self.at(symbol) {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.skip(symbol) {
            parts.push(part(self)?);
        }
        Self::make(offset, deepest(&parts), combine(parts))
    }

    /// Parses operators that bind at least as strongly as `minimum`; equals bind to the left.
    fn binary(&mut self, minimum: u8) -> Result<Expression> {
        let mut left = self.unary()?;
        loop {
            let offset = self.offset();
            let operator = match self.peek() {
                Some(TokenKind::Symbol(symbol)) => {
                    OPERATORS.iter().find(|(text, ..)| text == symbol).copied()
                }
                _ => None,
            };
            let Some((symbol, strength, function)) = operator else {
                return Ok(left);
            };
            if strength < minimum {
                return Ok(left);
            }
            self.skip(symbol);
            let right = self.binary(strength + 1)?;
            left = call(offset, function, vec![left, right])?;
        }
    }

    fn unary(&mut self) -> Result<Expression> {
        let offset = self.offset();
        for (symbol, function) in [("!", "!_"), ("-", "-_")] {
            if !self.at(symbol) {
                continue;
            }
            let mut count: u32 = 0;
            while self.skip(symbol) {
                count = count.saturating_add(1);
            }
            let is_number = matches!(self.peek(), Some(TokenKind::Int(_) | TokenKind::Double(_)));
            if symbol == "-" && is_number {
                // The last sign belongs to the number.
                let number = self.number(true)?;
                let member = self.members(number)?;
                return if count.is_multiple_of(2) {
                    call(offset, function, vec![member])
                } else {
                    Ok(member)
                };
            }
            let negative_number = symbol == "!" && self.skip("-");
            let primary = if negative_number {
                self.number(true)?
            } else {
                self.primary()?
            };
            let member = self.members(primary)?;
            // Two of a kind cancel each other out, whatever they are applied to.
            return if count.is_multiple_of(2) {
                Ok(member)
            } else {
                call(offset, function, vec![member])
            };
        }
        let primary = self.primary()?;
        self.members(primary)
    }

    /// Parses what may follow a value: fields, calls, indices.
    fn members(&mut self, mut operand: Expression) -> Result<Expression> {
        loop {
            let offset = self.offset();
            if self.skip(".") {
                let optional = self.skip("?");
                let field = self.identifier("a field or function name")?;
                let call_offset = self.offset();
                if !optional && self.skip("(") {
                    let arguments = self.arguments()?;
                    operand = macros::member_call(call_offset, field, operand, arguments)?;
                } else {
                    let depth = operand.depth;
                    let operand_box = Box::new(operand);
                    let kind = Kind::Select {
                        operand: operand_box,
                        field,
                        optional,
                    };
                    operand = Self::make(offset, depth, kind)?;
                }
            } else if self.skip("[") {
                let optional = self.skip("?");
                let index = self.expression()?;
                self.require("]")?;
                let function = if optional { "_[?_]" } else { "_[_]" };
                operand = call(offset, function, vec![operand, index])?;
            } else {
                return Ok(operand);
            }
        }
    }

    fn identifier(&mut self, expected: &'static str) -> Result<String> {
        match self.peek() {
            Some(TokenKind::Identifier(name)) => {
                let name = name.clone();
                self.advance();
                Ok(name)
            }
            _ => self.unexpected(expected),
        }
    }
}

/// Makes a call of a global function or an operator.
fn call(offset: u32, function: &str, arguments: Vec<Expression>) -> Result<Expression> {
    let deepest = deepest(&arguments);
    let function = function.to_owned();
    Parser::make(
        offset,
        deepest,
        Kind::Call {
            function,
            target: None,
            arguments,
        },
    )
}

fn deepest(expressions: &[Expression]) -> u16 {
    expressions
        .iter()
        .map(|expression| expression.depth)
        .max()
        .unwrap_or(0)
}
