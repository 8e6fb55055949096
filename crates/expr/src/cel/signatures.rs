//! Which functions and operators exist, and what types they take and give.

use std::collections::HashMap;
use std::sync::Arc;

use super::types::Type;
use table::FUNCTIONS;

mod table;

/// A function or operator; which of its variants is meant shows when the arguments are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Not,
    Negate,
    In,
    NotEqual,
    Remainder,
    Multiply,
    Add,
    Subtract,
    Divide,
    LessOrEqual,
    Less,
    Equal,
    GreaterOrEqual,
    Greater,
    Conditional,
    OptionalIndex,
    Index,
    Base64Decode,
    Base64Encode,
    Bool,
    Bytes,
    CharAt,
    Contains,
    Double,
    Duration,
    Dyn,
    EndsWith,
    First,
    Format,
    GetDate,
    GetDayOfMonth,
    GetDayOfWeek,
    GetDayOfYear,
    GetFullYear,
    GetHours,
    GetMilliseconds,
    GetMinutes,
    GetMonth,
    GetSeconds,
    HasValue,
    IndexOf,
    Int,
    Join,
    Last,
    LastIndexOf,
    LowerAscii,
    Matches,
    OptionalNone,
    OptionalOf,
    OptionalOfNonZeroValue,
    OptionalUnwrap,
    Or,
    OrValue,
    Replace,
    Reverse,
    SetsContains,
    SetsEquivalent,
    SetsIntersects,
    Size,
    Split,
    StartsWith,
    String,
    StringsQuote,
    Substring,
    Timestamp,
    Trim,
    TypeOf,
    Uint,
    UnwrapOpt,
    UpperAscii,
    Value,
}

impl Function {
    /// Returns its name.
    pub(super) fn name(self) -> &'static str {
        FUNCTIONS
            .iter()
            .find(|(function, ..)| *function == self)
            .map_or("", |(_, name, _)| name)
    }
}

/// One variant of a function.
#[derive(Debug)]
pub(super) struct Variant {
    pub(super) is_member: bool,
    /// Types of the target, if it is a member, and of the arguments.
    pub(super) parameters: Vec<Type>,
    pub(super) result: Type,
}

/// All functions by name.
#[derive(Debug)]
pub(super) struct Signatures {
    functions: HashMap<&'static str, (Function, Vec<Variant>)>,
}

impl Signatures {
    /// Reads the table.
    pub(super) fn new() -> Self {
        let functions = FUNCTIONS.iter().map(|(function, name, variants)| {
            let variants = variants.iter().filter_map(|text| variant(text)).collect();
            (*name, (*function, variants))
        });
        Self {
            functions: functions.collect(),
        }
    }

    /// Looks a function up.
    pub(super) fn get(&self, name: &str) -> Option<(Function, &[Variant])> {
        self.functions
            .get(name)
            .map(|(function, variants)| (*function, variants.as_slice()))
    }
}

fn variant(text: &str) -> Option<Variant> {
    let (target, rest) = match text.split_once(".(") {
        Some((target, rest)) => (Some(target), rest),
        None => (None, text.strip_prefix('(')?),
    };
    let (arguments, result) = rest.rsplit_once(") ")?;
    let mut parameters = Vec::new();
    if let Some(target) = target {
        parameters.push(parse(target)?);
    }
    for argument in arguments
        .split(", ")
        .filter(|argument| !argument.is_empty())
    {
        parameters.push(parse(argument)?);
    }
    Some(Variant {
        is_member: target.is_some(),
        parameters,
        result: parse(result)?,
    })
}

fn parse(text: &str) -> Option<Type> {
    if let Some((outer, inner)) = text.split_once('(') {
        let inner = inner.strip_suffix(')')?;
        return match outer {
            "list" => Some(Type::list(parse(inner)?)),
            "optional" => Some(Type::optional(parse(inner)?)),
            "type" => Some(Type::Meta(Arc::new(parse(inner)?))),
            "map" => {
                let (key, value) = inner.split_once(',')?;
                Some(Type::map(parse(key)?, parse(value)?))
            }
            _ => None,
        };
    }
    Some(match text {
        "A" => Type::Unknown(0),
        "B" => Type::Unknown(1),
        "bool" => Type::Bool,
        "bytes" => Type::Bytes,
        "double" => Type::Double,
        "duration" => Type::Duration,
        "dyn" => Type::Dyn,
        "int" => Type::Int,
        "string" => Type::String,
        "timestamp" => Type::Timestamp,
        "uint" => Type::Uint,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::table::FUNCTIONS;
    use super::variant;

    #[test]
    fn every_variant_can_be_read() {
        for (_, name, variants) in FUNCTIONS {
            for text in *variants {
                assert!(variant(text).is_some(), "{name}: {text}");
            }
        }
    }
}
