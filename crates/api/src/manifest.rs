//! Manifests: YAML text to objects that remember where each field was written.
//!
//! Every document of a text stands alone: one that is broken is reported with its line and column
//! and does not hurt the others. Scalars mean what Kubernetes' own converter makes of them, so `yes`
//! and `on` are booleans. JSON is read too. No input, however hostile, takes more memory than a
//! fixed multiple of its size.

mod compose;
mod json;
mod positions;
mod scalar;
mod split;

use std::fmt;

use serde_json::Value;

use crate::Problem;

pub use positions::{Position, Positions};

/// Greatest size of one document; Kubernetes stores no larger objects
/// (<https://etcd.io/docs/v3.5/dev-guide/limit/>).
pub const DOCUMENT_LIMIT: usize = 1 << 20;
/// Greatest size of one file.
pub const FILE_LIMIT: usize = 16 << 20;
/// Greatest number of documents in one file.
pub const DOCUMENTS_LIMIT: usize = 100_000;

/// One object and where its fields were written.
#[derive(Clone)]
pub struct Manifest {
    /// The object; always a JSON object.
    pub object: Value,
    /// Where its fields were written.
    pub positions: Positions,
}

impl fmt::Debug for Manifest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The object may be a Secret.
        formatter
            .debug_struct("Manifest")
            .field("position", &self.positions.root())
            .finish_non_exhaustive()
    }
}

/// A document, or an item of a list, that is no object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Where it goes wrong.
    pub position: Position,
    /// What is wrong.
    pub problem: Problem,
}

impl Broken {
    fn new(position: Position, message: impl Into<String>) -> Self {
        Self {
            position,
            problem: Problem::error("", message),
        }
    }

    fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.problem = self.problem.with_hint(hint);
        self
    }
}

/// Reads all documents of a text in order. Empty ones are left out, and a `List` stands for its
/// items.
pub fn parse(text: &str) -> Vec<Result<Manifest, Broken>> {
    if text.len() > FILE_LIMIT {
        let message = format!("is larger than {} MiB", FILE_LIMIT >> 20);
        return vec![Err(Broken::new(Position::START, message))];
    }
    let mut documents = Vec::new();
    for chunk in split::split(text) {
        if documents.len() >= DOCUMENTS_LIMIT {
            let message = format!("more than {DOCUMENTS_LIMIT} documents; the rest is not read");
            let position = Position::new(chunk.first_line, 1);
            documents.push(Err(Broken::new(position, message)));
            break;
        }
        match read(&chunk) {
            Ok(Some(manifest)) => expand(manifest, &mut documents),
            Ok(None) => {}
            Err(broken) => documents.push(Err(broken)),
        }
    }
    documents
}

/// Like [`parse`], for bytes that should be UTF-8.
pub fn parse_bytes(bytes: &[u8]) -> Vec<Result<Manifest, Broken>> {
    match str::from_utf8(bytes) {
        Ok(text) => parse(text),
        Err(error) => {
            let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let before = String::from_utf8_lossy(valid);
            let line = before.matches('\n').count() + 1;
            let column = before
                .rsplit('\n')
                .next()
                .map_or(0, |text| text.chars().count());
            vec![Err(Broken::new(
                Position::new(line, column + 1),
                "not YAML: this is no UTF-8 text",
            )
            .with_hint("save the file in UTF-8"))]
        }
    }
}

fn read(chunk: &split::Chunk<'_>) -> Result<Option<Manifest>, Broken> {
    if chunk.text.len() > DOCUMENT_LIMIT {
        let message = format!("the document is larger than {} MiB", DOCUMENT_LIMIT >> 20);
        return Err(Broken::new(Position::new(chunk.first_line, 1), message));
    }
    let composed = match compose::compose(chunk) {
        Err(broken) if chunk.text.trim_start().starts_with('{') => {
            // Some JSON is no YAML: surrogate pairs, tabs in unlucky places.
            Some(json::read(chunk).ok_or(broken)?)
        }
        composed => composed?,
    };
    let Some((object, positions)) = composed else {
        return Ok(None);
    };
    as_manifest(object, positions).map(Some)
}

fn as_manifest(object: Value, positions: Positions) -> Result<Manifest, Broken> {
    let found = match &object {
        Value::Object(_) => return Ok(Manifest { object, positions }),
        Value::Array(_) => "a list",
        Value::Null => "nothing",
        Value::Bool(_) | Value::Number(_) | Value::String(_) => "a single value",
    };
    let message = format!("expected an object, got {found}");
    Err(Broken::new(positions.root(), message)
        .with_hint("a manifest has the fields `apiVersion`, `kind` and `metadata`"))
}

/// Replaces a `List` by its items, however deeply lists are nested.
fn expand(manifest: Manifest, documents: &mut Vec<Result<Manifest, Broken>>) {
    let text = |key: &str| manifest.object.get(key).and_then(Value::as_str);
    if text("kind") != Some("List") || text("apiVersion") != Some("v1") {
        documents.push(Ok(manifest));
        return;
    }
    let Manifest {
        mut object,
        mut positions,
    } = manifest;
    match object.get_mut("items").map(Value::take) {
        None | Some(Value::Null) => {}
        Some(Value::Array(items)) => {
            let places = positions.take_items("items");
            // As many places as items: both were made from the same list.
            for (item, place) in items.into_iter().zip(places) {
                match as_manifest(item, place) {
                    Ok(manifest) => expand(manifest, documents),
                    Err(broken) => documents.push(Err(broken)),
                }
            }
        }
        Some(_) => documents.push(Err(Broken::new(
            positions.of("items"),
            "`items` must be a list",
        ))),
    }
}

#[cfg(test)]
mod tests;
