//! Checks the types of an expression and resolves its names: expression in, program out.

use std::sync::{Arc, OnceLock};

use super::ast::{Element, Entry, Expression, Kind, Literal, Loop};
use super::clauses;
use super::error::{CompileProblem, Located};
use super::messages;
use super::node::Node;
use super::signatures::{Function, Signatures};
use super::types::{Type, Unifier};

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
        let both_types = matches!((&expected, &found), (Type::Meta(_), Type::Meta(_)));
        if expected != found && !both_types {
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
            Kind::Literal(literal) => Ok(constant(literal)),
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
        if let Some(name) = qualified_name(&operand)
            && let Some(found) = type_name(&format!("{name}.{field}"))
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
        type_name(name)
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
            namespaced = qualified_name(&target)
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

    fn list(&mut self, elements: Vec<Element<Expression>>) -> Result<(Node, Type)> {
        let mut joined = Joined::default();
        let mut types = Vec::new();
        let mut nodes = Vec::with_capacity(elements.len());
        for Element { value, optional } in elements {
            let offset = value.offset;
            let (value, of) = self.check(value)?;
            let of = without_optional(offset, of, optional)?;
            if self.mixed_allowed > 0 {
                types.push(of.clone());
            }
            self.join(&mut joined, offset, of);
            nodes.push(Element { value, optional });
        }
        self.elements = types;
        let of = joined.general.unwrap_or_else(|| self.unifier.unknown());
        Ok((Node::List(nodes), Type::list(of)))
    }

    fn map(&mut self, entries: Vec<Entry<Expression, Expression>>) -> Result<(Node, Type)> {
        let mut keys = Joined::default();
        let mut values = Joined::default();
        let mut nodes = Vec::with_capacity(entries.len());
        for Entry {
            offset,
            key,
            value,
            optional,
        } in entries
        {
            let (key_offset, value_offset) = (key.offset, value.offset);
            let (key, key_type) = self.check(key)?;
            let (value, value_type) = self.check(value)?;
            let value_type = without_optional(value_offset, value_type, optional)?;
            self.join(&mut keys, key_offset, key_type);
            self.join(&mut values, value_offset, value_type);
            nodes.push(Entry {
                offset,
                key,
                value,
                optional,
            });
        }
        let key = keys.general.unwrap_or_else(|| self.unifier.unknown());
        let value = values.general.unwrap_or_else(|| self.unifier.unknown());
        Ok((Node::Map(nodes), Type::map(key, value)))
    }

    fn join(&mut self, joined: &mut Joined, offset: u32, of: Type) {
        let Some(before) = joined.general.take() else {
            joined.first = Some(of.clone());
            joined.general = Some(of);
            return;
        };
        joined.general = Some(if self.unifier.is_assignable(&before, &of) {
            self.unifier.most_general(&before, &of)
        } else {
            Type::Dyn
        });
        if self.mixed_allowed == 0
            && let Some(first) = &joined.first
        {
            self.same.push((offset, first.clone(), of));
        }
    }

    fn message(
        &mut self,
        offset: u32,
        name: &str,
        fields: Vec<Entry<String, Expression>>,
    ) -> Result<(Node, Type)> {
        let message = messages::find(name)
            .ok_or_else(|| Located::new(offset, CompileProblem::NotAMessage(name.to_owned())))?;
        let mut nodes = Vec::with_capacity(fields.len());
        for Entry {
            offset,
            key,
            value,
            optional,
        } in fields
        {
            let Some(expected) = messages::field_type(message, &key) else {
                return Err(Located::new(offset, CompileProblem::UnknownField(key)));
            };
            let (value, of) = self.check(value)?;
            let of = without_optional(offset, of, optional)?;
            if !self.unifier.is_assignable(&expected, &of) {
                return Err(mismatch(offset, &expected, &of));
            }
            nodes.push(Entry {
                offset,
                key,
                value,
                optional,
            });
        }
        Ok((
            Node::Message {
                message,
                fields: nodes,
            },
            messages::result_type(message),
        ))
    }

    fn repeat(
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

    fn optional_map(
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

/// The types of the elements seen so far.
#[derive(Default)]
struct Joined {
    first: Option<Type>,
    general: Option<Type>,
}

fn without_optional(offset: u32, of: Type, optional: bool) -> Result<Type> {
    match of {
        Type::Optional(inner) if optional => Ok((*inner).clone()),
        Type::Dyn => Ok(Type::Dyn),
        other if optional => Err(mismatch(offset, &Type::optional(other.clone()), &other)),
        other => Ok(other),
    }
}

fn mismatch(offset: u32, expected: &Type, found: &Type) -> Located {
    let (expected, found) = (expected.to_string(), found.to_string());
    Located::new(offset, CompileProblem::TypeMismatch { expected, found })
}

fn constant(literal: Literal) -> (Node, Type) {
    let of = literal_type(&literal);
    (Node::Constant(literal), of)
}

fn literal_type(literal: &Literal) -> Type {
    match literal {
        Literal::Null => Type::Null,
        Literal::Bool(_) => Type::Bool,
        Literal::Int(_) => Type::Int,
        Literal::Uint(_) => Type::Uint,
        Literal::Double(_) => Type::Double,
        Literal::String(_) => Type::String,
        Literal::Bytes(_) => Type::Bytes,
        Literal::Timestamp(_) => Type::Timestamp,
        Literal::Duration(_) => Type::Duration,
        Literal::Type(_) => Type::Meta(Arc::new(Type::Dyn)),
    }
}

/// Returns `a.b.c` if that is what the expression is.
fn qualified_name(expression: &Expression) -> Option<String> {
    let mut parts = Vec::new();
    let mut current = expression;
    loop {
        match current.kind.as_ref() {
            Kind::Identifier { name, .. } => {
                parts.push(name.as_str());
                parts.reverse();
                return Some(parts.join("."));
            }
            Kind::Select {
                operand,
                field,
                optional: false,
            } => {
                parts.push(field);
                current = operand;
            }
            _ => return None,
        }
    }
}

/// Returns the value and the type of a name that stands for a type.
fn type_name(name: &str) -> Option<(Node, Type)> {
    let (name, of) = match name {
        "bool" => ("bool", Type::Bool),
        "bytes" => ("bytes", Type::Bytes),
        "double" => ("double", Type::Double),
        "int" => ("int", Type::Int),
        "list" => ("list", Type::list(Type::Dyn)),
        "map" => ("map", Type::map(Type::Dyn, Type::Dyn)),
        "null_type" => ("null_type", Type::Null),
        "optional_type" => ("optional_type", Type::optional(Type::Dyn)),
        "string" => ("string", Type::String),
        "type" => ("type", Type::Meta(Arc::new(Type::Dyn))),
        "uint" => ("uint", Type::Uint),
        "google.protobuf.Timestamp" => ("google.protobuf.Timestamp", Type::Timestamp),
        "google.protobuf.Duration" => ("google.protobuf.Duration", Type::Duration),
        _ => return None,
    };
    Some((
        Node::Constant(Literal::Type(name)),
        Type::Meta(Arc::new(of)),
    ))
}
