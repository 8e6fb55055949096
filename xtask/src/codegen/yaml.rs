//! Writes JSON values as YAML of the plain kind: blocks, keys in order, texts quoted when in doubt.

use std::fmt::Write as _;

use anyhow::Result;
use serde_json::Value;

/// Writes a value.
pub(super) fn write(value: &Value) -> Result<String> {
    let mut text = String::new();
    match value {
        Value::Object(_) | Value::Array(_) => block(&mut text, value, 0, true)?,
        scalar => writeln!(text, "{}", self::scalar(scalar)?)?,
    }
    Ok(text)
}

/// `is_inline`: the first line goes where the text stands, behind a dash.
fn block(text: &mut String, value: &Value, depth: usize, mut is_inline: bool) -> Result<()> {
    let mut indent = |text: &mut String| {
        if !std::mem::take(&mut is_inline) {
            text.push_str(&"  ".repeat(depth));
        }
    };
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                indent(text);
                write!(text, "{}:", quoted(key)?)?;
                match value {
                    Value::Object(inner) if !inner.is_empty() => {
                        text.push('\n');
                        block(text, value, depth + 1, false)?;
                    }
                    Value::Array(inner) if !inner.is_empty() => {
                        text.push('\n');
                        block(text, value, depth, false)?;
                    }
                    scalar => writeln!(text, " {}", self::scalar(scalar)?)?,
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                indent(text);
                text.push_str("- ");
                match item {
                    Value::Object(inner) if !inner.is_empty() => {
                        block(text, item, depth + 1, true)?;
                    }
                    Value::Array(inner) if !inner.is_empty() => block(text, item, depth + 1, true)?,
                    scalar => writeln!(text, "{}", self::scalar(scalar)?)?,
                }
            }
        }
        scalar => writeln!(text, "{}", self::scalar(scalar)?)?,
    }
    Ok(())
}

fn scalar(value: &Value) -> Result<String> {
    match value {
        Value::String(value) => quoted(value),
        // Numbers, truth values, null, `{}` and `[]` are the same in both languages.
        other => Ok(other.to_string()),
    }
}

/// A text as it is if nothing in it can mean something else; in double quotes, which take JSON's
/// escapes, otherwise.
fn quoted(text: &str) -> Result<String> {
    let is_word = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .chars()
            .all(|other| other.is_ascii_alphanumeric() || "-_./ ,;()".contains(other))
        && !text.ends_with(' ');
    let is_reserved = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word));
    if is_word && !is_reserved {
        return Ok(text.to_owned());
    }
    Ok(serde_json::to_string(text)?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn structures_are_blocks_and_empty_ones_are_not() {
        let value = json!({"a": {"b": [1, {"c": "x", "d": {}}, ["e"]]}, "f": []});
        assert_eq!(
            write(&value).unwrap(),
            "a:\n  b:\n  - 1\n  - c: x\n    d: {}\n  - - e\nf: []\n"
        );
    }

    #[test]
    fn texts_that_could_be_something_else_are_quoted() {
        for text in [
            "True", "no", "1", "", "a: b", "#x", "`x`", "*", "a\nb", "null", "ends ",
        ] {
            assert_eq!(quoted(text).unwrap(), serde_json::to_string(text).unwrap());
        }
        assert_eq!(quoted("True for all").unwrap(), "True for all");
    }
}
