//! Cuts texts to a limit, at character boundaries, so that people see that something is missing.

/// Stands where a part of a text was left out.
pub(crate) const MARKER: &str = "\n… (cut) …\n";

/// How much of a cut text comes from its end: errors tend to say at the end what went wrong.
const TAIL_SHARE: usize = 4;

/// How a service counts the length of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Bytes of UTF-8.
    Bytes,
    /// Unicode characters.
    Characters,
    /// Units of UTF-16: characters outside the basic plane, such as most emoji, count twice.
    Utf16,
    /// Bytes inside a JSON string, escapes included.
    JsonBytes,
}

impl Unit {
    /// The length of a text.
    pub(crate) fn length(self, text: &str) -> usize {
        match self {
            Self::Bytes => text.len(),
            Self::Characters => text.chars().count(),
            Self::Utf16 => text.encode_utf16().count(),
            Self::JsonBytes => text.chars().map(|one| self.length_of(one)).sum(),
        }
    }

    fn length_of(self, character: char) -> usize {
        match self {
            Self::Bytes => character.len_utf8(),
            Self::Characters => 1,
            Self::Utf16 => character.len_utf16(),
            Self::JsonBytes => match character {
                '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
                control if control < ' ' => 6,
                plain => plain.len_utf8(),
            },
        }
    }
}

/// The text if it fits, else its head and its tail with [`MARKER`] between them; never longer than
/// `limit`. Where the limit leaves no room for that, only the head.
pub(crate) fn head_and_tail(text: &str, limit: usize, unit: Unit) -> String {
    if unit.length(text) <= limit {
        return text.to_owned();
    }
    let marker = unit.length(MARKER);
    let Some(room) = limit.checked_sub(marker * 2) else {
        return prefix(text, limit, unit).to_owned();
    };
    let room = room + marker;
    let tail = suffix(text, room / TAIL_SHARE, unit);
    let head = prefix(text, room - room / TAIL_SHARE, unit);
    format!("{head}{MARKER}{tail}")
}

/// The text if it has at most `limit` bytes, else its head and `…`.
pub(crate) fn head(text: &str, limit: usize) -> String {
    head_in(text, limit, Unit::Bytes)
}

/// The text if it fits, else its head and `…`: for one-line texts.
pub(crate) fn head_in(text: &str, limit: usize, unit: Unit) -> String {
    if unit.length(text) <= limit {
        return text.to_owned();
    }
    let room = limit.saturating_sub(unit.length("…"));
    format!("{}…", prefix(text, room, unit))
}

/// The longest beginning within a limit.
pub(crate) fn prefix(text: &str, limit: usize, unit: Unit) -> &str {
    let mut length = 0;
    let end = text.char_indices().find_map(|(position, character)| {
        length += unit.length_of(character);
        (length > limit).then_some(position)
    });
    end.map_or(text, |end| text.get(..end).unwrap_or_default())
}

/// The longest end within a limit.
fn suffix(text: &str, limit: usize, unit: Unit) -> &str {
    let mut length = 0;
    let start = text.char_indices().rev().find_map(|(position, character)| {
        length += unit.length_of(character);
        (length > limit).then_some(position + character.len_utf8())
    });
    start.map_or(text, |start| text.get(start..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_that_fit_are_left_alone() {
        assert_eq!(head_and_tail("naïve", 5, Unit::Characters), "naïve");
        assert_eq!(head_and_tail("naïve", 6, Unit::Bytes), "naïve");
    }

    #[test]
    fn head_and_tail_survive_around_a_visible_marker() {
        let text = format!("first{}last", "·".repeat(1000));
        let cut = head_and_tail(&text, 100, Unit::Characters);
        assert!(cut.starts_with("first") && cut.ends_with("last"), "{cut}");
        assert!(cut.contains("(cut)"));
        assert_eq!(cut.chars().count(), 100);
    }

    proptest! {
        #[test]
        fn json_bytes_are_those_of_the_serialiser(text in any::<String>()) {
            let json = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(Unit::JsonBytes.length(&text), json.len() - 2);
        }

        #[test]
        fn nothing_exceeds_its_limit(text in "\\PC{0,80}", limit in 0_usize..60) {
            for unit in [Unit::Bytes, Unit::Characters, Unit::Utf16, Unit::JsonBytes] {
                let cut = head_and_tail(&text, limit, unit);
                prop_assert!(unit.length(&cut) <= limit);
                if unit.length(&text) <= limit {
                    prop_assert_eq!(cut, text.clone());
                }
            }
            prop_assert!(head(&text, limit.max(3)).len() <= limit.max(3));
        }
    }
}
