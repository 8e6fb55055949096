//! Static types, and finding out what the unknown parts of them are.

use std::fmt;
use std::sync::Arc;

/// Steps of comparing and replacing types that one compilation may take.
const WORK_LIMIT: u32 = 1_000_000;
/// Nesting of types.
const DEPTH_LIMIT: u32 = 300;

/// The type of an expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Type {
    Dyn,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Timestamp,
    Duration,
    /// A scalar that may be null.
    Wrapper(Arc<Type>),
    List(Arc<Type>),
    Map(Arc<Type>, Arc<Type>),
    Optional(Arc<Type>),
    /// The type of a type.
    Meta(Arc<Type>),
    /// A type that is not known yet.
    Unknown(usize),
}

impl fmt::Display for Type {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Dyn | Type::Unknown(_) => formatter.write_str("dyn"),
            Type::Null => formatter.write_str("null_type"),
            Type::Bool => formatter.write_str("bool"),
            Type::Int => formatter.write_str("int"),
            Type::Uint => formatter.write_str("uint"),
            Type::Double => formatter.write_str("double"),
            Type::String => formatter.write_str("string"),
            Type::Bytes => formatter.write_str("bytes"),
            Type::Timestamp => formatter.write_str("google.protobuf.Timestamp"),
            Type::Duration => formatter.write_str("google.protobuf.Duration"),
            Type::Wrapper(of) => write!(formatter, "wrapper({of})"),
            Type::List(of) => write!(formatter, "list({of})"),
            Type::Map(key, value) => write!(formatter, "map({key}, {value})"),
            Type::Optional(of) => write!(formatter, "optional_type({of})"),
            Type::Meta(of) => write!(formatter, "type({of})"),
        }
    }
}

impl Type {
    pub(super) fn list(of: Type) -> Type {
        Type::List(Arc::new(of))
    }

    pub(super) fn map(key: Type, value: Type) -> Type {
        Type::Map(Arc::new(key), Arc::new(value))
    }

    pub(super) fn optional(of: Type) -> Type {
        Type::Optional(Arc::new(of))
    }

    fn is_nullable(&self) -> bool {
        matches!(
            self,
            Type::Null | Type::Optional(_) | Type::Timestamp | Type::Duration | Type::Wrapper(_)
        )
    }
}

/// What the unknown types have turned out to be.
#[derive(Debug, Default)]
pub(super) struct Unifier {
    known: Vec<Option<Type>>,
    /// Unknown types and what they were before, newest last, so that a failed attempt can be undone.
    changes: Vec<(usize, Option<Type>)>,
    work: u32,
    depth: u32,
    exhausted: bool,
}

impl Unifier {
    /// Makes a new unknown type.
    pub(super) fn unknown(&mut self) -> Type {
        self.known.push(None);
        Type::Unknown(self.known.len() - 1)
    }

    /// Tells whether types got so complex that answers are no longer right.
    pub(super) fn is_exhausted(&self) -> bool {
        self.exhausted
    }

    /// Tells whether all `from` can stand where `to` are wanted; if so, remembers what that implies.
    pub(super) fn assign_all(&mut self, from: &[Type], to: &[Type]) -> bool {
        let mark = self.changes.len();
        let fits = from.len() == to.len() && from.iter().zip(to).all(|(f, t)| self.assign(f, t));
        if !fits {
            while self.changes.len() > mark {
                if let Some((index, before)) = self.changes.pop()
                    && let Some(slot) = self.known.get_mut(index)
                {
                    *slot = before;
                }
            }
        }
        fits
    }

    /// Like [`Unifier::assign_all`], for one type.
    pub(super) fn is_assignable(&mut self, from: &Type, to: &Type) -> bool {
        self.assign_all(std::slice::from_ref(from), std::slice::from_ref(to))
    }

    /// Returns the more general of two types of which one is assignable to the other.
    pub(super) fn most_general(&mut self, left: &Type, right: &Type) -> Type {
        if self.is_less_specific(left, right) {
            left.clone()
        } else {
            right.clone()
        }
    }

    /// Replaces unknown types by what is known of them by now.
    pub(super) fn resolve(&mut self, of: &Type) -> Type {
        if !self.enter() {
            return Type::Dyn;
        }
        let resolved = match of {
            Type::Unknown(index) => match self.lookup(*index) {
                Some(known) => self.resolve(&known),
                None => of.clone(),
            },
            Type::List(inner) => Type::list(self.resolve(inner)),
            Type::Map(key, value) => Type::map(self.resolve(key), self.resolve(value)),
            Type::Optional(inner) => Type::optional(self.resolve(inner)),
            Type::Meta(inner) => Type::Meta(Arc::new(self.resolve(inner))),
            other => other.clone(),
        };
        self.leave();
        resolved
    }

    /// Copies a type of a signature: its parameters become the given unknown types.
    pub(super) fn instantiate(of: &Type, parameters: &[Type]) -> Type {
        let inner = |of: &Arc<Type>| Self::instantiate(of, parameters);
        match of {
            Type::Unknown(index) => parameters.get(*index).cloned().unwrap_or(Type::Dyn),
            Type::List(of) => Type::list(inner(of)),
            Type::Map(key, value) => Type::map(inner(key), inner(value)),
            Type::Optional(of) => Type::optional(inner(of)),
            Type::Meta(of) => Type::Meta(Arc::new(inner(of))),
            other => other.clone(),
        }
    }

    fn enter(&mut self) -> bool {
        self.work = self.work.saturating_add(1);
        if self.work > WORK_LIMIT || self.depth > DEPTH_LIMIT {
            self.exhausted = true;
        }
        if self.exhausted {
            return false;
        }
        self.depth += 1;
        true
    }

    fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    fn lookup(&self, index: usize) -> Option<Type> {
        self.known.get(index).cloned().flatten()
    }

    fn set(&mut self, index: usize, to: Type) {
        if let Some(slot) = self.known.get_mut(index) {
            self.changes.push((index, slot.replace(to)));
        }
    }

    fn assign(&mut self, from: &Type, to: &Type) -> bool {
        if !self.enter() {
            return false;
        }
        let fits = self.assign_entered(from, to);
        self.leave();
        fits
    }

    fn assign_entered(&mut self, from: &Type, to: &Type) -> bool {
        if let Type::Unknown(index) = to {
            let (fits, was_known) = self.substitute(from, *index);
            if fits || was_known {
                return fits;
            }
        }
        match (from, to) {
            (Type::Unknown(index), _) => self.substitute(to, *index).0,
            (Type::Dyn, _) | (_, Type::Dyn) | (Type::Meta(_), Type::Meta(_)) => true,
            (Type::Null, other) | (other, Type::Null) => other.is_nullable(),
            (Type::List(from), Type::List(to)) | (Type::Optional(from), Type::Optional(to)) => {
                self.assign(from, to)
            }
            (Type::Map(from_key, from_value), Type::Map(to_key, to_value)) => {
                self.assign(from_key, to_key) && self.assign(from_value, to_value)
            }
            (Type::Wrapper(scalar), other) | (other, Type::Wrapper(scalar)) => {
                **scalar == *other || from == to
            }
            (Type::List(_) | Type::Map(..) | Type::Optional(_), _)
            | (_, Type::List(_) | Type::Map(..) | Type::Optional(_)) => false,
            (from, to) => from == to,
        }
    }

    /// Tells whether the unknown type can be `is`, and whether something was known about it before.
    fn substitute(&mut self, is: &Type, index: usize) -> (bool, bool) {
        if *is == Type::Unknown(index) {
            return (true, true);
        }
        if let Some(known) = self.lookup(index) {
            if *is == known {
                return (true, true);
            }
            if !self.assign(is, &known) {
                return (false, true);
            }
            let general = self.most_general(is, &known);
            if !self.refers_to(&general, index) {
                self.set(index, general);
            }
            return (true, true);
        }
        if self.refers_to(is, index) {
            return (false, false);
        }
        self.set(index, is.clone());
        (true, false)
    }

    /// Tells whether the unknown type is a part of `of`.
    fn refers_to(&mut self, of: &Type, index: usize) -> bool {
        if !self.enter() {
            return true;
        }
        let refers = match of {
            Type::Unknown(other) if *other == index => true,
            Type::Unknown(other) => match self.lookup(*other) {
                Some(known) => self.refers_to(&known, index),
                None => false,
            },
            Type::List(inner) | Type::Optional(inner) | Type::Meta(inner) => {
                self.refers_to(inner, index)
            }
            Type::Map(key, value) => self.refers_to(key, index) || self.refers_to(value, index),
            _ => false,
        };
        self.leave();
        refers
    }

    fn is_less_specific(&mut self, left: &Type, right: &Type) -> bool {
        if !self.enter() {
            return false;
        }
        let less = match (left, right) {
            (Type::Dyn | Type::Unknown(_), _) | (Type::Meta(_), Type::Meta(_)) => true,
            (_, Type::Dyn | Type::Unknown(_)) => false,
            (Type::List(left), Type::List(right))
            | (Type::Optional(left), Type::Optional(right)) => self.is_less_specific(left, right),
            (Type::Map(left_key, left_value), Type::Map(right_key, right_value)) => {
                self.is_less_specific(left_key, right_key)
                    && self.is_less_specific(left_value, right_value)
            }
            (left, right) => left == right,
        };
        self.leave();
        less
    }
}
