//! Seeds: real events, recorded manifests and recorded expressions from `conformance/`.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../conformance")
}

/// JSON files of a folder, sorted.
fn json_files(name: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder().join(name))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .collect();
    files.sort();
    files
}

/// Bodies as controllers sent them.
pub(crate) fn events() -> Vec<Vec<u8>> {
    json_files("events")
        .iter()
        .filter_map(|path| fs::read(path).ok())
        .collect()
}

/// A recorded case: provider type, objects, event.
pub(crate) struct Case {
    pub(crate) kind: String,
    pub(crate) objects: Vec<Value>,
    pub(crate) event: Value,
}

/// Recorded cases of types that exist.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for path in json_files("outgoing") {
        let kind = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if providers::kinds::find(&kind).is_none() {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap_or_default();
        let recording: Value = serde_json::from_str(&text).unwrap_or_default();
        for case in recording["cases"].as_array().into_iter().flatten() {
            let objects = case["objects"].as_array().cloned().unwrap_or_default();
            let event = match &case["event"] {
                Value::Null => case["events"][0].clone(),
                event => event.clone(),
            };
            cases.push(Case {
                kind: kind.clone(),
                objects,
                event,
            });
        }
    }
    cases
}

/// Recorded calls of webhooks: type, `Content-Type`, one header, body.
pub(crate) fn webhooks() -> Vec<Vec<u8>> {
    let mut calls = Vec::new();
    for path in json_files("incoming/receivers") {
        let kind = path.file_stem().unwrap_or_default().to_string_lossy();
        if kind.starts_with('_') {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap_or_default();
        let recording: Value = serde_json::from_str(&text).unwrap_or_default();
        for case in recording["cases"].as_array().into_iter().flatten() {
            let request = &case["requests"][0];
            let header = |name: &str| {
                let mut headers = request["headers"].as_array().into_iter().flatten();
                let found = headers.find(|pair| pair[0] == name);
                found.and_then(|pair| pair[1].as_str()).unwrap_or_default()
            };
            let body = request["body"].as_str().unwrap_or_default();
            let lines = [
                &*kind,
                header("Content-Type"),
                header("Authorization"),
                body,
            ];
            calls.push(lines.join("\n").into_bytes());
        }
    }
    calls
}

/// A column of a file with one JSON object per line.
pub(crate) fn column(file: &str, names: &[&str]) -> Vec<Vec<u8>> {
    let text = fs::read_to_string(folder().join(file)).unwrap_or_default();
    text.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|row| {
            let cells: Option<Vec<&str>> = names.iter().map(|name| row[name].as_str()).collect();
            Some(cells?.join("\n").into_bytes())
        })
        .collect()
}
