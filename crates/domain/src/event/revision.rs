//! From a source revision, in any of its spellings, to a commit hash (`providers-common.md` C8).

use std::collections::BTreeMap;

use thiserror::Error;

/// Why an event names no commit.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RevisionError {
    /// None of the three keys is there.
    #[error("the event names no revision")]
    Missing,
    /// A chart version, an OCI digest, a branch name: nothing a Git host knows.
    #[error("no commit hash in revision `{0}`")]
    NoHash(String),
}

/// The commit an event is about: the first key present of `commit`, `originRevision`, `revision`.
pub fn commit_hash(metadata: &BTreeMap<String, String>) -> Result<String, RevisionError> {
    let revision = ["commit", "originRevision", "revision"]
        .iter()
        .find_map(|key| metadata.get(*key))
        .ok_or(RevisionError::Missing)?;
    extract(revision)
        .map(str::to_owned)
        .ok_or_else(|| RevisionError::NoHash(revision.chars().take(128).collect()))
}

/// The hash in `[<pointer>@]<algorithm>:<hash>`, `<pointer>/<hash>` or `<hash>`.
///
/// The reference takes any 40 bytes; we also take the 64 hexadecimal digits of SHA-256
/// repositories, but not those of an OCI digest (`sha256:` behind a tag or alone).
fn extract(revision: &str) -> Option<&str> {
    let (algorithm, hash) = match revision.rsplit_once(':') {
        Some((before, hash)) => (before.rsplit('@').next(), hash),
        None => (None, revision.rsplit('/').next().unwrap_or(revision)),
    };
    let is_hexadecimal = hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    match hash.len() {
        40 => Some(hash),
        64 if is_hexadecimal && algorithm.is_none() => Some(hash),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "a1afe267b54f38b46b487f6e938a6fd508278c07";

    #[test]
    fn every_spelling_of_a_revision_gives_its_hash() {
        for prefix in [
            "",
            "sha1:",
            "master@sha1:",
            "environment/dev@sha1:",
            "refs/pull/420/head@sha1:",
            "master/",
            "environment/dev/",
            "HEAD/",
        ] {
            assert_eq!(extract(&format!("{prefix}{HASH}")), Some(HASH), "{prefix}");
        }
    }

    #[test]
    fn what_no_git_host_knows_gives_none() {
        let digest = format!("latest@sha256:{}", "ab".repeat(32));
        for revision in ["master", "badhash", "", "6.5.4", digest.as_str()] {
            assert_eq!(extract(revision), None, "{revision}");
        }
    }

    #[test]
    fn the_first_key_present_decides() {
        let metadata: BTreeMap<String, String> = [
            (
                "revision",
                "main@sha1:69b5000000000000000000000000000000000000",
            ),
            (
                "originRevision",
                "main@sha1:8a91000000000000000000000000000000000000",
            ),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        assert_eq!(
            commit_hash(&metadata).as_deref(),
            Ok("8a91000000000000000000000000000000000000")
        );
        assert_eq!(commit_hash(&BTreeMap::new()), Err(RevisionError::Missing));
    }
}
