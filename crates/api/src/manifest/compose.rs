//! One document's YAML to a value and the positions of its fields.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag};
use serde_json::{Map, Value};

use super::split::Chunk;
use super::{Broken, Position, Positions, scalar};

/// Greatest nesting of lists and maps.
const DEPTH_LIMIT: usize = 64;
/// How much anchors and aliases may copy in one document: bytes of text plus [`NODE_COST`] for each
/// value.
const COPIES_LIMIT: usize = 1 << 20;
const NODE_COST: usize = 16;

/// Reads a document; `None` if it has no content.
pub(super) fn compose(chunk: &Chunk<'_>) -> Result<Option<(Value, Positions)>, Broken> {
    let mut composer = Composer {
        parser: Parser::new_from_str(chunk.text),
        anchors: HashMap::new(),
        copied: 0,
        lines_before: chunk.first_line.saturating_sub(1),
    };
    let mut root = None;
    loop {
        let (event, span) = composer.next()?;
        match event {
            Event::StreamEnd => break,
            Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
            event if root.is_none() => root = Some(composer.node(event, span, 0)?),
            _ => {
                let position = composer.position(span);
                return Err(
                    Broken::new(position, "not YAML: a second document begins here")
                        .with_hint("separate documents with a line `---`"),
                );
            }
        }
    }
    Ok(root
        .filter(|node| !node.value.is_null())
        .map(|node| (node.value, node.positions)))
}

/// A value with what is needed to place it elsewhere again.
#[derive(Clone)]
struct Node {
    value: Value,
    positions: Positions,
    cost: usize,
    height: usize,
}

struct Composer<'text> {
    parser: Parser<'text, StrInput<'text>>,
    anchors: HashMap<usize, Node>,
    copied: usize,
    lines_before: usize,
}

impl<'text> Composer<'text> {
    fn next(&mut self) -> Result<(Event<'text>, Span), Broken> {
        match self.parser.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => {
                let marker = error.marker();
                let position = Position::new(marker.line() + self.lines_before, marker.col() + 1);
                let broken = Broken::new(position, format!("not YAML: {}", error.info()));
                Err(match advice(error.info()) {
                    Some(hint) => broken.with_hint(hint),
                    None => broken,
                })
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn position(&self, span: Span) -> Position {
        Position::new(span.start.line() + self.lines_before, span.start.col() + 1)
    }

    fn node(&mut self, event: Event<'text>, span: Span, depth: usize) -> Result<Node, Broken> {
        let position = self.position(span);
        let (node, anchor) = match event {
            Event::Alias(anchor) => return self.alias(anchor, position, depth),
            Event::Scalar(text, style, anchor, tag) => {
                let cost = NODE_COST + text.len();
                let value = scalar_value(&text, style, tag.as_deref(), position)?;
                let positions = Positions::scalar(position);
                let node = Node {
                    value,
                    positions,
                    cost,
                    height: 0,
                };
                (node, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                refuse_tag(tag.as_deref(), "seq", position)?;
                check_depth(depth, position)?;
                (self.list(position, depth)?, anchor)
            }
            Event::MappingStart(anchor, tag) => {
                refuse_tag(tag.as_deref(), "map", position)?;
                check_depth(depth, position)?;
                (self.map(position, depth)?, anchor)
            }
            _ => return Err(Broken::new(position, "not YAML: a value is missing here")),
        };
        if anchor != 0 {
            self.charge(node.cost, position)?;
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn alias(&mut self, anchor: usize, position: Position, depth: usize) -> Result<Node, Broken> {
        // An anchor is known once its value is complete.
        let Some(node) = self.anchors.get(&anchor).cloned() else {
            return Err(Broken::new(
                position,
                "not YAML: an alias inside its own value",
            ));
        };
        check_depth(depth + node.height, position)?;
        self.charge(node.cost, position)?;
        Ok(node)
    }

    /// Counts a copy of a value.
    fn charge(&mut self, cost: usize, position: Position) -> Result<(), Broken> {
        self.copied = self.copied.saturating_add(cost);
        if self.copied <= COPIES_LIMIT {
            return Ok(());
        }
        let message = "anchors and aliases make this document too large";
        Err(Broken::new(position, message).with_hint("write the values out, or split the document"))
    }

    fn list(&mut self, position: Position, depth: usize) -> Result<Node, Broken> {
        let (mut values, mut places) = (Vec::new(), Vec::new());
        let (mut cost, mut height) = (NODE_COST, 0);
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                break;
            }
            let item_position = self.position(span);
            let item = self.node(event, span, depth + 1)?;
            cost += item.cost;
            height = height.max(item.height + 1);
            values.push(item.value);
            places.push(item.positions.at(item_position));
        }
        Ok(Node {
            value: Value::Array(values),
            positions: Positions::list(position, places),
            cost,
            height,
        })
    }

    fn map(&mut self, position: Position, depth: usize) -> Result<Node, Broken> {
        let mut map = MapBuilder::default();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let key_position = self.position(span);
            let (key, is_merge) = match event {
                Event::Scalar(text, style, ..) => {
                    let is_merge = text == "<<" && style == ScalarStyle::Plain;
                    (text.into_owned(), is_merge)
                }
                Event::Alias(anchor) => match self.alias(anchor, key_position, depth)?.value {
                    Value::String(text) => (text, false),
                    _ => return Err(no_key(key_position)),
                },
                _ => return Err(no_key(key_position)),
            };
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            if is_merge {
                map.merge(value, key_position)?;
            } else {
                map.insert(key, value, key_position)?;
            }
        }
        Ok(map.build(position))
    }
}

#[derive(Default)]
struct MapBuilder {
    values: Map<String, Value>,
    places: Vec<(String, Positions)>,
    merged: Vec<Node>,
    has_merge_key: bool,
    cost: usize,
    height: usize,
}

impl MapBuilder {
    fn insert(&mut self, key: String, node: Node, position: Position) -> Result<(), Broken> {
        if self.values.contains_key(&key) {
            let shown: String = key.chars().take(64).collect();
            return Err(
                Broken::new(position, format!("the key `{shown}` is there twice"))
                    .with_hint("only one of them can be meant; remove the other"),
            );
        }
        self.cost += node.cost + key.len();
        self.height = self.height.max(node.height + 1);
        self.places.push((key.clone(), node.positions.at(position)));
        self.values.insert(key, node.value);
        Ok(())
    }

    /// Remembers what a merge key brings; keys of the map itself win, earlier maps win over later
    /// ones (<https://yaml.org/type/merge.html>).
    fn merge(&mut self, node: Node, position: Position) -> Result<(), Broken> {
        if std::mem::replace(&mut self.has_merge_key, true) {
            return Err(Broken::new(position, "the key `<<` is there twice")
                .with_hint("write `<<: [*one, *two]`"));
        }
        self.cost += node.cost;
        self.height = self.height.max(node.height);
        match &node.value {
            Value::Object(_) => self.merged.push(node),
            Value::Array(items) if items.iter().all(Value::is_object) => self.merged.push(node),
            _ => {
                let message = "a merge key `<<` takes a map or a list of maps";
                return Err(Broken::new(position, message));
            }
        }
        Ok(())
    }

    fn build(mut self, position: Position) -> Node {
        for node in std::mem::take(&mut self.merged) {
            match node.value {
                Value::Object(fields) => self.take_missing(fields, &node.positions),
                Value::Array(items) => {
                    for (item, positions) in items.into_iter().zip(node.positions.items()) {
                        if let Value::Object(fields) = item {
                            self.take_missing(fields, positions);
                        }
                    }
                }
                _ => {}
            }
        }
        Node {
            value: Value::Object(self.values),
            positions: Positions::map(position, self.places),
            cost: self.cost + NODE_COST,
            height: self.height,
        }
    }

    fn take_missing(&mut self, fields: Map<String, Value>, positions: &Positions) {
        let places: HashMap<_, _> = positions.fields().collect();
        for (key, value) in fields {
            if self.values.contains_key(&key) {
                continue;
            }
            let place = places.get(key.as_str()).copied().unwrap_or(positions);
            self.places.push((key.clone(), place.clone()));
            self.values.insert(key, value);
        }
    }
}

fn scalar_value(
    text: &str,
    style: ScalarStyle,
    tag: Option<&Tag>,
    position: Position,
) -> Result<Value, Broken> {
    let resolved = || {
        scalar::resolve(text).ok_or_else(|| {
            Broken::new(position, "this number has no JSON form").with_hint("put it in quotes")
        })
    };
    let Some(tag) = tag else {
        return match style {
            ScalarStyle::Plain => resolved(),
            _ => Ok(Value::String(text.to_owned())),
        };
    };
    let name = if tag.is_yaml_core_schema() {
        tag.suffix.as_str()
    } else if tag.handle.is_empty() && tag.suffix == "!" {
        "str"
    } else {
        ""
    };
    let value = match name {
        "str" => return Ok(Value::String(text.to_owned())),
        "null" | "bool" | "int" | "float" => resolved()?,
        _ => return Err(unknown_tag(tag, position)),
    };
    let fits = match name {
        "null" => value.is_null(),
        "bool" => value.is_boolean(),
        "int" => value.is_u64() || value.is_i64(),
        _ => value.is_number(),
    };
    if fits {
        Ok(value)
    } else {
        Err(Broken::new(position, format!("this is no `!!{name}`")))
    }
}

fn refuse_tag(tag: Option<&Tag>, expected: &str, position: Position) -> Result<(), Broken> {
    match tag {
        Some(tag) if !(tag.is_yaml_core_schema() && tag.suffix == expected) => {
            Err(unknown_tag(tag, position))
        }
        _ => Ok(()),
    }
}

fn unknown_tag(tag: &Tag, position: Position) -> Broken {
    let shown: String = tag.to_string().chars().take(64).collect();
    Broken::new(position, format!("the tag `{shown}` is not known"))
        .with_hint("Kubernetes manifests do without tags; remove it")
}

fn no_key(position: Position) -> Broken {
    Broken::new(position, "a key must be a plain text, not a list or a map")
}

fn check_depth(depth: usize, position: Position) -> Result<(), Broken> {
    if depth < DEPTH_LIMIT {
        return Ok(());
    }
    let message = format!("nested more than {DEPTH_LIMIT} levels deep");
    Err(Broken::new(position, message))
}

/// What usually helps against a parser's message.
fn advice(message: &str) -> Option<&'static str> {
    let has = |part: &str| message.contains(part);
    if has("tab") {
        Some("YAML takes only spaces for indentation")
    } else if has("mapping values are not allowed") || has("simple key") {
        Some("check the indentation, and put texts that contain `: ` in quotes")
    } else if has("quoted scalar") && has("end of stream") {
        Some("a closing quote is missing")
    } else if has("unexpected character") {
        Some("put texts that start with `@`, `` ` `` or `%` in quotes")
    } else if has("unknown anchor") || has("anchor or alias") {
        Some("put texts that start with `*` in quotes, such as `'*'`")
    } else if has("block mapping") || has("indentation") || has("block collection") {
        Some("check the indentation of this line and of the ones before")
    } else {
        None
    }
}
