//! Paths as Go's router cleans them: a request for an unclean path is redirected to the clean one.

/// The clean form of a path if it differs: no empty segments, no `.`, no `..`; a trailing slash
/// stays.
pub(crate) fn clean(path: &str) -> Option<String> {
    if path.is_empty() {
        return Some("/".to_owned());
    }
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    let mut cleaned = format!("/{}", segments.join("/"));
    if path.ends_with('/') && !cleaned.ends_with('/') {
        cleaned.push('/');
    }
    (cleaned != path).then_some(cleaned)
}

/// Whether every `%` is followed by two hexadecimal digits.
pub(crate) fn is_well_escaped(path: &str) -> bool {
    path.split('%').skip(1).all(|rest| {
        let mut digits = rest.bytes();
        let mut is_digit = || digits.next().is_some_and(|byte| byte.is_ascii_hexdigit());
        is_digit() && is_digit()
    })
}

#[cfg(test)]
mod tests {
    use super::{clean, is_well_escaped};

    #[test]
    fn broken_escapes_are_told_from_whole_ones() {
        assert!(is_well_escaped("/hook/%2e%2E/x"));
        for path in ["/hook/%zz", "/%", "/a%2", "/%%20"] {
            assert!(!is_well_escaped(path), "{path}");
        }
    }

    #[test]
    fn unclean_paths_are_cleaned_and_clean_ones_left_alone() {
        assert_eq!(clean("//foo").as_deref(), Some("/foo"));
        assert_eq!(clean("/a/../b").as_deref(), Some("/b"));
        assert_eq!(clean("/a//").as_deref(), Some("/a/"));
        assert_eq!(clean("/../..").as_deref(), Some("/"));
        for path in ["/", "/foo/", "/a/b", "/%2e%2e/x"] {
            assert_eq!(clean(path), None, "{path}");
        }
    }
}
