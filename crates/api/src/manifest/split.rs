//! Cuts a text into documents, so that each can be read on its own.
//!
//! `---` and `...` at the start of a line separate documents wherever they stand, also in the middle
//! of a broken one (YAML 1.2, production `c-forbidden`).

/// One document's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk<'text> {
    /// The text, its own `---` included.
    pub(super) text: &'text str,
    /// The line of the file it starts on, counted from 1.
    pub(super) first_line: usize,
}

/// The documents of a text, those without content included.
pub(super) fn split(text: &str) -> impl Iterator<Item = Chunk<'_>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    Chunks {
        rest: text,
        line: 1,
    }
}

struct Chunks<'text> {
    rest: &'text str,
    line: usize,
}

impl<'text> Iterator for Chunks<'text> {
    type Item = Chunk<'text>;

    fn next(&mut self) -> Option<Chunk<'text>> {
        if self.rest.is_empty() {
            return None;
        }
        let (mut length, mut lines) = (0, 0);
        // Comments and directives before the first `---` belong to the document that it starts.
        let mut is_started = false;
        for line in self.rest.split_inclusive('\n') {
            if is_marker(line, "---") {
                if is_started {
                    break;
                }
                is_started = true;
            } else if !is_started {
                is_started = !is_prologue(line);
            }
            length += line.len();
            lines += 1;
            if is_marker(line, "...") {
                break;
            }
        }
        let (text, rest) = self.rest.split_at_checked(length)?;
        let chunk = Chunk {
            text,
            first_line: self.line,
        };
        self.rest = rest;
        self.line += lines;
        Some(chunk)
    }
}

fn is_marker(line: &str, marker: &str) -> bool {
    line.strip_prefix(marker)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

fn is_prologue(line: &str) -> bool {
    let trimmed = line.trim();
    trimmed.is_empty() || trimmed.starts_with('#') || line.starts_with('%')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(text: &str) -> Vec<(usize, &str)> {
        split(text)
            .map(|chunk| (chunk.first_line, chunk.text))
            .collect()
    }

    #[test]
    fn markers_at_the_start_of_a_line_separate_documents() {
        assert_eq!(
            chunks("a: 1\n---\r\nb: ---\n --- \n...\n\nc"),
            [
                (1, "a: 1\n"),
                (2, "---\r\nb: ---\n --- \n...\n"),
                (6, "\nc")
            ]
        );
        assert_eq!(chunks(""), []);
    }

    #[test]
    fn what_stands_before_the_first_marker_belongs_to_it() {
        assert_eq!(
            chunks("# licence\n%YAML 1.2\n--- # first\na: 1\n---\n---\n"),
            [
                (1, "# licence\n%YAML 1.2\n--- # first\na: 1\n"),
                (5, "---\n"),
                (6, "---\n")
            ]
        );
    }

    #[test]
    fn longer_dashes_are_no_marker() {
        assert_eq!(chunks("----\n---a\n"), [(1, "----\n---a\n")]);
    }
}
