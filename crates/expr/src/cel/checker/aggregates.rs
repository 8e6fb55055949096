//! Lists, maps and messages.

use super::{Checker, Result, mismatch};
use crate::cel::ast::{Element, Entry, Expression};
use crate::cel::error::{CompileProblem, Located};
use crate::cel::messages;
use crate::cel::node::Node;
use crate::cel::types::Type;

impl Checker<'_> {
    pub(super) fn list(&mut self, elements: Vec<Element<Expression>>) -> Result<(Node, Type)> {
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

    pub(super) fn map(
        &mut self,
        entries: Vec<Entry<Expression, Expression>>,
    ) -> Result<(Node, Type)> {
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

    pub(super) fn message(
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
