//! Macros that bring a variable.

use super::{Checker, Result};
use crate::cel::ast::{Expression, Loop};
use crate::cel::error::{CompileProblem, Located};
use crate::cel::node::Node;
use crate::cel::types::Type;

impl Checker<'_> {
    pub(super) fn repeat(
        &mut self,
        kind: Loop,
        range: Expression,
        variable: String,
        condition: Option<Box<Expression>>,
        transform: Option<Box<Expression>>,
    ) -> Result<(Node, Type)> {
        let offset = range.offset;
        let (range, of) = self.check(range)?;
        let element = match &of {
            Type::List(element) => (**element).clone(),
            Type::Map(key, _) => (**key).clone(),
            Type::Dyn => Type::Dyn,
            Type::Unknown(_) => {
                self.unifier.is_assignable(&Type::Dyn, &of);
                Type::Dyn
            }
            other => {
                return Err(Located::new(
                    offset,
                    CompileProblem::NoElements(other.to_string()),
                ));
            }
        };
        self.locals.push((variable, element.clone()));
        let condition = match condition {
            Some(condition) => Some(Box::new(self.condition(*condition)?)),
            None => None,
        };
        let transform = match transform {
            Some(transform) => Some(self.check(*transform)?),
            None => None,
        };
        self.locals.pop();
        let result = match (kind, &transform) {
            (Loop::All | Loop::Exists | Loop::ExistsOne, _) => Type::Bool,
            (Loop::Map, Some((_, of))) => Type::list(of.clone()),
            (Loop::Filter | Loop::Map, _) => Type::list(element),
        };
        let transform = transform.map(|(node, _)| Box::new(node));
        Ok((
            Node::Loop {
                kind,
                range: Box::new(range),
                condition,
                transform,
            },
            result,
        ))
    }

    pub(super) fn optional_map(
        &mut self,
        offset: u32,
        target: Expression,
        variable: String,
        transform: Expression,
        flat: bool,
    ) -> Result<(Node, Type)> {
        let (target, of) = self.check(target)?;
        let (_, element) = self.overload(offset, "value", true, &[of])?;
        self.locals.push((variable, element));
        let (transform, of) = self.check(transform)?;
        self.locals.pop();
        let result = if flat {
            let none = Type::optional(self.unifier.unknown());
            self.overload(offset, "_?_:_", false, &[Type::Bool, of, none])?
                .1
        } else {
            Type::optional(of)
        };
        let (target, transform) = (Box::new(target), Box::new(transform));
        Ok((
            Node::OptionalMap {
                target,
                transform,
                flat,
            },
            result,
        ))
    }
}
