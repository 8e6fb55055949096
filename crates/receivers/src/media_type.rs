//! `Content-Type`, read as Go's `mime.ParseMediaType` reads it.

/// The media type in lower case, without its parameters; `None` if the text is malformed.
pub fn parse(text: &str) -> Option<String> {
    let (kind, mut rest) = match text.find(';') {
        Some(position) => text.split_at(position),
        None => (text, ""),
    };
    let kind = kind.trim().to_lowercase();
    let is_type = match kind.split_once('/') {
        Some((kind, subtype)) => is_token(kind) && is_token(subtype),
        None => is_token(&kind),
    };
    if !is_type {
        return None;
    }
    let mut seen: Vec<(String, String)> = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Some(kind);
        }
        let Some((name, value, after)) = parameter(rest) else {
            // A semicolon at the end does no harm.
            return (rest.trim() == ";").then_some(kind);
        };
        if seen
            .iter()
            .any(|(known, old)| *known == name && *old != value)
        {
            return None;
        }
        seen.push((name, value));
        rest = after;
    }
}

/// Whether a header says that the body is JSON: element by element of a comma-separated list, up to
/// the first malformed one (`receivers.md` section 7).
pub fn is_json(header: &str) -> bool {
    header
        .split(',')
        .map_while(parse)
        .any(|kind| kind == "application/json")
}

fn parameter(text: &str) -> Option<(String, String, &str)> {
    let rest = text.strip_prefix(';')?.trim_start();
    let (name, rest) = split_token(rest)?;
    let rest = rest.trim_start().strip_prefix('=')?.trim_start();
    let (value, rest) = if let Some(quoted) = rest.strip_prefix('"') {
        unquote(quoted)?
    } else {
        let (value, rest) = split_token(rest)?;
        (value.to_owned(), rest)
    };
    Some((name.to_lowercase(), value, rest))
}

fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((position, character)) = characters.next() {
        match character {
            '"' => return Some((value, text.get(position + 1..)?)),
            '\\' => value.push(characters.next()?.1),
            '\r' | '\n' => return None,
            other => value.push(other),
        }
    }
    None
}

fn split_token(text: &str) -> Option<(&str, &str)> {
    let end = text
        .bytes()
        .position(|byte| !is_token_byte(byte))
        .unwrap_or(text.len());
    let (token, rest) = text.split_at_checked(end)?;
    (!token.is_empty()).then_some((token, rest))
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_as_go_reads_them() {
        for (text, kind) in [
            ("application/json", Some("application/json")),
            ("Application/JSON; charset=utf-8", Some("application/json")),
            ("application/json;", Some("application/json")),
            ("application/json; a=\"x;y\\\"\"", Some("application/json")),
            ("application/json; charset", None),
            ("application/json;;;x", None),
            ("application/json, text/plain", None),
            ("a/b; c=1; c=2", None),
            ("", None),
            ("/", None),
            ("foo/bar/baz", None),
            ("text/plain; a=\"x", None),
        ] {
            assert_eq!(parse(text).as_deref(), kind, "{text}");
        }
    }

    #[test]
    fn lists_are_read_up_to_the_first_malformed_element() {
        assert!(is_json("text/plain, application/json"));
        for text in [
            "application/vnd.api+json",
            "foo/bar/baz, application/json",
            ", application/json",
            "text/plain; a=\"x, application/json; b=y\"",
        ] {
            assert!(!is_json(text), "{text}");
        }
    }
}
