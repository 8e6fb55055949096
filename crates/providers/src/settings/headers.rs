//! The Secret key `headers`: a flat YAML map, its scalars turned into strings as the reference turns
//! them.
//!
//! Unquoted words are read as Kubernetes reads manifests, then printed: `1.50` becomes `1.5`, `yes`
//! becomes `true`, `null` becomes the empty string. Errors never show values.

use std::collections::BTreeMap;

use api::{Secret, manifest};
use http::{HeaderMap, HeaderName};
use serde_json::{Number, Value};

use super::{ConfigError, ProviderSettings};

/// Reads the map, or says what is wrong with it.
pub(crate) fn parse(text: &str) -> Result<BTreeMap<String, Secret<String>>, String> {
    let mut documents = manifest::parse(text).into_iter();
    let Some(document) = documents.next() else {
        return Ok(BTreeMap::new());
    };
    if documents.next().is_some() {
        return Err("has more than one document".to_owned());
    }
    let document = document.map_err(|broken| {
        format!(
            "is no map of header names to values ({}): {}",
            broken.position, broken.problem
        )
    })?;
    let Value::Object(entries) = document.object else {
        return Err("is no map of header names to values".to_owned());
    };
    entries
        .into_iter()
        .map(|(name, value)| match scalar(value) {
            Some(text) => Ok((name, Secret::new(text))),
            None => Err(format!("must hold texts, and `{name}` is a list or map")),
        })
        .collect()
}

/// The map as headers, each marked as a secret.
pub(crate) fn to_http(
    headers: &BTreeMap<String, Secret<String>>,
) -> Result<HeaderMap, ConfigError> {
    let mut parsed = HeaderMap::new();
    for (name, value) in headers {
        let name = HeaderName::try_from(name.as_str()).map_err(|_| {
            ConfigError::new(format!(
                "`headers` in the Secret: `{name}` is no header name"
            ))
        })?;
        parsed.insert(name, ProviderSettings::secret_header(value.expose())?);
    }
    Ok(parsed)
}

fn scalar(value: Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) => Some(print(&number)),
        Value::String(text) => Some(text),
        Value::Array(_) | Value::Object(_) => None,
    }
}

fn print(number: &Number) -> String {
    if number.is_f64()
        && let Some(printed) = number.as_f64().and_then(print_float)
    {
        return printed;
    }
    number.to_string()
}

/// Prints a float with the fewest digits that tell it from its neighbours, as Go's `%g` does.
fn print_float(number: f64) -> Option<String> {
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
            ("- hunter2\n", "is no map"),
            ("hunter2", "is no map"),
            ("X-A: [hunter2]\n", "`X-A` is a list or map"),
            ("X-A:\n  b: hunter2\n", "`X-A` is a list or map"),
            ("X-A: 'hunter2\n", "not YAML"),
            ("a: 1\n---\nb: 2\n", "more than one document"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(said), "{text:?}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
