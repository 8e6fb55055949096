//! Rules over several fields of one object, each as an expression for the API server and as a function.

use serde_json::Value;

/// A rule that a whole `spec` must obey.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The rule in CEL, for `x-kubernetes-validations`; `self` is the `spec`.
    pub expression: &'static str,
    /// What the API server says when it is broken.
    pub message: &'static str,
    /// The field to look at first, below `spec`.
    pub field: &'static str,
    /// Whether a `spec` obeys it.
    pub holds: fn(&Value) -> bool,
}

/// Rules for `spec` of a Receiver (`crds.md` section 4.2).
pub const RECEIVER_RULES: [Rule; 4] = [
    Rule {
        expression: "self.type != 'generic-oidc' || (has(self.oidcProviders) && size(self.oidcProviders) > 0)",
        message: "generic-oidc receivers must define at least one oidcProvider",
        field: "oidcProviders",
        holds: |spec| !takes_tokens(spec) || has_providers(spec),
    },
    Rule {
        expression: "!has(self.oidcProviders) || size(self.oidcProviders) == 0 || self.type == 'generic-oidc'",
        message: "oidcProviders can only be set when type is generic-oidc",
        field: "oidcProviders",
        holds: |spec| !has_providers(spec) || takes_tokens(spec),
    },
    Rule {
        expression: "self.type != 'generic-oidc' || !has(self.secretRef)",
        message: "secretRef cannot be set when type is generic-oidc",
        field: "secretRef",
        holds: |spec| !takes_tokens(spec) || !has_secret(spec),
    },
    Rule {
        expression: "self.type == 'generic-oidc' || has(self.secretRef)",
        message: "secretRef is required when type is not generic-oidc",
        field: "secretRef",
        holds: |spec| takes_tokens(spec) || has_secret(spec),
    },
];

fn takes_tokens(spec: &Value) -> bool {
    spec.get("type").and_then(Value::as_str) == Some("generic-oidc")
}

fn has_providers(spec: &Value) -> bool {
    spec.get("oidcProviders")
        .and_then(Value::as_array)
        .is_some_and(|providers| !providers.is_empty())
}

fn has_secret(spec: &Value) -> bool {
    spec.get("secretRef")
        .is_some_and(|secret| !secret.is_null())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn broken(spec: &Value) -> Vec<&'static str> {
        RECEIVER_RULES
            .iter()
            .filter(|rule| !(rule.holds)(spec))
            .map(|rule| rule.message)
            .collect()
    }

    #[test]
    fn vectors_of_the_reference_hold() {
        let secret = json!({"name": "t"});
        let providers = json!([{"issuerURL": "https://x"}]);
        assert!(broken(&json!({"type": "generic", "secretRef": secret})).is_empty());
        assert!(broken(&json!({"type": "generic-oidc", "oidcProviders": providers})).is_empty());
        assert_eq!(
            broken(&json!({"type": "generic"})),
            ["secretRef is required when type is not generic-oidc"]
        );
        assert_eq!(
            broken(
                &json!({"type": "generic-oidc", "oidcProviders": providers, "secretRef": secret})
            ),
            ["secretRef cannot be set when type is generic-oidc"]
        );
        assert_eq!(
            broken(&json!({"type": "generic-oidc"})),
            ["generic-oidc receivers must define at least one oidcProvider"]
        );
        assert_eq!(
            broken(&json!({"type": "generic", "secretRef": secret, "oidcProviders": providers})),
            ["oidcProviders can only be set when type is generic-oidc"]
        );
    }
}
