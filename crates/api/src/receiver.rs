//! A user's description of an incoming webhook: the `Receiver` object.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::ObjectMeta;
use crate::object::string_map;

/// Annotation that asks for a reconciliation, on Receivers and on what they name
/// (`receivers.md` section 6 of the reference's specification).
pub const REQUESTED_AT: &str = "reconcile.fluxcd.io/requestedAt";

/// A `Receiver` as written (`notification.toolkit.fluxcd.io`, any served version).
///
/// Field meanings: `crds.md` section 4.1 of the reference's specification. Absent and empty strings
/// mean the same, as they do for Go clients.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Receiver {
    /// Name, namespace, uid, annotations.
    pub meta: ObjectMeta,
    /// `metadata.generation`, 0 when the manifest has none.
    pub generation: i64,
    /// `spec.type`.
    pub kind: String,
    /// `spec.interval`, unparsed.
    pub interval: Option<String>,
    /// `spec.events`: empty takes all.
    pub events: Vec<String>,
    /// `spec.resources`.
    pub resources: Vec<ReceiverResource>,
    /// `spec.resourceFilter`: a CEL expression for all resources.
    pub resource_filter: Option<String>,
    /// `spec.secretRef.name`.
    pub secret: Option<String>,
    /// `spec.oidcProviders`.
    pub oidc_providers: Vec<OidcProvider>,
    /// `spec.suspend`.
    pub suspend: bool,
    /// The whole object as JSON.
    pub object: Arc<Value>,
}

/// One entry of `spec.resources`: an object, or all of a kind that carry labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReceiverResource {
    /// Group and version; empty means the default of the kind.
    pub api_version: String,
    /// Kind, exact and case-sensitive.
    pub kind: String,
    /// Name of the object, `*` for all that carry the labels.
    pub name: String,
    /// Namespace of the object; empty means the Receiver's own.
    pub namespace: String,
    /// Labels for `*`; `Some` of an empty map selects all.
    pub match_labels: Option<BTreeMap<String, String>>,
    /// A CEL expression for this entry.
    pub filter: Option<String>,
}

/// One entry of `spec.oidcProviders`: whose tokens are taken, and what they must say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OidcProvider {
    /// The issuer, byte for byte as in the tokens.
    pub issuer_url: String,
    /// The audience; empty means the default.
    pub audience: String,
    /// Named expressions, in order: name, expression.
    pub variables: Vec<(String, String)>,
    /// Expressions that must be true, and what to say when they are not: expression, message.
    pub validations: Vec<(String, String)>,
}

impl Receiver {
    /// Reads a Receiver from its JSON form; fields of the wrong type count as absent
    /// (`schema::check` reports them).
    pub fn from_object(object: Arc<Value>) -> Self {
        let spec = object.get("spec");
        let field = |key: &str| spec.and_then(|spec| spec.get(key));
        let items = |key: &str| field(key).and_then(Value::as_array).into_iter().flatten();
        let some = |key: &str| field(key).map(text).filter(|text| !text.is_empty());
        Self {
            meta: ObjectMeta::from_object(&object),
            generation: object
                .get("metadata")
                .and_then(|metadata| metadata.get("generation")?.as_i64())
                .unwrap_or_default(),
            kind: field("type").map(text).unwrap_or_default(),
            interval: some("interval"),
            events: items("events")
                .filter_map(|event| event.as_str().map(str::to_owned))
                .collect(),
            resources: items("resources")
                .map(ReceiverResource::from_value)
                .collect(),
            resource_filter: some("resourceFilter"),
            secret: field("secretRef")
                .and_then(|reference| reference.get("name")?.as_str())
                .map(str::to_owned),
            oidc_providers: items("oidcProviders")
                .map(OidcProvider::from_value)
                .collect(),
            suspend: field("suspend")
                .and_then(Value::as_bool)
                .unwrap_or_default(),
            object,
        }
    }
}

impl ReceiverResource {
    fn from_value(value: &Value) -> Self {
        let field = |key: &str| value.get(key).map(text).unwrap_or_default();
        Self {
            api_version: field("apiVersion"),
            kind: field("kind"),
            name: field("name"),
            namespace: field("namespace"),
            match_labels: value
                .get("matchLabels")
                .filter(|labels| labels.is_object())
                .map(|labels| string_map(Some(labels))),
            filter: Some(field("filter")).filter(|filter| !filter.is_empty()),
        }
    }
}

impl OidcProvider {
    fn from_value(value: &Value) -> Self {
        let field = |key: &str| value.get(key).map(text).unwrap_or_default();
        let pairs = |list: &str, first: &str, second: &str| {
            let entries = value.get(list).and_then(Value::as_array);
            let part = |entry: &Value, key: &str| entry.get(key).map(text).unwrap_or_default();
            entries
                .into_iter()
                .flatten()
                .map(|entry| (part(entry, first), part(entry, second)))
                .collect()
        };
        Self {
            issuer_url: field("issuerURL"),
            audience: field("audience"),
            variables: pairs("variables", "name", "expression"),
            validations: pairs("validations", "expression", "message"),
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_receiver_is_read_and_what_has_the_wrong_type_counts_as_absent() {
        let receiver = Receiver::from_object(Arc::new(json!({
            "metadata": {"name": "hook", "namespace": "apps", "generation": 3},
            "spec": {
                "type": "github",
                "interval": "",
                "events": ["push", 7],
                "secretRef": {"name": "token"},
                "resources": [
                    {"kind": "GitRepository", "name": "*", "matchLabels": {}, "filter": ""},
                    {"kind": "Bucket", "name": "b", "matchLabels": "x"},
                ],
                "suspend": "yes",
            },
        })));
        assert_eq!(receiver.generation, 3);
        assert_eq!(receiver.kind, "github");
        assert_eq!(receiver.interval, None);
        assert_eq!(receiver.events, ["push"]);
        assert_eq!(receiver.secret.as_deref(), Some("token"));
        assert_eq!(receiver.resources[0].match_labels, Some(BTreeMap::new()));
        assert_eq!(receiver.resources[0].filter, None);
        assert_eq!(receiver.resources[1].match_labels, None);
        assert!(!receiver.suspend);
    }

    #[test]
    fn a_receiver_of_metadata_alone_is_read() {
        let receiver = Receiver::from_object(Arc::new(json!({"metadata": {"name": "r"}})));
        assert_eq!(receiver.meta.key.name, "r");
        assert!(receiver.resources.is_empty());
    }

    #[test]
    fn issuers_keep_the_order_of_their_expressions() {
        let receiver = Receiver::from_object(Arc::new(json!({"spec": {"oidcProviders": [{
            "issuerURL": "https://issuer.example",
            "variables": [{"name": "a", "expression": "1"}, {"name": "b", "expression": "2"}],
            "validations": [{"expression": "true", "message": "no"}],
        }]}})));
        let provider = &receiver.oidc_providers[0];
        assert_eq!(provider.variables[1], ("b".to_owned(), "2".to_owned()));
        assert_eq!(provider.validations[0].1, "no");
    }
}
