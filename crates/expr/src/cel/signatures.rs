//! Which functions and operators exist, and what types they take and give.

use std::collections::HashMap;
use std::sync::Arc;

use super::types::Type;

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

/// Every function, its name in expressions, and its variants.
///
/// A variant is `target.(arguments) result` or `(arguments) result`; `A` and `B` stand for any type.
const FUNCTIONS: &[(Function, &str, &[&str])] = &[
    (Function::Not, "!_", &["(bool) bool"]),
    (Function::Negate, "-_", &["(double) double", "(int) int"]),
    (
        Function::In,
        "@in",
        &["(A, list(A)) bool", "(A, map(A,B)) bool"],
    ),
    (Function::NotEqual, "_!=_", &["(A, A) bool"]),
    (
        Function::Remainder,
        "_%_",
        &["(int, int) int", "(uint, uint) uint"],
    ),
    (
        Function::Multiply,
        "_*_",
        &[
            "(double, double) double",
            "(int, int) int",
            "(uint, uint) uint",
        ],
    ),
    (
        Function::Add,
        "_+_",
        &[
            "(bytes, bytes) bytes",
            "(double, double) double",
            "(duration, duration) duration",
            "(duration, timestamp) timestamp",
            "(timestamp, duration) timestamp",
            "(int, int) int",
            "(list(A), list(A)) list(A)",
            "(string, string) string",
            "(uint, uint) uint",
        ],
    ),
    (
        Function::Subtract,
        "_-_",
        &[
            "(double, double) double",
            "(duration, duration) duration",
            "(int, int) int",
            "(timestamp, duration) timestamp",
            "(timestamp, timestamp) duration",
            "(uint, uint) uint",
        ],
    ),
    (
        Function::Divide,
        "_/_",
        &[
            "(double, double) double",
            "(int, int) int",
            "(uint, uint) uint",
        ],
    ),
    (
        Function::LessOrEqual,
        "_<=_",
        &[
            "(bool, bool) bool",
            "(int, int) bool",
            "(int, double) bool",
            "(int, uint) bool",
            "(uint, uint) bool",
            "(uint, double) bool",
            "(uint, int) bool",
            "(double, double) bool",
            "(double, int) bool",
            "(double, uint) bool",
            "(string, string) bool",
            "(bytes, bytes) bool",
            "(timestamp, timestamp) bool",
            "(duration, duration) bool",
        ],
    ),
    (
        Function::Less,
        "_<_",
        &[
            "(bool, bool) bool",
            "(int, int) bool",
            "(int, double) bool",
            "(int, uint) bool",
            "(uint, uint) bool",
            "(uint, double) bool",
            "(uint, int) bool",
            "(double, double) bool",
            "(double, int) bool",
            "(double, uint) bool",
            "(string, string) bool",
            "(bytes, bytes) bool",
            "(timestamp, timestamp) bool",
            "(duration, duration) bool",
        ],
    ),
    (Function::Equal, "_==_", &["(A, A) bool"]),
    (
        Function::GreaterOrEqual,
        "_>=_",
        &[
            "(bool, bool) bool",
            "(int, int) bool",
            "(int, double) bool",
            "(int, uint) bool",
            "(uint, uint) bool",
            "(uint, double) bool",
            "(uint, int) bool",
            "(double, double) bool",
            "(double, int) bool",
            "(double, uint) bool",
            "(string, string) bool",
            "(bytes, bytes) bool",
            "(timestamp, timestamp) bool",
            "(duration, duration) bool",
        ],
    ),
    (
        Function::Greater,
        "_>_",
        &[
            "(bool, bool) bool",
            "(int, int) bool",
            "(int, double) bool",
            "(int, uint) bool",
            "(uint, uint) bool",
            "(uint, double) bool",
            "(uint, int) bool",
            "(double, double) bool",
            "(double, int) bool",
            "(double, uint) bool",
            "(string, string) bool",
            "(bytes, bytes) bool",
            "(timestamp, timestamp) bool",
            "(duration, duration) bool",
        ],
    ),
    (Function::Conditional, "_?_:_", &["(bool, A, A) A"]),
    (
        Function::OptionalIndex,
        "_[?_]",
        &[
            "(list(A), int) optional(A)",
            "(optional(list(A)), int) optional(A)",
            "(map(A,B), A) optional(B)",
            "(optional(map(A,B)), A) optional(B)",
        ],
    ),
    (
        Function::Index,
        "_[_]",
        &[
            "(list(A), int) A",
            "(map(A,B), A) B",
            "(optional(list(A)), int) optional(A)",
            "(optional(map(A,B)), A) optional(B)",
        ],
    ),
    (Function::Base64Decode, "base64.decode", &["(string) bytes"]),
    (Function::Base64Encode, "base64.encode", &["(bytes) string"]),
    (Function::Bool, "bool", &["(bool) bool", "(string) bool"]),
    (
        Function::Bytes,
        "bytes",
        &["(bytes) bytes", "(string) bytes"],
    ),
    (Function::CharAt, "charAt", &["string.(int) string"]),
    (Function::Contains, "contains", &["string.(string) bool"]),
    (
        Function::Double,
        "double",
        &[
            "(double) double",
            "(int) double",
            "(string) double",
            "(uint) double",
        ],
    ),
    (
        Function::Duration,
        "duration",
        &["(duration) duration", "(int) duration", "(string) duration"],
    ),
    (Function::Dyn, "dyn", &["(A) dyn"]),
    (Function::EndsWith, "endsWith", &["string.(string) bool"]),
    (Function::First, "first", &["list(A).() optional(A)"]),
    (Function::Format, "format", &["string.(list(dyn)) string"]),
    (
        Function::GetDate,
        "getDate",
        &["timestamp.() int", "timestamp.(string) int"],
    ),
    (
        Function::GetDayOfMonth,
        "getDayOfMonth",
        &["timestamp.() int", "timestamp.(string) int"],
    ),
    (
        Function::GetDayOfWeek,
        "getDayOfWeek",
        &["timestamp.() int", "timestamp.(string) int"],
    ),
    (
        Function::GetDayOfYear,
        "getDayOfYear",
        &["timestamp.() int", "timestamp.(string) int"],
    ),
    (
        Function::GetFullYear,
        "getFullYear",
        &["timestamp.() int", "timestamp.(string) int"],
    ),
    (
        Function::GetHours,
        "getHours",
        &[
            "timestamp.() int",
            "timestamp.(string) int",
            "duration.() int",
        ],
    ),
    (
        Function::GetMilliseconds,
        "getMilliseconds",
        &[
            "timestamp.() int",
            "timestamp.(string) int",
            "duration.() int",
        ],
    ),
    (
        Function::GetMinutes,
        "getMinutes",
        &[
            "timestamp.() int",
            "timestamp.(string) int",
            "duration.() int",
        ],
    ),
    (
        Function::GetMonth,
        "getMonth",
        &["timestamp.() int", "timestamp.(string) int"],
    ),
    (
        Function::GetSeconds,
        "getSeconds",
        &[
            "timestamp.() int",
            "timestamp.(string) int",
            "duration.() int",
        ],
    ),
    (Function::HasValue, "hasValue", &["optional(A).() bool"]),
    (
        Function::IndexOf,
        "indexOf",
        &["string.(string) int", "string.(string, int) int"],
    ),
    (
        Function::Int,
        "int",
        &[
            "(int) int",
            "(double) int",
            "(duration) int",
            "(string) int",
            "(timestamp) int",
            "(uint) int",
        ],
    ),
    (
        Function::Join,
        "join",
        &["list(string).() string", "list(string).(string) string"],
    ),
    (Function::Last, "last", &["list(A).() optional(A)"]),
    (
        Function::LastIndexOf,
        "lastIndexOf",
        &["string.(string) int", "string.(string, int) int"],
    ),
    (Function::LowerAscii, "lowerAscii", &["string.() string"]),
    (
        Function::Matches,
        "matches",
        &["(string, string) bool", "string.(string) bool"],
    ),
    (Function::OptionalNone, "optional.none", &["() optional(A)"]),
    (Function::OptionalOf, "optional.of", &["(A) optional(A)"]),
    (
        Function::OptionalOfNonZeroValue,
        "optional.ofNonZeroValue",
        &["(A) optional(A)"],
    ),
    (
        Function::OptionalUnwrap,
        "optional.unwrap",
        &["(list(optional(A))) list(A)"],
    ),
    (
        Function::Or,
        "or",
        &["optional(A).(optional(A)) optional(A)"],
    ),
    (Function::OrValue, "orValue", &["optional(A).(A) A"]),
    (
        Function::Replace,
        "replace",
        &[
            "string.(string, string) string",
            "string.(string, string, int) string",
        ],
    ),
    (Function::Reverse, "reverse", &["string.() string"]),
    (
        Function::SetsContains,
        "sets.contains",
        &["(list(A), list(A)) bool"],
    ),
    (
        Function::SetsEquivalent,
        "sets.equivalent",
        &["(list(A), list(A)) bool"],
    ),
    (
        Function::SetsIntersects,
        "sets.intersects",
        &["(list(A), list(A)) bool"],
    ),
    (
        Function::Size,
        "size",
        &[
            "(bytes) int",
            "bytes.() int",
            "(list(A)) int",
            "list(A).() int",
            "(map(A,B)) int",
            "map(A,B).() int",
            "(string) int",
            "string.() int",
        ],
    ),
    (
        Function::Split,
        "split",
        &[
            "string.(string) list(string)",
            "string.(string, int) list(string)",
        ],
    ),
    (
        Function::StartsWith,
        "startsWith",
        &["string.(string) bool"],
    ),
    (
        Function::String,
        "string",
        &[
            "(string) string",
            "(bool) string",
            "(bytes) string",
            "(double) string",
            "(duration) string",
            "(int) string",
            "(timestamp) string",
            "(uint) string",
        ],
    ),
    (
        Function::StringsQuote,
        "strings.quote",
        &["(string) string"],
    ),
    (
        Function::Substring,
        "substring",
        &["string.(int) string", "string.(int, int) string"],
    ),
    (
        Function::Timestamp,
        "timestamp",
        &[
            "(timestamp) timestamp",
            "(int) timestamp",
            "(string) timestamp",
        ],
    ),
    (Function::Trim, "trim", &["string.() string"]),
    (Function::TypeOf, "type", &["(A) type(A)"]),
    (
        Function::Uint,
        "uint",
        &[
            "(uint) uint",
            "(double) uint",
            "(int) uint",
            "(string) uint",
        ],
    ),
    (
        Function::UnwrapOpt,
        "unwrapOpt",
        &["list(optional(A)).() list(A)"],
    ),
    (Function::UpperAscii, "upperAscii", &["string.() string"]),
    (Function::Value, "value", &["optional(A).() A"]),
];

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
    use super::{FUNCTIONS, variant};

    #[test]
    fn every_variant_can_be_read() {
        for (_, name, variants) in FUNCTIONS {
            for text in *variants {
                assert!(variant(text).is_some(), "{name}: {text}");
            }
        }
    }
}
