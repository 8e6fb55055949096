//! Checks the types of an expression and resolves its names: expression in, program out.

use std::sync::{Arc, OnceLock};

use super::ast::{Expression, Kind, Literal};
use super::clauses;
use super::error::{CompileProblem, Located};
use super::node::Node;
use super::signatures::{Function, Signatures};
use super::types::{Type, Unifier};

mod aggregates;
mod loops;
mod names;

type Result<T> = std::result::Result<T, Located>;

/// Checks `expression`; returns the program and the text of its type.
pub(super) fn check(expression: Expression, variables: &[&str]) -> Result<(Node, Type)> {
    static SIGNATURES: OnceLock<Signatures> = OnceLock::new();
    let mut checker = Checker {
        signatures: SIGNATURES.get_or_init(Signatures::new),
        variables,
        locals: Vec::new(),
        unifier: Unifier::default(),
        mixed_allowed: 0,
        elements: Vec::new(),
        same: Vec::new(),
    };
    let offset = expression.offset;
    let (node, of) = checker.check(expression)?;
    for (offset, expected, found) in std::mem::take(&mut checker.same) {
        let (expected, found) = (checker.known(&expected), checker.known(&found));
        if expected != found {
            return Err(mismatch(offset, &expected, &found));
        }
    }
    let of = checker.known(&of);
    if checker.unifier.is_exhausted() {
        return Err(Located::new(offset, CompileProblem::TypesTooComplex));
    }
    Ok((node, of))
}

struct Checker<'c> {
    signatures: &'static Signatures,
    variables: &'c [&'c str],
    locals: Vec<(String, Type)>,
    unifier: Unifier,
    /// Arguments of `format` being checked at the moment; lists in them may mix types.
    mixed_allowed: u32,
    /// Types of the elements of the list that was checked last.
    elements: Vec<Type>,
    /// Types of elements of one list or map, which have to be the same in the end.
    same: Vec<(u32, Type, Type)>,
}

impl Checker<'_> {
    /// Returns what is known of a type, the unknown parts replaced by `dyn`.
    fn known(&mut self, of: &Type) -> Type {
        fn without_unknowns(of: &Type) -> Type {
            match of {
                Type::Unknown(_) => Type::Dyn,
                Type::List(of) => Type::list(without_unknowns(of)),
                Type::Map(key, value) => Type::map(without_unknowns(key), without_unknowns(value)),
                Type::Optional(of) => Type::optional(without_unknowns(of)),
                Type::Meta(of) => Type::Meta(Arc::new(without_unknowns(of))),
                other => other.clone(),
            }
        }
        let resolved = self.unifier.resolve(of);
        without_unknowns(&resolved)
    }

    fn check(&mut self, expression: Expression) -> Result<(Node, Type)> {
        let offset = expression.offset;
        let (node, of) = self.kind(offset, *expression.kind)?;
        let of = self.unifier.resolve(&of);
        if self.unifier.is_exhausted() {
            return Err(Located::new(offset, CompileProblem::TypesTooComplex));
        }
        Ok((node, of))
    }

    /// Passes on to the method for this kind. Keeps nothing itself: every level of an expression
    /// has a frame of this function on the stack.
    fn kind(&mut self, offset: u32, kind: Kind) -> Result<(Node, Type)> {
        match kind {
            Kind::Literal(literal) => Ok(names::constant(literal)),
            Kind::Identifier { name, global } => self.identifier(offset, &name, global),
            Kind::Select {
                operand,
                field,
                optional,
            } => self.select(offset, *operand, &field, optional),
            Kind::Has { operand, field } => self.has(offset, *operand, &field),
            Kind::Call {
                function,
                target,
                arguments,
            } => self.call(offset, &function, target, arguments),
            Kind::And(parts) => self.logic(parts, Node::And),
            Kind::Or(parts) => self.logic(parts, Node::Or),
            Kind::List(elements) => self.list(elements),
            Kind::Map(entries) => self.map(entries),
            Kind::Message { name, fields } => self.message(offset, &name, fields),
            Kind::Loop {
                kind,
                range,
                variable,
                condition,
                transform,
            } => self.repeat(kind, *range, variable, condition, transform),
            Kind::OptionalMap {
                target,
                variable,
                transform,
                flat,
            } => self.optional_map(offset, *target, variable, *transform, flat),
        }
    }

    fn select(
        &mut self,
        offset: u32,
        operand: Expression,
        field: &str,
        optional: bool,
    ) -> Result<(Node, Type)> {
        if let Some(name) = names::qualified_name(&operand)
            && let Some(found) = names::type_name(&format!("{name}.{field}"))
        {
            return Ok(found);
        }
        let (operand, result) = self.field(offset, operand, optional)?;
        Ok((
            Node::Select {
                operand,
                field: field.into(),
                optional,
            },
            result,
        ))
    }

    fn has(&mut self, offset: u32, operand: Expression, field: &str) -> Result<(Node, Type)> {
        let (operand, _) = self.field(offset, operand, false)?;
        Ok((
            Node::Has {
                operand,
                field: field.into(),
            },
            Type::Bool,
        ))
    }

    fn logic(
        &mut self,
        parts: Vec<Expression>,
        combine: fn(Vec<Node>) -> Node,
    ) -> Result<(Node, Type)> {
        Ok((combine(self.conditions(parts)?), Type::Bool))
    }

    fn identifier(&self, offset: u32, name: &str, global: bool) -> Result<(Node, Type)> {
        if !global
            && let Some(index) = self.locals.iter().rposition(|(local, _)| local == name)
            && let Some((_, of)) = self.locals.get(index)
        {
            return Ok((Node::Local(index), of.clone()));
        }
        if let Some(index) = self.variables.iter().position(|variable| *variable == name) {
            return Ok((Node::Variable(index), Type::map(Type::String, Type::Dyn)));
        }
        names::type_name(name)
            .ok_or_else(|| Located::new(offset, CompileProblem::Undeclared(name.to_owned())))
    }

    /// Checks the operand of a selection and returns the type of the selected field.
    fn field(
        &mut self,
        offset: u32,
        operand: Expression,
        optional: bool,
    ) -> Result<(Box<Node>, Type)> {
        let (node, of) = self.check(operand)?;
        let (target, chained) = match &of {
            Type::Optional(inner) => (self.unifier.resolve(inner), true),
            other => (other.clone(), false),
        };
        let result = match &target {
            Type::Map(_, value) => (**value).clone(),
            Type::Unknown(_) => {
                self.unifier.is_assignable(&Type::Dyn, &target);
                Type::Dyn
            }
            Type::Dyn => Type::Dyn,
            other => {
                return Err(Located::new(
                    offset,
                    CompileProblem::NoFields(other.to_string()),
                ));
            }
        };
        let result = if chained || optional {
            Type::optional(result)
        } else {
            result
        };
        Ok((Box::new(node), result))
    }

    fn call(
        &mut self,
        offset: u32,
        name: &str,
        target: Option<Box<Expression>>,
        arguments: Vec<Expression>,
    ) -> Result<(Node, Type)> {
        let mixed = u32::from(name == "format");
        self.mixed_allowed += mixed;
        let mut nodes = Vec::new();
        let mut types = Vec::new();
        let mut namespaced = None;
        if let Some(target) = target {
            namespaced = names::qualified_name(&target)
                .map(|prefix| format!("{prefix}.{name}"))
                .filter(|name| self.signatures.get(name).is_some());
            if namespaced.is_none() {
                let (node, of) = self.check(*target)?;
                nodes.push(node);
                types.push(of);
            }
        }
        let is_member = !nodes.is_empty();
        for argument in arguments {
            let (node, of) = self.check(argument)?;
            nodes.push(node);
            types.push(of);
        }
        self.mixed_allowed -= mixed;
        let name = namespaced.as_deref().unwrap_or(name);
        let (function, result) = self.overload(offset, name, is_member, &types)?;
        if let (Function::Format, [Node::Constant(Literal::String(template)), Node::List(list)]) =
            (function, nodes.as_slice())
            && list.len() == self.elements.len()
        {
            let elements = std::mem::take(&mut self.elements);
            let elements: Vec<Type> = elements.iter().map(|of| self.known(of)).collect();
            clauses::check(template, &elements)
                .map_err(|problem| Located::new(offset, CompileProblem::Format(problem)))?;
        }
        let node = if function == Function::Conditional {
            match <[Node; 3]>::try_from(nodes) {
                Ok(parts) => Node::Conditional(Box::new(parts)),
                Err(arguments) => Node::Call {
                    function,
                    arguments,
                },
            }
        } else {
            Node::Call {
                function,
                arguments: nodes,
            }
        };
        Ok((node, result))
    }

    /// Finds the variants of a function that take these types, and what they give.
    fn overload(
        &mut self,
        offset: u32,
        name: &str,
        is_member: bool,
        types: &[Type],
    ) -> Result<(Function, Type)> {
        let Some((function, variants)) = self.signatures.get(name) else {
            return Err(Located::new(
                offset,
                CompileProblem::Undeclared(name.to_owned()),
            ));
        };
        let mut result: Option<Type> = None;
        for variant in variants
            .iter()
            .filter(|variant| variant.is_member == is_member)
        {
            let free = [self.unifier.unknown(), self.unifier.unknown()];
            let parameters: Vec<Type> = variant
                .parameters
                .iter()
                .map(|of| Unifier::instantiate(of, &free))
                .collect();
            if !self.unifier.assign_all(types, &parameters) {
                continue;
            }
            let of = Unifier::instantiate(&variant.result, &free);
            let of = self.unifier.resolve(&of);
            result = Some(match result {
                None => of,
                Some(before) if before == of => before,
                Some(_) => Type::Dyn,
            });
        }
        let Some(result) = result else {
            let types: Vec<String> = types.iter().map(|of| self.known(of).to_string()).collect();
            let arguments = match types.split_first() {
                Some((target, arguments)) if is_member => {
                    format!("{target}.({})", arguments.join(", "))
                }
                _ => format!("({})", types.join(", ")),
            };
            let problem = CompileProblem::NoMatchingOverload {
                function: name.to_owned(),
                arguments,
            };
            return Err(Located::new(offset, problem));
        };
        Ok((function, result))
    }

    fn conditions(&mut self, parts: Vec<Expression>) -> Result<Vec<Node>> {
        parts.into_iter().map(|part| self.condition(part)).collect()
    }

    fn condition(&mut self, expression: Expression) -> Result<Node> {
        let offset = expression.offset;
        let (node, of) = self.check(expression)?;
        if self.unifier.is_assignable(&of, &Type::Bool) {
            Ok(node)
        } else {
            Err(mismatch(offset, &Type::Bool, &of))
        }
    }
}

fn mismatch(offset: u32, expected: &Type, found: &Type) -> Located {
    let (expected, found) = (expected.to_string(), found.to_string());
    Located::new(offset, CompileProblem::TypeMismatch { expected, found })
}
