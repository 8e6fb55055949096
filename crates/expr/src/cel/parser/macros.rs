//! Calls that are not calls: `has`, the loops, and `optMap`.

use super::{Parser, Result, call, deepest};
use crate::cel::ast::{Expression, Kind, Loop};
use crate::cel::error::{CompileProblem, Located};

/// Makes the expression for `name(arguments)`.
pub(super) fn global_call(
    offset: u32,
    name: &str,
    mut arguments: Vec<Expression>,
) -> Result<Expression> {
    if name != "has" || arguments.len() != 1 {
        return call(offset, name, arguments);
    }
    if let Some(Expression { depth, kind, .. }) = arguments.pop()
        && let Kind::Select {
            operand,
            field,
            optional: false,
        } = *kind
    {
        return Parser::make(
            offset,
            depth.saturating_sub(1),
            Kind::Has { operand, field },
        );
    }
    let problem = CompileProblem::MacroArgument("has() takes the selection of a field");
    Err(Located::new(offset, problem))
}

/// Makes the expression for `target.name(arguments)`.
pub(super) fn member_call(
    offset: u32,
    name: String,
    target: Expression,
    arguments: Vec<Expression>,
) -> Result<Expression> {
    let deepest = deepest(&arguments).max(target.depth);
    let target = Box::new(target);
    let kind = match (name.as_str(), arguments.len()) {
        ("all", 2) => Some(Loop::All),
        ("exists", 2) => Some(Loop::Exists),
        ("exists_one", 2) => Some(Loop::ExistsOne),
        ("filter", 2) => Some(Loop::Filter),
        ("map", 2 | 3) => Some(Loop::Map),
        ("optMap" | "optFlatMap", 2) => None,
        _ => {
            let kind = Kind::Call {
                function: name,
                target: Some(target),
                arguments,
            };
            return Parser::make(offset, deepest, kind);
        }
    };
    let mut arguments = arguments.into_iter();
    let first = arguments.next();
    let argument_offset = first.as_ref().map_or(offset, |argument| argument.offset);
    let Some(Kind::Identifier {
        name: variable,
        global: false,
    }) = first.map(|argument| *argument.kind)
    else {
        let problem = CompileProblem::MacroArgument("the first argument must be a simple name");
        return Err(Located::new(argument_offset, problem));
    };
    let (first, second) = (
        arguments.next().map(Box::new),
        arguments.next().map(Box::new),
    );
    let kind = match (kind, first, second) {
        (None, Some(transform), None) => {
            let flat = name == "optFlatMap";
            Kind::OptionalMap {
                target,
                variable,
                transform,
                flat,
            }
        }
        (Some(Loop::Map), Some(transform), None) => {
            let transform = Some(transform);
            Kind::Loop {
                kind: Loop::Map,
                range: target,
                variable,
                condition: None,
                transform,
            }
        }
        (Some(kind), condition, transform) => Kind::Loop {
            kind,
            range: target,
            variable,
            condition,
            transform,
        },
        _ => {
            let problem = CompileProblem::MacroArgument("wrong number of arguments");
            return Err(Located::new(offset, problem));
        }
    };
    Parser::make(offset, deepest, kind)
}
