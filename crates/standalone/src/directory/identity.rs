//! Names that Kubernetes takes for objects and namespaces.

/// What is wrong with an object's name (a DNS subdomain, RFC 1123).
pub(super) fn name_problem(name: &str) -> Option<String> {
    if name.len() > 253 {
        return Some(format!(
            "has {} characters, at most 253 are allowed",
            name.len()
        ));
    }
    if name.split('.').all(is_label) {
        return None;
    }
    Some(format!(
        "`{}` is no valid name: only lower-case letters, digits, `-` and `.`, with a letter or \
         digit at both ends of each part",
        shown(name)
    ))
}

/// What is wrong with a namespace (a DNS label, RFC 1123).
pub(super) fn namespace_problem(name: &str) -> Option<String> {
    if name.len() <= 63 && is_label(name) {
        return None;
    }
    Some(format!(
        "`{}` is no valid namespace: at most 63 lower-case letters, digits and `-`, with a letter \
         or digit at both ends",
        shown(name)
    ))
}

fn is_label(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(is_inner) && !text.starts_with('-') && !text.ends_with('-')
}

fn shown(name: &str) -> String {
    name.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_kubernetes() {
        for name in ["a", "slack", "on-call.2", "1a", &"a".repeat(253)] {
            assert_eq!(name_problem(name), None, "{name}");
        }
        for name in [
            "",
            "A",
            "a_b",
            "-a",
            "a-",
            "a..b",
            ".a",
            "a b",
            "ä",
            &"a".repeat(254),
        ] {
            assert!(name_problem(name).is_some(), "{name}");
        }
        assert!(namespace_problem("flux-system").is_none());
        assert!(namespace_problem("flux.system").is_some());
        assert!(namespace_problem(&"a".repeat(64)).is_some());
    }
}
