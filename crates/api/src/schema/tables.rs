//! The tables themselves.

use super::{Field, Shape, TextFormat, TextRules};

const fn text(min_length: usize, max_length: Option<usize>, format: TextFormat) -> Shape {
    Shape::Text(TextRules {
        min_length,
        max_length,
        format,
    })
}

const TEXT: Shape = text(0, None, TextFormat::Any);
const LONG_TEXT: Shape = text(0, Some(2048), TextFormat::Any);

const fn required(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        required: true,
        shape,
        deprecated: None,
    }
}

const fn optional(name: &'static str, shape: Shape) -> Field {
    Field {
        required: false,
        ..required(name, shape)
    }
}

const fn deprecated(name: &'static str, shape: Shape, advice: &'static str) -> Field {
    Field {
        deprecated: Some(advice),
        ..optional(name, shape)
    }
}

const REFERENCE: Shape = Shape::Object(&[required("name", TEXT)]);

/// `spec` of a Provider.
pub const PROVIDER: Shape = Shape::Object(&[
    required("type", text(0, None, TextFormat::ProviderType)),
    deprecated(
        "interval",
        text(0, None, TextFormat::Duration(&["ms", "s", "m", "h"])),
        "it has no effect and can be removed",
    ),
    optional("channel", LONG_TEXT),
    optional("username", LONG_TEXT),
    optional("address", LONG_TEXT),
    optional(
        "timeout",
        text(0, None, TextFormat::Duration(&["ms", "s", "m"])),
    ),
    deprecated(
        "proxy",
        text(0, Some(2048), TextFormat::HttpUrlLine),
        "use `proxySecretRef`, which also keeps credentials out of the manifest",
    ),
    optional("proxySecretRef", REFERENCE),
    optional("secretRef", REFERENCE),
    optional("serviceAccountName", TEXT),
    optional("certSecretRef", REFERENCE),
    optional("suspend", Shape::Boolean),
    optional("commitStatusExpr", TEXT),
]);

/// `spec.eventSeverity` of an Alert when it is absent.
pub const DEFAULT_EVENT_SEVERITY: &str = "info";

/// `spec` of an Alert.
pub const ALERT: Shape = Shape::Object(&[
    required("providerRef", REFERENCE),
    optional(
        "eventSeverity",
        text(0, None, TextFormat::OneOf(&["info", "error"])),
    ),
    required(
        "eventSources",
        Shape::List(&Shape::Object(&[
            optional("apiVersion", TEXT),
            required("kind", text(0, None, TextFormat::ObjectKind)),
            required("name", text(1, Some(253), TextFormat::Any)),
            optional("namespace", text(1, Some(253), TextFormat::Any)),
            optional("matchLabels", Shape::TextMap),
        ])),
    ),
    optional("inclusionList", Shape::List(&TEXT)),
    optional("exclusionList", Shape::List(&TEXT)),
    optional("eventMetadata", Shape::TextMap),
    deprecated(
        "summary",
        text(0, Some(255), TextFormat::Any),
        "use `eventMetadata.summary`",
    ),
    optional("suspend", Shape::Boolean),
]);

/// `spec.interval` of a Receiver when it is absent.
pub const DEFAULT_RECEIVER_INTERVAL: &str = "10m";

/// Kinds that a Receiver can ask to reconcile, in the reference's order: those of Flux, since no
/// others know the annotation that asks.
pub const RECONCILED_KINDS: [&str; 12] = [
    "Bucket",
    "GitRepository",
    "Kustomization",
    "HelmRelease",
    "HelmChart",
    "HelmRepository",
    "ImageRepository",
    "ImagePolicy",
    "ImageUpdateAutomation",
    "OCIRepository",
    "ArtifactGenerator",
    "ExternalArtifact",
];

/// Values of `spec.type` of a Receiver, in the reference's order.
pub const RECEIVER_TYPES: [&str; 13] = [
    "generic",
    "generic-hmac",
    "generic-oidc",
    "github",
    "gitlab",
    "bitbucket",
    "harbor",
    "dockerhub",
    "quay",
    "gcr",
    "nexus",
    "acr",
    "cdevents",
];

/// `spec` of a Receiver; [`super::RECEIVER_RULES`] come on top.
pub const RECEIVER: Shape = Shape::Object(&[
    required("type", text(0, None, TextFormat::OneOf(&RECEIVER_TYPES))),
    optional(
        "interval",
        text(0, None, TextFormat::Duration(&["ms", "s", "m", "h"])),
    ),
    optional("events", Shape::List(&TEXT)),
    required(
        "resources",
        Shape::List(&Shape::Object(&[
            optional("apiVersion", TEXT),
            required("kind", text(0, None, TextFormat::OneOf(&RECONCILED_KINDS))),
            required("name", text(1, Some(253), TextFormat::Any)),
            optional("namespace", text(1, Some(253), TextFormat::Any)),
            optional("matchLabels", Shape::TextMap),
            optional("filter", TEXT),
        ])),
    ),
    optional("resourceFilter", TEXT),
    optional("secretRef", REFERENCE),
    optional(
        "oidcProviders",
        Shape::KeyedList {
            item: &Shape::Object(&[
                required("issuerURL", text(0, None, TextFormat::HttpUrl)),
                optional("audience", TEXT),
                optional(
                    "variables",
                    Shape::List(&Shape::Object(&[
                        required("name", TEXT),
                        required("expression", TEXT),
                    ])),
                ),
                required(
                    "validations",
                    Shape::NonEmptyList(&Shape::Object(&[
                        required("expression", TEXT),
                        required("message", TEXT),
                    ])),
                ),
            ]),
            key: "issuerURL",
        },
    ),
    optional("suspend", Shape::Boolean),
]);

/// Whether a Provider spec breaks the rule that `commitStatusExpr` belongs to commit-status types.
///
/// Source: `crds.md` section 2.3; presence counts, not content.
pub fn is_commit_status_rule_broken(spec: &serde_json::Value, is_commit_status: bool) -> bool {
    spec.get("commitStatusExpr").is_some() && !is_commit_status
}
