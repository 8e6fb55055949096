//! Manifests as JSON values: the part of YAML that fixtures and documentation use.

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

/// All documents of a text.
pub fn documents(text: &str) -> Vec<Value> {
    let mut events = Parser::new_from_str(text).map(|event| event.expect("valid YAML").0);
    let mut documents = Vec::new();
    while let Some(event) = events.next() {
        if let Event::DocumentStart(_) = event {
            let first = events.next().expect("a document");
            documents.push(node(first, &mut events));
        }
    }
    documents
}

fn node<'a>(event: Event<'a>, events: &mut impl Iterator<Item = Event<'a>>) -> Value {
    match event {
        Event::Scalar(text, ScalarStyle::Plain, _, None) => plain(&text),
        Event::Scalar(text, ..) => Value::String(text.into_owned()),
        Event::SequenceStart(..) => {
            let mut items = Vec::new();
            loop {
                match events.next().expect("the end of a list") {
                    Event::SequenceEnd => return Value::Array(items),
                    item => items.push(node(item, events)),
                }
            }
        }
        Event::MappingStart(..) => {
            let mut entries = Map::new();
            loop {
                match events.next().expect("the end of a map") {
                    Event::MappingEnd => return Value::Object(entries),
                    Event::Scalar(key, ..) => {
                        let value = events.next().expect("a value");
                        entries.insert(key.into_owned(), node(value, events));
                    }
                    other => panic!("{other:?} cannot be a key here"),
                }
            }
        }
        other => panic!("{other:?} is not used in fixtures"),
    }
}

fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => text
            .parse::<i64>()
            .map_or_else(|_| Value::String(text.to_owned()), Value::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn manifests_become_json() {
        let text = "a: 1\nb:\n  - x: 'true'\n  - y\n---\nc: |\n  two\n  lines\n";
        assert_eq!(
            documents(text),
            [
                json!({"a": 1, "b": [{"x": "true"}, "y"]}),
                json!({"c": "two\nlines\n"})
            ]
        );
    }
}
