//! What an entry of `spec.resources` stands for: one object by name, or all that carry labels.

use std::collections::BTreeMap;

use api::{ObjectReference, Problem, ReceiverResource};
use thiserror::Error;

use super::{Filter, ReceiverRules};

/// Group and version of Flux's kinds, for entries that name none. The reference knows those of
/// source and image repositories only and fails for the rest; these are what Flux 2.9 serves.
const DEFAULT_API_VERSIONS: [(&str, &str); 12] = [
    ("ArtifactGenerator", "source.extensions.fluxcd.io/v1beta1"),
    ("Bucket", "source.toolkit.fluxcd.io/v1"),
    ("ExternalArtifact", "source.toolkit.fluxcd.io/v1"),
    ("GitRepository", "source.toolkit.fluxcd.io/v1"),
    ("HelmChart", "source.toolkit.fluxcd.io/v1"),
    ("HelmRelease", "helm.toolkit.fluxcd.io/v2"),
    ("HelmRepository", "source.toolkit.fluxcd.io/v1"),
    ("ImagePolicy", "image.toolkit.fluxcd.io/v1"),
    ("ImageRepository", "image.toolkit.fluxcd.io/v1"),
    ("ImageUpdateAutomation", "image.toolkit.fluxcd.io/v1"),
    ("Kustomization", "kustomize.toolkit.fluxcd.io/v1"),
    ("OCIRepository", "source.toolkit.fluxcd.io/v1"),
];

/// Objects that a call touches.
#[derive(Clone, Debug)]
pub struct Target {
    /// Group and version, such as `source.toolkit.fluxcd.io/v1`; a bare version means the core group.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Namespace, always filled in.
    pub namespace: String,
    /// Which of them.
    pub select: Select,
    /// The filter of this entry.
    pub filter: Option<Filter>,
}

/// Which objects of a kind and namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Select {
    /// The one of this name.
    Named(String),
    /// All that carry these labels; an empty map selects all.
    Labelled(BTreeMap<String, String>),
    /// None: the labels are such as no object can carry.
    Nothing,
}

/// Why an entry can never touch anything.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TargetFault {
    /// The kind has no default, and no version is given.
    #[error("apiVersion must be specified for kind \"{0}\"")]
    NoApiVersion(String),
    /// `*` without labels.
    #[error("matchLabels field not set when using wildcard '*' as name")]
    NoLabels,
    /// Another namespace, where that is not allowed.
    #[error("cross-namespace references are not allowed")]
    OtherNamespace,
}

impl Target {
    /// Resolves an entry of a Receiver in namespace `own`, without its filter.
    pub(super) fn of(
        entry: &ReceiverResource,
        own: &str,
        rules: ReceiverRules,
    ) -> Result<Self, TargetFault> {
        let namespace = if entry.namespace.is_empty() {
            own
        } else {
            &entry.namespace
        };
        if rules.no_cross_namespace_references && namespace != own {
            return Err(TargetFault::OtherNamespace);
        }
        let select = match (entry.name.as_str(), &entry.match_labels) {
            ("*", None) => return Err(TargetFault::NoLabels),
            ("*", Some(labels)) if labels.iter().all(|(key, value)| is_label(key, value)) => {
                Select::Labelled(labels.clone())
            }
            ("*", Some(_)) => Select::Nothing,
            (name, _) => Select::Named(name.to_owned()),
        };
        Ok(Self {
            api_version: api_version(entry)?,
            kind: entry.kind.clone(),
            namespace: namespace.to_owned(),
            select,
            filter: None,
        })
    }

    /// The object of a name.
    pub fn object(&self, name: &str) -> ObjectReference {
        ObjectReference {
            api_version: self.api_version.clone(),
            kind: self.kind.clone(),
            namespace: self.namespace.clone(),
            name: name.to_owned(),
            ..ObjectReference::default()
        }
    }
}

impl TargetFault {
    pub(super) fn problem(&self, index: usize) -> Problem {
        let (field, hint) = match self {
            Self::NoApiVersion(_) => ("apiVersion", "add it, such as `apps/v1`"),
            Self::NoLabels => ("matchLabels", "add labels, or `{}` for all objects"),
            Self::OtherNamespace => (
                "namespace",
                "leave it out, or run without --no-cross-namespace-refs",
            ),
        };
        // The object works as far as its other entries go.
        Problem::warning(format!("spec.resources[{index}].{field}"), self.to_string())
            .with_hint(hint)
    }
}

fn api_version(entry: &ReceiverResource) -> Result<String, TargetFault> {
    if entry.api_version.is_empty() {
        let found = DEFAULT_API_VERSIONS
            .iter()
            .find(|(kind, _)| *kind == entry.kind);
        return match found {
            Some((_, version)) => Ok((*version).to_owned()),
            None => Err(TargetFault::NoApiVersion(entry.kind.clone())),
        };
    }
    // What follows a second slash is ignored, as in the reference.
    let mut parts = entry.api_version.split('/');
    Ok(match (parts.next(), parts.next()) {
        (Some(group), Some(version)) => format!("{group}/{version}"),
        _ => entry.api_version.clone(),
    })
}

/// The API server's rules for labels
/// (<https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set>).
fn is_label(key: &str, value: &str) -> bool {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let is_prefix = prefix.is_none_or(|prefix| {
        !prefix.is_empty()
            && prefix.len() <= 253
            && prefix.split('.').all(|part| {
                is_word(part, 253) && !part.contains(|c: char| c.is_ascii_uppercase() || c == '_')
            })
    });
    is_prefix && is_word(name, 63) && (value.is_empty() || is_word(value, 63))
}

fn is_word(text: &str, longest: usize) -> bool {
    let is_edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= longest
        && is_edge(bytes.first())
        && is_edge(bytes.last())
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: &str, name: &str) -> ReceiverResource {
        ReceiverResource {
            kind: kind.to_owned(),
            name: name.to_owned(),
            ..ReceiverResource::default()
        }
    }

    fn target(entry: &ReceiverResource) -> Result<Target, TargetFault> {
        Target::of(entry, "apps", ReceiverRules::default())
    }

    #[test]
    fn each_of_the_twelve_kinds_has_a_default_version() {
        for (kind, version) in DEFAULT_API_VERSIONS {
            assert_eq!(target(&entry(kind, "x")).unwrap().api_version, version);
        }
        assert_eq!(
            target(&entry("Deployment", "x")).unwrap_err(),
            TargetFault::NoApiVersion("Deployment".to_owned())
        );
    }

    #[test]
    fn versions_are_read_as_the_reference_reads_them() {
        for (written, read) in [
            ("v1", "v1"),
            ("a/v1", "a/v1"),
            ("a/v1/extra", "a/v1"),
            ("a/", "a/"),
        ] {
            let entry = ReceiverResource {
                api_version: written.to_owned(),
                ..entry("Thing", "x")
            };
            assert_eq!(target(&entry).unwrap().api_version, read);
        }
    }

    #[test]
    fn wildcards_need_labels_that_can_exist() {
        let with = |labels: &[(&str, &str)]| ReceiverResource {
            match_labels: Some(
                labels
                    .iter()
                    .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                    .collect(),
            ),
            ..entry("Bucket", "*")
        };
        let select = |labels: &[(&str, &str)]| target(&with(labels)).unwrap().select;
        assert_eq!(
            target(&entry("Bucket", "*")).unwrap_err(),
            TargetFault::NoLabels
        );
        assert_eq!(select(&[]), Select::Labelled(BTreeMap::new()));
        assert!(matches!(select(&[("app", "")]), Select::Labelled(_)));
        assert!(matches!(select(&[("a.b/c", "x-1")]), Select::Labelled(_)));
        for (key, value) in [
            ("app", "not valid!"),
            ("a b", "x"),
            ("/x", "y"),
            ("A/b", "c"),
        ] {
            assert_eq!(select(&[(key, value)]), Select::Nothing, "{key}={value}");
        }
    }

    #[test]
    fn another_namespace_is_refused_only_where_it_is_not_allowed() {
        let entry = ReceiverResource {
            namespace: "other".to_owned(),
            ..entry("Bucket", "x")
        };
        assert_eq!(target(&entry).unwrap().namespace, "other");
        let rules = ReceiverRules {
            no_cross_namespace_references: true,
        };
        assert_eq!(
            Target::of(&entry, "apps", rules).unwrap_err(),
            TargetFault::OtherNamespace
        );
        assert!(Target::of(&entry, "other", rules).is_ok());
    }
}
