//! A user's description of a destination: the `Provider` object.

use std::sync::Arc;

use serde_json::Value;

use crate::ObjectMeta;

/// A `Provider` as written (`notification.toolkit.fluxcd.io`, any served version).
///
/// Field meanings: `crds.md` section 2.1 of the reference's specification. Absent and empty strings
/// mean the same, as they do for Go clients.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Provider {
    /// Name, namespace, uid.
    pub meta: ObjectMeta,
    /// `spec.type`.
    pub kind: String,
    /// `spec.channel`.
    pub channel: String,
    /// `spec.username`.
    pub username: String,
    /// `spec.address`; may be a secret, so it is never logged as it is.
    pub address: String,
    /// `spec.timeout`, unparsed.
    pub timeout: Option<String>,
    /// `spec.proxy`, deprecated.
    pub proxy: Option<String>,
    /// `spec.proxySecretRef.name`.
    pub proxy_secret: Option<String>,
    /// `spec.secretRef.name`.
    pub secret: Option<String>,
    /// `spec.certSecretRef.name`.
    pub certificate_secret: Option<String>,
    /// `spec.serviceAccountName`.
    pub service_account: Option<String>,
    /// `spec.suspend`.
    pub suspend: bool,
    /// `spec.commitStatusExpr`.
    pub commit_status_expression: Option<String>,
    /// The whole object as JSON, for expressions that may look at any of it.
    pub object: Arc<Value>,
}

impl Provider {
    /// Reads a Provider from its JSON form; fields of the wrong type count as absent
    /// (`schema::check` reports them).
    pub fn from_object(object: Arc<Value>) -> Self {
        let spec = object.get("spec");
        let text = |key: &str| {
            spec.and_then(|spec| spec.get(key))
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        let some = |key: &str| text(key).filter(|text| !text.is_empty());
        let reference = |key: &str| {
            spec.and_then(|spec| spec.get(key)?.get("name")?.as_str())
                .map(str::to_owned)
        };
        Self {
            meta: ObjectMeta::from_object(&object),
            kind: text("type").unwrap_or_default(),
            channel: text("channel").unwrap_or_default(),
            username: text("username").unwrap_or_default(),
            address: text("address").unwrap_or_default(),
            timeout: some("timeout"),
            proxy: some("proxy"),
            proxy_secret: reference("proxySecretRef"),
            secret: reference("secretRef"),
            certificate_secret: reference("certSecretRef"),
            service_account: some("serviceAccountName"),
            suspend: spec
                .and_then(|spec| spec.get("suspend")?.as_bool())
                .unwrap_or_default(),
            commit_status_expression: some("commitStatusExpr"),
            object,
        }
    }
}
