//! The Secret key `headers`: a flat YAML map, its scalars turned into strings as the reference turns
//! them.
//!
//! Plain scalars follow YAML 1.1 as Go's libraries read it: `1.50` becomes `1.5`, `yes` becomes
//! `true`, `null` becomes the empty string. Errors never show values.

use std::collections::BTreeMap;

use api::Secret;
use saphyr_parser::{Event, Parser, ScalarStyle};

/// Header names are few; more than this is a mistake.
const MOST_ENTRIES: usize = 256;

/// Reads the map, or says what is wrong with it.
pub(crate) fn parse(text: &str) -> Result<BTreeMap<String, Secret<String>>, String> {
    let mut entries = BTreeMap::new();
    let mut reader = Reader::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let marker = error.marker();
            format!(
                "is no valid YAML (line {}, column {})",
                marker.line(),
                marker.col() + 1
            )
        })?;
        let line = span.start.line();
        if let Some((name, value)) = reader.take(event, line)? {
            entries.insert(name, Secret::new(value));
        }
        if entries.len() > MOST_ENTRIES {
            return Err(format!("has more than {MOST_ENTRIES} entries"));
        }
    }
    Ok(entries)
}

/// Where in the document we are.
#[derive(Default)]
struct Reader {
    in_map: bool,
    documents: usize,
    name: Option<String>,
}

impl Reader {
    /// Takes one parser event; gives an entry when its value is there.
    fn take(&mut self, event: Event<'_>, line: usize) -> Result<Option<(String, String)>, String> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err("has more than one document".to_owned());
                }
            }
            Event::MappingStart(..) if !self.in_map => self.in_map = true,
            Event::MappingEnd => self.in_map = false,
            Event::MappingStart(..) | Event::SequenceStart(..) => {
                return Err(match &self.name {
                    Some(name) => {
                        format!("line {line}: `{name}` must be a text, not a list or map")
                    }
                    None => "must be a map of header names to values".to_owned(),
                });
            }
            Event::Alias(_) => return Err(format!("line {line}: aliases are not supported")),
            Event::Scalar(text, style, _, tag) => {
                let is_plain = style == ScalarStyle::Plain && tag.is_none();
                let text = if is_plain {
                    plain_scalar(&text)
                } else {
                    text.into_owned()
                };
                if !self.in_map {
                    // An empty document is an empty map.
                    return if text.is_empty() {
                        Ok(None)
                    } else {
                        Err("must be a map of header names to values".to_owned())
                    };
                }
                match self.name.take() {
                    Some(name) => return Ok(Some((name, text))),
                    None => self.name = Some(text),
                }
            }
            _ => {}
        }
        Ok(None)
    }
}

/// A scalar without quotes as Go's YAML libraries resolve it and JSON conversion prints it.
fn plain_scalar(text: &str) -> String {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return String::new(),
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return "true".to_owned();
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return "false".to_owned();
        }
        _ => {}
    }
    let is_numeric = text
        .trim_start_matches(['+', '-', '.'])
        .starts_with(|first: char| first.is_ascii_digit());
    if !is_numeric {
        return text.to_owned();
    }
    integer(text)
        .or_else(|| float(text))
        .unwrap_or_else(|| text.to_owned())
}

fn integer(text: &str) -> Option<String> {
    let plain = text.replace('_', "");
    let (sign, digits) = match plain.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", plain.strip_prefix('+').unwrap_or(&plain)),
    };
    let lower = digits.to_ascii_lowercase();
    let number = match (lower.get(..2), lower.get(2..)) {
        (Some("0x"), Some(digits)) => u64::from_str_radix(digits, 16),
        (Some("0o"), Some(digits)) => u64::from_str_radix(digits, 8),
        (Some("0b"), Some(digits)) => u64::from_str_radix(digits, 2),
        _ if digits.len() > 1 && digits.starts_with('0') => u64::from_str_radix(digits, 8),
        _ => digits.parse(),
    };
    let number = number.ok()?;
    if number == 0 {
        return Some("0".to_owned());
    }
    Some(format!("{sign}{number}"))
}

/// Prints a float with the fewest digits that tell it from its neighbours, as Go's `%g` does.
fn float(text: &str) -> Option<String> {
    let number: f64 = text.replace('_', "").parse().ok()?;
    if !number.is_finite() {
        return None;
    }
    let scientific = format!("{number:e}");
    let (mantissa, exponent) = scientific.split_once('e')?;
    let exponent: i32 = exponent.parse().ok()?;
    if !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return Some(format!("{mantissa}e{sign}{:02}", exponent.abs()));
    }
    Some(format!("{number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(scalar: &str) -> String {
        let map = parse(&format!("X-Value: {scalar}\n")).unwrap();
        map["X-Value"].expose().clone()
    }

    #[test]
    fn scalars_become_the_strings_that_the_reference_sends() {
        for (scalar, string) in [
            ("1", "1"),
            ("true", "true"),
            ("1.50", "1.5"),
            ("null", ""),
            ("", ""),
            ("~", ""),
            ("yes", "true"),
            ("'yes'", "yes"),
            ("\"1.50\"", "1.50"),
            ("0x1F", "31"),
            ("010", "8"),
            ("1_000", "1000"),
            ("-0", "0"),
            ("1e6", "1e+06"),
            ("123456.0", "123456"),
            ("1234567.0", "1.234567e+06"),
            ("0.00001", "1e-05"),
            ("1.2.3", "1.2.3"),
            ("2024-01-01", "2024-01-01"),
            ("Bearer a:b", "Bearer a:b"),
        ] {
            assert_eq!(value(scalar), string, "{scalar}");
        }
    }

    #[test]
    fn maps_in_json_are_yaml_too() {
        let map = parse(r#"{"X-A": "1", "X-B": 2}"#).unwrap();
        assert_eq!(map["X-A"].expose(), "1");
        assert_eq!(map["X-B"].expose(), "2");
    }

    #[test]
    fn nothing_is_an_empty_map() {
        for text in ["", "\n", "{}", "# only a comment\n", "null"] {
            assert!(parse(text).unwrap().is_empty(), "{text:?}");
        }
    }

    #[test]
    fn errors_name_the_header_and_never_the_value() {
        for (text, said) in [
            ("- hunter2\n", "must be a map"),
            ("hunter2", "must be a map"),
            ("X-A: [hunter2]\n", "`X-A` must be a text"),
            ("X-A:\n  b: hunter2\n", "`X-A` must be a text"),
            ("X-A: 'hunter2\n", "is no valid YAML"),
            ("a: 1\n---\nb: 2\n", "more than one document"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(said), "{text:?}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
