//! Runs a program.
//!
//! Errors are values to `&&`, `||`, `all` and `exists`, which may not need the part that failed. An
//! exhausted budget is not: it ends the evaluation from wherever it is noticed.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::ast::{Element, Entry, Literal, Loop};
use super::error::EvaluationError;
use super::functions;
use super::meter::Meter;
use super::node::{Message, Node};
use super::signatures::Function;
use super::value::{Key, List, Map, Text, Value};
use crate::regex::Pattern;

type Result<T> = std::result::Result<T, EvaluationError>;

/// Memory of one entry of a map, roughly.
const ENTRY_SIZE: usize = 160;
/// Work of compiling a pattern that only shows during evaluation, however short: a few characters
/// can stand for a large automaton.
const WORK_PER_PATTERN: u64 = 20_000;
/// Work of compiling each byte of it.
const WORK_PER_PATTERN_BYTE: u64 = 50;

/// One run of a program.
pub(super) struct Evaluator<'v> {
    /// By place; what was not given is missing.
    variables: Vec<Option<Value<'v>>>,
    names: &'v [String],
    locals: Vec<Value<'v>>,
    /// The last pattern that was not a constant: loops tend to use the same one.
    pattern: Option<Pattern>,
    pub(super) meter: Meter,
}

impl<'v> Evaluator<'v> {
    pub(super) fn new(
        names: &'v [String],
        variables: Vec<Option<Value<'v>>>,
        meter: Meter,
    ) -> Self {
        Self {
            variables,
            names,
            locals: Vec::new(),
            pattern: None,
            meter,
        }
    }

    /// Computes the value of a node. Keeps nothing itself: every level has a frame of this function.
    pub(super) fn evaluate(&mut self, node: &'v Node) -> Result<Value<'v>> {
        self.meter.step(1)?;
        match node {
            Node::Constant(literal) => self.constant(literal),
            Node::Variable(index) => self.variable(*index),
            Node::Local(index) => self.local(*index),
            Node::Select {
                operand,
                field,
                optional,
            } => self.select(operand, field, *optional),
            Node::Has { operand, field } => self.has(operand, field),
            Node::Conditional(parts) => self.conditional(parts),
            Node::And(parts) => self.logic(parts, false),
            Node::Or(parts) => self.logic(parts, true),
            Node::List(elements) => self.list(elements),
            Node::Map(entries) => self.map(entries),
            Node::Message { message, fields } => self.message(*message, fields),
            Node::Call {
                function,
                arguments,
            } => self.call(*function, arguments),
            Node::Matches { text, pattern } => self.matches(text, pattern),
            Node::Loop {
                kind,
                range,
                condition,
                transform,
            } => self.repeat(*kind, range, condition.as_deref(), transform.as_deref()),
            Node::OptionalMap {
                target,
                transform,
                flat,
            } => self.optional_map(target, transform, *flat),
        }
    }

    fn local(&self, index: usize) -> Result<Value<'v>> {
        let local = self.locals.get(index).cloned();
        local.ok_or_else(|| EvaluationError::NoSuchVariable("of a loop".to_owned()))
    }

    fn select(&mut self, operand: &'v Node, field: &str, optional: bool) -> Result<Value<'v>> {
        let operand = self.evaluate(operand)?;
        select(&operand, field, optional)
    }

    fn has(&mut self, operand: &'v Node, field: &str) -> Result<Value<'v>> {
        let operand = self.evaluate(operand)?;
        has(&operand, field)
    }

    fn matches(&mut self, text: &'v Node, pattern: &Pattern) -> Result<Value<'v>> {
        let text = self.evaluate(text)?;
        functions::matches(&text, pattern, &mut self.meter)
    }

    fn constant(&mut self, literal: &'v Literal) -> Result<Value<'v>> {
        Ok(match literal {
            Literal::Null => Value::Null,
            Literal::Bool(value) => Value::Bool(*value),
            Literal::Int(value) => Value::Int(*value),
            Literal::Uint(value) => Value::Uint(*value),
            Literal::Double(value) => Value::Double(*value),
            Literal::String(text) => Value::String(Text::Given(text)),
            Literal::Bytes(bytes) => {
                self.meter.allocate(bytes.len())?;
                Value::Bytes(bytes.as_ref().into())
            }
            Literal::Timestamp(nanoseconds) => Value::Timestamp(*nanoseconds),
            Literal::Duration(nanoseconds) => Value::Duration(*nanoseconds),
            Literal::Type(name) => Value::Type(name),
        })
    }

    fn variable(&self, index: usize) -> Result<Value<'v>> {
        if let Some(Some(value)) = self.variables.get(index) {
            return Ok(value.clone());
        }
        let name = self.names.get(index).cloned().unwrap_or_default();
        Err(EvaluationError::NoSuchVariable(name))
    }

    /// Matches with a pattern that is no constant.
    fn matches_any(&mut self, text: &'v Node, pattern: &'v Node) -> Result<Value<'v>> {
        let text = self.evaluate(text)?;
        let Value::String(source) = self.evaluate(pattern)? else {
            return Err(EvaluationError::NoSuchOverload("matches"));
        };
        let source = source.as_str();
        self.meter.scan(source.len())?;
        if self
            .pattern
            .as_ref()
            .is_none_or(|pattern| pattern.source() != source)
        {
            let length = u64::try_from(source.len()).unwrap_or(u64::MAX);
            let work = length.saturating_mul(WORK_PER_PATTERN_BYTE);
            self.meter.step(work.saturating_add(WORK_PER_PATTERN))?;
            self.pattern = Some(Pattern::compile(source).map_err(EvaluationError::Pattern)?);
        }
        match &self.pattern {
            Some(pattern) => functions::matches(&text, pattern, &mut self.meter),
            None => Err(EvaluationError::NoSuchOverload("matches")),
        }
    }

    fn conditional(&mut self, parts: &'v [Node; 3]) -> Result<Value<'v>> {
        let [condition, positive, negative] = parts;
        match self.evaluate(condition)? {
            Value::Bool(true) => self.evaluate(positive),
            Value::Bool(false) => self.evaluate(negative),
            _ => Err(EvaluationError::NoSuchOverload("_?_:_")),
        }
    }

    /// Computes `||` if `decisive` is true, `&&` if it is false.
    fn logic(&mut self, parts: &'v [Node], decisive: bool) -> Result<Value<'v>> {
        let mut failure = None;
        for part in parts {
            let value = self.evaluate(part);
            if decides(value, decisive, &mut failure)? {
                return Ok(Value::Bool(decisive));
            }
        }
        failure.map_or(Ok(Value::Bool(!decisive)), Err)
    }

    fn list(&mut self, elements: &'v [Element<Node>]) -> Result<Value<'v>> {
        self.meter.allocate_values(elements.len())?;
        let mut values = Vec::with_capacity(elements.len());
        for Element { value, optional } in elements {
            let value = self.evaluate(value)?;
            if *optional {
                values.extend(unwrapped(value)?);
            } else {
                values.push(value);
            }
        }
        Ok(Value::list(values))
    }

    fn map(&mut self, entries: &'v [Entry<Node, Node>]) -> Result<Value<'v>> {
        let mut map = BTreeMap::new();
        for Entry {
            key,
            value,
            optional,
            ..
        } in entries
        {
            let key = self.evaluate(key)?;
            let value = self.evaluate(value)?;
            let value = if *optional {
                unwrapped(value)?
            } else {
                Some(value)
            };
            if let Some(value) = value {
                let length = if let Value::String(text) = &key {
                    text.as_str().len()
                } else {
                    0
                };
                self.meter.allocate(ENTRY_SIZE.saturating_add(length))?;
                let problem = EvaluationError::InvalidArgument("unsupported type of map key");
                map.insert(Key::of(&key).ok_or(problem)?, (key, value));
            }
        }
        Ok(Value::Map(Map::Made(Rc::new(map))))
    }

    fn message(
        &mut self,
        message: Message,
        fields: &'v [Entry<String, Node>],
    ) -> Result<Value<'v>> {
        let mut values = Vec::with_capacity(fields.len());
        for Entry {
            key,
            value,
            optional,
            ..
        } in fields
        {
            let value = self.evaluate(value)?;
            let value = if *optional {
                unwrapped(value)?
            } else {
                Some(value)
            };
            if let Some(value) = value {
                values.push((key.as_str(), value));
            }
        }
        functions::message(message, values)
    }

    fn call(&mut self, function: Function, arguments: &'v [Node]) -> Result<Value<'v>> {
        if matches!(function, Function::Or | Function::OrValue)
            && let [first, second] = arguments
        {
            // The alternative is not looked at when there is a value.
            return match self.evaluate(first)? {
                Value::Optional(None) => self.evaluate(second),
                Value::Optional(Some(value)) if function == Function::OrValue => {
                    Ok(Value::clone(&value))
                }
                // Also something dynamic that is no optional.
                some => Ok(some),
            };
        }
        if function == Function::Matches
            && let [first, second] = arguments
        {
            return self.matches_any(first, second);
        }
        if matches!(function, Function::Index | Function::OptionalIndex)
            && let [first, second] = arguments
        {
            let operand = self.evaluate(first)?;
            if matches!(operand, Value::Optional(None)) {
                return Ok(operand);
            }
            let key = self.evaluate(second)?;
            return functions::call(function, &[operand, key], &mut self.meter);
        }
        let mut values = Vec::with_capacity(arguments.len());
        for argument in arguments {
            values.push(self.evaluate(argument)?);
        }
        functions::call(function, &values, &mut self.meter)
    }

    fn repeat(
        &mut self,
        kind: Loop,
        range: &'v Node,
        condition: Option<&'v Node>,
        transform: Option<&'v Node>,
    ) -> Result<Value<'v>> {
        let range = match self.evaluate(range)? {
            Value::List(list) => list,
            Value::Map(map) => self.keys(&map)?,
            _ => return Err(EvaluationError::NoSuchOverload("loop")),
        };
        let mut run = Run {
            kind,
            failure: None,
            found: 0,
            values: Vec::new(),
        };
        for element in range.iter() {
            self.meter.step(1)?;
            self.locals.push(element.clone());
            let done = self.turn(&mut run, element, condition, transform);
            self.locals.pop();
            if done? {
                return Ok(Value::Bool(kind == Loop::Exists));
            }
        }
        match (kind, run.failure) {
            (Loop::All | Loop::Exists, Some(failure)) => Err(failure),
            (Loop::All | Loop::Exists, None) => Ok(Value::Bool(kind == Loop::All)),
            (Loop::ExistsOne, _) => Ok(Value::Bool(run.found == 1)),
            (Loop::Filter | Loop::Map, _) => Ok(Value::list(run.values)),
        }
    }

    /// Goes through a loop once; tells whether its result is clear already.
    fn turn(
        &mut self,
        run: &mut Run<'v>,
        element: Value<'v>,
        condition: Option<&'v Node>,
        transform: Option<&'v Node>,
    ) -> Result<bool> {
        let condition = condition.map(|condition| self.evaluate(condition));
        if matches!(run.kind, Loop::All | Loop::Exists) {
            let decisive = run.kind == Loop::Exists;
            return condition.map_or(Ok(false), |value| {
                decides(value, decisive, &mut run.failure)
            });
        }
        match condition.transpose()? {
            None | Some(Value::Bool(true)) => {}
            Some(Value::Bool(false)) => return Ok(false),
            Some(_) => return Err(EvaluationError::NoSuchOverload("_?_:_")),
        }
        run.found += 1;
        match (run.kind, transform) {
            (Loop::Map, Some(transform)) => {
                let value = self.evaluate(transform)?;
                self.meter.allocate_values(1)?;
                run.values.push(value);
            }
            (Loop::Filter, _) => {
                self.meter.allocate_values(1)?;
                run.values.push(element);
            }
            _ => {}
        }
        Ok(false)
    }

    fn keys(&mut self, map: &Map<'v>) -> Result<List<'v>> {
        self.meter.allocate_values(map.len())?;
        let keys: Vec<Value<'v>> = map.entries().map(|(key, _)| key).collect();
        Ok(List::Made(keys.into()))
    }

    fn optional_map(
        &mut self,
        target: &'v Node,
        transform: &'v Node,
        flat: bool,
    ) -> Result<Value<'v>> {
        let value = match self.evaluate(target)? {
            Value::Optional(Some(value)) => Value::clone(&value),
            none @ Value::Optional(None) => return Ok(none),
            _ => return Err(EvaluationError::NoSuchOverload("optMap")),
        };
        self.locals.push(value);
        let result = self.evaluate(transform);
        self.locals.pop();
        Ok(match result? {
            result if flat => result,
            // The reference keeps no optional in an optional here.
            Value::Optional(value) => {
                Value::some(value.map_or(Value::Null, |value| Value::clone(&value)))
            }
            result => Value::some(result),
        })
    }
}

/// How far a loop has come.
struct Run<'v> {
    kind: Loop,
    failure: Option<EvaluationError>,
    found: u64,
    values: Vec<Value<'v>>,
}

/// Tells whether an operand decides `||` or `&&` alone; keeps its failure for later if it has one.
fn decides(
    value: Result<Value<'_>>,
    decisive: bool,
    failure: &mut Option<EvaluationError>,
) -> Result<bool> {
    let error = match value {
        Ok(Value::Bool(value)) => return Ok(value == decisive),
        Ok(_) => EvaluationError::NoSuchOverload(if decisive { "_||_" } else { "_&&_" }),
        Err(error) if error.is_fatal() => return Err(error),
        Err(error) => error,
    };
    failure.get_or_insert(error);
    Ok(false)
}

fn unwrapped(value: Value<'_>) -> Result<Option<Value<'_>>> {
    match value {
        Value::Optional(value) => Ok(value.map(|value| Value::clone(&value))),
        _ => Err(EvaluationError::InvalidArgument(
            "an optional entry needs an optional value",
        )),
    }
}

fn select<'v>(operand: &Value<'v>, field: &str, optional: bool) -> Result<Value<'v>> {
    match operand {
        Value::Optional(None) => Ok(Value::Optional(None)),
        Value::Optional(Some(inner)) => select(inner, field, true),
        Value::Map(map) => match map.field(field) {
            Some(value) if optional => Ok(Value::some(value)),
            Some(value) => Ok(value),
            None if optional => Ok(Value::Optional(None)),
            None => Err(EvaluationError::NoSuchKey(
                field.chars().take(100).collect(),
            )),
        },
        Value::List(_) => Err(EvaluationError::NoSuchOverload("selection of a field")),
        // What has no fields at all lacks this one.
        _ if optional => Ok(Value::Optional(None)),
        _ => Err(EvaluationError::NoSuchOverload("selection of a field")),
    }
}

fn has<'v>(operand: &Value<'v>, field: &str) -> Result<Value<'v>> {
    match operand {
        Value::Optional(Some(inner)) => has(inner, field),
        Value::Map(map) => Ok(Value::Bool(map.field(field).is_some())),
        Value::List(_) => Err(EvaluationError::NoSuchOverload("has")),
        _ => Ok(Value::Bool(false)),
    }
}
