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

#[cfg(test)]
mod tests {
    use super::clean;

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
