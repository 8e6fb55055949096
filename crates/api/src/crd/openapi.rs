//! Turns the tables into `OpenAPI` schemas.

use serde_json::{Map, Value, json};

use super::ProviderTypes;
use super::descriptions;
use super::versions::{REFERENCE_PROVIDER_TYPES, Version, followed_by};
use crate::schema::{
    DEFAULT_EVENT_SEVERITY, DEFAULT_RECEIVER_INTERVAL, Field, Shape, TextFormat, TextRules,
};

/// A rule over several fields, for `x-kubernetes-validations`.
pub(super) struct SpecRule {
    pub(super) expression: String,
    pub(super) message: String,
}

/// Makes the schema of `spec`.
pub(super) fn spec(
    kind: &str,
    shape: &Shape,
    rules: &[SpecRule],
    version: &Version,
    types: ProviderTypes<'_>,
) -> Value {
    let writer = Writer {
        kind,
        version,
        types,
    };
    let mut schema = writer.schema(shape, "spec");
    if !rules.is_empty() {
        let rules = rules
            .iter()
            .map(|rule| json!({"rule": rule.expression, "message": rule.message}))
            .collect();
        schema.insert("x-kubernetes-validations".to_owned(), rules);
    }
    Value::Object(schema)
}

struct Writer<'a> {
    kind: &'a str,
    version: &'a Version,
    types: ProviderTypes<'a>,
}

impl Writer<'_> {
    /// `path` leads from the object to the value; items of lists have the path of their list.
    fn schema(&self, shape: &Shape, path: &str) -> Map<String, Value> {
        let mut schema = match shape {
            Shape::Object(fields) => self.object(fields, path),
            Shape::Text(rules) => self.text(rules, path),
            Shape::Boolean => map(json!({"type": "boolean"})),
            Shape::List(item) => self.list(item, path),
            Shape::NonEmptyList(item) => {
                let mut list = self.list(item, path);
                list.insert("minItems".to_owned(), 1.into());
                list
            }
            Shape::KeyedList { item, key } => {
                let mut list = self.list(item, path);
                list.insert("x-kubernetes-list-type".to_owned(), "map".into());
                list.insert("x-kubernetes-list-map-keys".to_owned(), json!([key]));
                list
            }
            Shape::TextMap => map(json!({
                "type": "object",
                "additionalProperties": {"type": "string"},
            })),
        };
        if let Some(default) = self.default(path) {
            schema.insert("default".to_owned(), default.into());
        }
        schema
    }

    fn object(&self, fields: &[Field], path: &str) -> Map<String, Value> {
        let mut properties = Map::new();
        for field in fields {
            let path = format!("{path}.{}", field.name);
            let mut schema = self.schema(&field.shape, &path);
            if let Some(text) = self.description(field, &path) {
                schema.insert("description".to_owned(), text.into());
            }
            properties.insert(field.name.to_owned(), Value::Object(schema));
        }
        let mut required: Vec<&str> = fields
            .iter()
            .filter(|field| field.required)
            .map(|field| field.name)
            .collect();
        required.sort_unstable();
        let mut schema = map(json!({"type": "object", "properties": properties}));
        if !required.is_empty() {
            schema.insert("required".to_owned(), json!(required));
        }
        schema
    }

    fn list(&self, item: &Shape, path: &str) -> Map<String, Value> {
        map(json!({"type": "array", "items": self.schema(item, path)}))
    }

    fn text(&self, rules: &TextRules, path: &str) -> Map<String, Value> {
        let mut schema = map(json!({"type": "string"}));
        if rules.min_length > 0 {
            schema.insert("minLength".to_owned(), rules.min_length.into());
        }
        if let Some(limit) = rules
            .max_length
            .filter(|_| !self.version.unlimited.contains(&path))
        {
            schema.insert("maxLength".to_owned(), limit.into());
        }
        match rules.format {
            TextFormat::Any => {}
            TextFormat::OneOf(words) => {
                schema.insert("enum".to_owned(), json!(words));
            }
            TextFormat::ProviderType => {
                let names = followed_by(&REFERENCE_PROVIDER_TYPES, self.types.all);
                schema.insert("enum".to_owned(), json!(names));
            }
            TextFormat::Duration(units) => {
                let pattern = format!(r"^([0-9]+(\.[0-9]+)?({}))+$", units.join("|"));
                schema.insert("pattern".to_owned(), pattern.into());
            }
            // The reference's patterns, letter for letter: its messages show them.
            TextFormat::HttpUrl => {
                schema.insert("pattern".to_owned(), "^https?://".into());
            }
            TextFormat::HttpUrlLine => {
                schema.insert("pattern".to_owned(), "^(http|https)://.*$".into());
            }
            TextFormat::ObjectKind => {
                schema.insert("pattern".to_owned(), "^[A-Z][A-Za-z0-9]*$".into());
            }
        }
        schema
    }

    /// Defaults that the API server fills in (`crds.md` sections 3.1, 4.1 and 5.3).
    fn default(&self, path: &str) -> Option<&'static str> {
        match (self.kind, path) {
            ("Alert", "spec.eventSeverity") => Some(DEFAULT_EVENT_SEVERITY),
            ("Receiver", "spec.interval") if self.version.is_stored() => {
                Some(DEFAULT_RECEIVER_INTERVAL)
            }
            _ => None,
        }
    }

    fn description(&self, field: &Field, path: &str) -> Option<String> {
        let text = descriptions::find(self.kind, path)?;
        Some(match field.deprecated {
            Some(advice) => format!("{text} Deprecated: {advice}."),
            None => text.to_owned(),
        })
    }
}

fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
