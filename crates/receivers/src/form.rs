//! Form-encoded bodies, read as Go's `url.ParseQuery` reads them.

use percent_encoding::percent_decode;

/// The first value of a field; empty if it is missing. `None` if the body is malformed anywhere.
pub(crate) fn field(body: &[u8], name: &str) -> Option<Vec<u8>> {
    let mut found = None;
    for pair in body
        .split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
    {
        if pair.contains(&b';') {
            return None;
        }
        let split = pair.iter().position(|byte| *byte == b'=');
        let (key, value) = match split {
            Some(position) => {
                let (key, value) = pair.split_at(position);
                (key, value.get(1..).unwrap_or_default())
            }
            None => (pair, &[][..]),
        };
        let (key, value) = (unescape(key)?, unescape(value)?);
        if key == name.as_bytes() && found.is_none() {
            found = Some(value);
        }
    }
    Some(found.unwrap_or_default())
}

fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        if *byte == b'%' {
            let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
            if !is_digit(rest.next()) || !is_digit(rest.next()) {
                return None;
            }
        }
    }
    let spaced: Vec<u8> = text
        .iter()
        .map(|byte| if *byte == b'+' { b' ' } else { *byte })
        .collect();
    Some(percent_decode(&spaced).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_and_decoded() {
        assert_eq!(
            field(b"other=1&payload=%7B%22a%22%3A+1%7D&payload=x", "payload"),
            Some(b"{\"a\": 1}".to_vec())
        );
        assert_eq!(field(b"other=1", "payload"), Some(Vec::new()));
        assert_eq!(field(b"payload", "payload"), Some(Vec::new()));
    }

    #[test]
    fn a_body_that_is_malformed_anywhere_is_refused() {
        for body in ["payload=%zz", "payload=x;y=1", "a=%2", "payload=x&b=%"] {
            assert_eq!(field(body.as_bytes(), "payload"), None, "{body}");
        }
    }
}
