//! Which resources of the API server are ours, and where to look for them.

use api::GROUP;
use kube::Api;
use kube::core::{ApiResource, DynamicResourceScope, GroupVersionKind, Resource};

use crate::Client;

/// Which namespaces count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    All,
    /// One.
    Namespace(String),
}

impl Scope {
    /// The objects of a resource in this scope.
    pub(crate) fn api<K>(&self, client: &Client, resource: &ApiResource) -> Api<K>
    where
        K: Resource<DynamicType = ApiResource, Scope = DynamicResourceScope>,
    {
        match self {
            Self::All => Api::all_with(client.clone(), resource),
            Self::Namespace(namespace) => Api::namespaced_with(client.clone(), namespace, resource),
        }
    }
}

/// Providers, in the version that both our and the reference's definitions serve.
pub(crate) fn providers() -> ApiResource {
    ours("v1beta3", "Provider", "providers")
}

/// Alerts, in the version that both our and the reference's definitions serve.
pub(crate) fn alerts() -> ApiResource {
    ours("v1beta3", "Alert", "alerts")
}

/// Receivers, in the only version of them that Flux still serves.
pub(crate) fn receivers() -> ApiResource {
    ours("v1", "Receiver", "receivers")
}

fn ours(version: &str, kind: &str, plural: &str) -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(GROUP, version, kind), plural)
}
