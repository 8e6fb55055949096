//! What each field means, in the words that `kubectl explain` shows.
//!
//! Field meanings: `crds.md` sections 2.1, 3.1 and 4.1.

/// Of `apiVersion`, for every kind.
pub(super) const API_VERSION: &str = "Group and version of this object's schema.";

/// Of `kind`, for every kind.
pub(super) const KIND: &str = "Kind of this object.";

/// Descriptions by kind and path; items of lists have the path of their list.
const FIELDS: [(&str, &str, &str); 53] = [
    (
        "Alert",
        "spec.providerRef",
        "The Provider to send to, in the Alert's namespace.",
    ),
    ("Alert", "spec.providerRef.name", "Name of the Provider."),
    (
        "Alert",
        "spec.eventSeverity",
        "`info` takes all events, `error` only errors.",
    ),
    (
        "Alert",
        "spec.eventSources",
        "Objects whose events are taken; one match is enough.",
    ),
    (
        "Alert",
        "spec.eventSources.apiVersion",
        "Group and version of the object; not looked at.",
    ),
    (
        "Alert",
        "spec.eventSources.kind",
        "Kind of the object, such as `Kustomization`.",
    ),
    (
        "Alert",
        "spec.eventSources.name",
        "Name of the object, `*` for all.",
    ),
    (
        "Alert",
        "spec.eventSources.namespace",
        "Namespace of the object; the Alert's own when absent.",
    ),
    (
        "Alert",
        "spec.eventSources.matchLabels",
        "Labels that the object must have.",
    ),
    (
        "Alert",
        "spec.inclusionList",
        "Regular expressions (RE2); one must match the event's message, if there are any.",
    ),
    (
        "Alert",
        "spec.exclusionList",
        "Regular expressions (RE2); none may match the event's message.",
    ),
    (
        "Alert",
        "spec.eventMetadata",
        "Metadata that is added to every event.",
    ),
    (
        "Alert",
        "spec.summary",
        "A text that is added to every event.",
    ),
    ("Alert", "spec.suspend", "Whether the Alert is left out."),
    (
        "Provider",
        "spec.type",
        "The kind of service, and so the format of messages.",
    ),
    ("Provider", "spec.interval", "A leftover of old versions."),
    (
        "Provider",
        "spec.channel",
        "Where in the service a message goes: a channel, topic, room or environment.",
    ),
    (
        "Provider",
        "spec.username",
        "Name under which messages are posted.",
    ),
    (
        "Provider",
        "spec.address",
        "Address of the service; may come from the Secret instead, key `address`.",
    ),
    (
        "Provider",
        "spec.timeout",
        "Time that one attempt to deliver may take; 15s when absent.",
    ),
    ("Provider", "spec.proxy", "Address of an HTTP proxy."),
    (
        "Provider",
        "spec.proxySecretRef",
        "Secret with a proxy's `address` and, if needed, `username` and `password`.",
    ),
    (
        "Provider",
        "spec.proxySecretRef.name",
        "Name of the Secret.",
    ),
    ("Provider", "spec.secretRef", "Secret with credentials."),
    ("Provider", "spec.secretRef.name", "Name of the Secret."),
    (
        "Provider",
        "spec.serviceAccountName",
        "ServiceAccount whose identity is used at a cloud service.",
    ),
    (
        "Provider",
        "spec.certSecretRef",
        "Secret with a certificate authority (`ca.crt`) or a client certificate (`tls.crt`, `tls.key`).",
    ),
    ("Provider", "spec.certSecretRef.name", "Name of the Secret."),
    (
        "Provider",
        "spec.suspend",
        "Whether nothing is sent to this Provider.",
    ),
    (
        "Provider",
        "spec.commitStatusExpr",
        "CEL expression that gives the name of the commit status.",
    ),
    (
        "Receiver",
        "spec.type",
        "Who calls the webhook, and so how a call is verified.",
    ),
    (
        "Receiver",
        "spec.interval",
        "How often the Receiver is looked at again without a change.",
    ),
    (
        "Receiver",
        "spec.events",
        "Names of events that are taken; all when absent. Types `github`, `gitlab`, `bitbucket` and `cdevents`.",
    ),
    (
        "Receiver",
        "spec.resources",
        "Objects whose reconciliation a call asks for.",
    ),
    (
        "Receiver",
        "spec.resources.apiVersion",
        "Group and version of the object; the newest known when absent.",
    ),
    (
        "Receiver",
        "spec.resources.kind",
        "Kind of the object, such as `GitRepository`.",
    ),
    (
        "Receiver",
        "spec.resources.name",
        "Name of the object; `*` for all with `matchLabels`.",
    ),
    (
        "Receiver",
        "spec.resources.namespace",
        "Namespace of the object; the Receiver's own when absent.",
    ),
    (
        "Receiver",
        "spec.resources.matchLabels",
        "Labels that the objects must have when the name is `*`.",
    ),
    (
        "Receiver",
        "spec.resources.filter",
        "CEL expression that must be true for an object of this entry.",
    ),
    (
        "Receiver",
        "spec.resourceFilter",
        "CEL expression that must be true for an object of any entry.",
    ),
    (
        "Receiver",
        "spec.secretRef",
        "Secret with the `token` that calls are verified with.",
    ),
    ("Receiver", "spec.secretRef.name", "Name of the Secret."),
    (
        "Receiver",
        "spec.oidcProviders",
        "Issuers whose tokens are taken, for the type `generic-oidc`.",
    ),
    (
        "Receiver",
        "spec.oidcProviders.issuerURL",
        "The issuer, byte for byte as in the tokens.",
    ),
    (
        "Receiver",
        "spec.oidcProviders.audience",
        "Audience that a token must have; `notification-controller` when absent.",
    ),
    (
        "Receiver",
        "spec.oidcProviders.variables",
        "Named expressions for use in later ones, in order.",
    ),
    (
        "Receiver",
        "spec.oidcProviders.variables.name",
        "Name of the variable.",
    ),
    (
        "Receiver",
        "spec.oidcProviders.variables.expression",
        "CEL expression that gives its value.",
    ),
    (
        "Receiver",
        "spec.oidcProviders.validations",
        "What must hold for a token.",
    ),
    (
        "Receiver",
        "spec.oidcProviders.validations.expression",
        "CEL expression that must be true.",
    ),
    (
        "Receiver",
        "spec.oidcProviders.validations.message",
        "What is logged when it is not.",
    ),
    ("Receiver", "spec.suspend", "Whether calls are refused."),
];

/// The description of a field.
pub(super) fn find(kind: &str, path: &str) -> Option<&'static str> {
    FIELDS
        .iter()
        .find(|(of, at, _)| *of == kind && *at == path)
        .map(|(_, _, text)| *text)
}

/// How many fields are described.
#[cfg(test)]
pub(super) const COUNT: usize = FIELDS.len();
