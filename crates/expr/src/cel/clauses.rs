//! The clauses of a template for `format`, such as `%s` and `%.2f`, and which types they can show.

use super::types::Type;

/// Digits after the point, if not said otherwise.
const DEFAULT_PRECISION: usize = 6;
/// Most digits after the point.
const PRECISION_LIMIT: usize = 1000;

/// A piece of a template.
#[derive(Debug, PartialEq)]
pub(super) enum Piece<'t> {
    Text(&'t str),
    Clause { letter: char, precision: usize },
}

/// Takes the first piece of a template off, or says what is wrong with it.
pub(super) fn next<'t>(rest: &mut &'t str) -> Result<Option<Piece<'t>>, &'static str> {
    if rest.is_empty() {
        return Ok(None);
    }
    let Some(clause) = rest.strip_prefix('%') else {
        let end = rest.find('%').unwrap_or(rest.len());
        let (text, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        *rest = after;
        return Ok(Some(Piece::Text(text)));
    };
    if let Some(after) = clause.strip_prefix('%') {
        *rest = after;
        return Ok(Some(Piece::Text("%")));
    }
    let (precision, after) = precision(clause)?;
    let mut characters = after.chars();
    let letter = characters.next().ok_or("a format() clause is incomplete")?;
    if !matches!(letter, 's' | 'd' | 'f' | 'e' | 'b' | 'x' | 'X' | 'o') {
        return Err("unknown format() clause");
    }
    *rest = characters.as_str();
    Ok(Some(Piece::Clause { letter, precision }))
}

/// Reads `.3`.
fn precision(clause: &str) -> Result<(usize, &str), &'static str> {
    let Some(after) = clause.strip_prefix('.') else {
        return Ok((DEFAULT_PRECISION, clause));
    };
    let rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = after.strip_suffix(rest).unwrap_or_default();
    match digits.parse() {
        Ok(precision) if precision <= PRECISION_LIMIT => Ok((precision, rest)),
        _ => Err("unusable precision in a format() clause"),
    }
}

/// Checks a constant template against the types of its arguments.
pub(super) fn check(template: &str, arguments: &[Type]) -> Result<(), &'static str> {
    let mut rest = template;
    let mut arguments = arguments.iter();
    while let Some(piece) = next(&mut rest)? {
        if let Piece::Clause { letter, .. } = piece {
            let of = arguments
                .next()
                .ok_or("format() has more clauses than arguments")?;
            if !shows(letter, of) {
                return Err("a format() clause cannot show this type");
            }
        }
    }
    match arguments.next() {
        None => Ok(()),
        Some(_) => Err("format() has more arguments than clauses"),
    }
}

fn shows(letter: char, of: &Type) -> bool {
    match (letter, of) {
        (_, Type::Dyn | Type::Unknown(_))
        | ('d' | 'f' | 'e' | 'b' | 'o' | 'x' | 'X', Type::Int | Type::Uint) => true,
        ('d' | 'f' | 'e', of) => *of == Type::Double,
        ('b', of) => *of == Type::Bool,
        ('x' | 'X', of) => matches!(of, Type::String | Type::Bytes),
        ('s', of) => !matches!(of, Type::Optional(_) | Type::Wrapper(_)),
        _ => false,
    }
}
