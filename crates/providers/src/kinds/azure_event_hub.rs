//! Sends the event itself, as JSON, to an event hub of Azure.
//!
//! | Field | Use |
//! |---|---|
//! | `address` | name of the event hub, or a connection string with a shared access key and `EntityPath`, which belongs into the Secret (required) |
//! | `channel` | namespace of the event hub, such as `fleet` or `fleet.servicebus.windows.net`; not used with a connection string |
//! | `serviceAccountName` | `ServiceAccount` whose identity is used; needs the feature gate `ObjectLevelWorkloadIdentity` |
//! | Secret `token` | a fixed JWT; deprecated, since it expires and nobody renews it |
//! | `certSecretRef`, `proxySecretRef` | honoured, for getting tokens too |
//!
//! One of the three ways to log in is used: a connection string, the fixed JWT, or a token of Entra ID
//! for the ServiceAccount or else for the controller itself.
//! The controller's own identity needs a namespace of Azure's own domains, and a Provider that brings
//! no certificates, since whoever chooses whom to trust could read the controller's token.
//! A signature made with a shared access key is good for a quarter of an hour, for this event hub only.
//! The message has no properties and no partition key.
//!
//! API: <https://learn.microsoft.com/en-us/rest/api/eventhub/send-event>.
//! Limits: <https://learn.microsoft.com/en-us/azure/event-hubs/event-hubs-quotas>.
//!
//! ```yaml
//! apiVersion: notification.toolkit.fluxcd.io/v1beta3
//! kind: Provider
//! metadata:
//!   name: event-hub
//!   namespace: flux-system
//! spec:
//!   type: azureeventhub
//!   secretRef:
//!     name: event-hub-address
//! ```

mod shared_access;

use api::{Problem, Provider, to_wire_json};
use bytes::Bytes;
use domain::delivery::{Failure, FailureClass, Receipt};
use domain::provider::Progressing;
use domain::{Capabilities, Family, Notification};
use futures::future::BoxFuture;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method};
use outbound::{HttpRequest, HttpResponse};
use url::Url;

use crate::identity::{Identified, azure, send_authorized};
use crate::kind::{Guarantee, Protocol};
use crate::{AttemptContext, ConfigError, Notifier, ProviderKind, ProviderSettings, classify};

use shared_access::SharedAccess;

pub(crate) const KIND: ProviderKind = ProviderKind {
    name: "azureeventhub",
    title: "Azure Event Hubs",
    capabilities: Capabilities {
        family: Family::Stream,
        commit_status_updates: false,
        commit_status: false,
        change_request: false,
        progressing: Progressing::Sent,
        expires: false,
        skipped_kinds: &[],
    },
    guarantee: Guarantee::AtLeastOnce,
    protocol: Protocol::Http,
    check,
    build: |settings| Ok(Box::new(AzureEventHub::new(settings)?) as Box<dyn Notifier>),
    page: include_str!("azure_event_hub.rs"),
};

/// What the service wants, although the body is what we make it.
/// Source: <https://learn.microsoft.com/en-us/rest/api/eventhub/event-hubs-runtime-rest>.
const ENTRY: HeaderValue =
    HeaderValue::from_static("application/atom+xml;type=entry;charset=utf-8");

/// Domains of the clouds of Azure.
const DOMAINS: [&str; 3] = [
    ".servicebus.windows.net",
    ".servicebus.chinacloudapi.cn",
    ".servicebus.usgovcloudapi.net",
];

const NO_ADDRESS: &str = "endpoint URL cannot be empty";
const NO_HUB_NAME: &str = "is neither the name of an event hub nor a connection string with a \
     shared access key";
const NO_NAMESPACE: &str = "is no namespace of Event Hubs";
const ACCOUNT_AND_SHARED_ACCESS: &str = "invalid authentication options: serviceAccountName and \
     SAS authentication cannot be set at the same time";
const TOKEN_AND_SHARED_ACCESS: &str = "invalid authentication options: jwt token and SAS \
     authentication cannot be set at the same time";
const ACCOUNT_AND_TOKEN: &str = "invalid authentication options: serviceAccountName and jwt token \
     authentication cannot be set at the same time";

fn check(provider: &Provider) -> Vec<Problem> {
    let address = provider.address.trim();
    if address.is_empty() && provider.secret.is_some() {
        return Vec::new();
    }
    if address.is_empty() {
        let hint = "the event hub's name here, or a connection string as key `address` of the Secret \
                    in secretRef";
        return vec![Problem::error("spec.address", NO_ADDRESS).with_hint(hint)];
    }
    let mut problems = Vec::new();
    if shared_access::is_connection_string(address) {
        if let Err(error) = SharedAccess::parse(address) {
            problems.push(Problem::error("spec.address", error.to_string()));
        }
        if provider.service_account.is_some() {
            let problem = Problem::error("spec.serviceAccountName", ACCOUNT_AND_SHARED_ACCESS);
            problems.push(problem);
        }
        return problems;
    }
    if !is_name(address) {
        // It may be a secret, so it is not shown.
        problems.push(Problem::error("spec.address", NO_HUB_NAME));
    }
    if !is_name(&provider.channel) {
        problems.push(
            Problem::error("spec.channel", NO_NAMESPACE)
                .with_hint("for example fleet, or fleet.servicebus.windows.net"),
        );
    }
    if provider.secret.is_some() && problems.is_empty() {
        problems.push(
            Problem::warning(
                "spec.secretRef",
                "a fixed `token` for Event Hubs is deprecated: it expires and nobody renews it",
            )
            .with_hint(
                "use a connection string as key `address` of the Secret, serviceAccountName, or the \
                 controller's own identity, which needs no Secret",
            ),
        );
    }
    problems
}

/// Letters, digits and `.`, `-`, `_`, as event hubs and namespaces have them.
fn is_name(text: &str) -> bool {
    text.len() <= 256
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
}

enum AzureEventHub {
    /// The connection string says where.
    SharedAccess(SharedAccess),
    Token {
        hub: String,
        namespace: String,
        identity: Identity,
    },
}

enum Identity {
    Fixed(HeaderValue),
    Entra(Identified),
}

impl AzureEventHub {
    fn new(settings: &ProviderSettings) -> Result<Self, ConfigError> {
        let refuse = |text: &str| Err(ConfigError::new(text));
        let address = settings.address.expose();
        let has_account = settings.provider.spec.service_account.is_some();
        if address.is_empty() {
            return refuse(NO_ADDRESS);
        }
        if shared_access::is_connection_string(address) {
            if has_account {
                return refuse(ACCOUNT_AND_SHARED_ACCESS);
            }
            if settings.token.is_some() {
                return refuse(TOKEN_AND_SHARED_ACCESS);
            }
            return Ok(Self::SharedAccess(SharedAccess::parse(address)?));
        }
        if has_account && settings.token.is_some() {
            return refuse(ACCOUNT_AND_TOKEN);
        }
        let namespace = &settings.provider.spec.channel;
        if !is_name(address) {
            return refuse(&format!("the address {NO_HUB_NAME}"));
        }
        if !is_name(namespace) {
            return refuse(&format!("spec.channel {NO_NAMESPACE}"));
        }
        let identity = match &settings.token {
            Some(token) => {
                let bearer = format!("Bearer {}", token.expose());
                Identity::Fixed(ProviderSettings::secret_header(&bearer)?)
            }
            None => Identity::Entra(Identified::new(settings)),
        };
        Ok(Self::Token {
            hub: address.clone(),
            namespace: namespace.clone(),
            identity,
        })
    }

    async fn send(
        &self,
        body: Vec<u8>,
        context: &AttemptContext<'_>,
    ) -> Result<HttpResponse, Failure> {
        match self {
            Self::SharedAccess(shared) => {
                let mut request = request(shared.url.clone(), body);
                let signature = shared.authorization(context.clock.now())?;
                request.headers.insert(AUTHORIZATION, signature);
                context.send(request).await
            }
            Self::Token {
                hub,
                namespace,
                identity,
            } => {
                let host = host(namespace, context);
                let url = format!("https://{host}/{hub}/messages");
                let url = Url::parse(&url).map_err(|_| misconfigured(NO_NAMESPACE))?;
                let mut request = request(url, body);
                match identity {
                    Identity::Fixed(bearer) => {
                        request.headers.insert(AUTHORIZATION, bearer.clone());
                        context.send(request).await
                    }
                    Identity::Entra(provider) => {
                        if !DOMAINS.iter().any(|domain| host.ends_with(domain)) {
                            return Err(misconfigured(
                                "spec.channel: tokens of Entra ID are sent to Azure's own domains \
                                 only, such as fleet.servicebus.windows.net",
                            ));
                        }
                        let token = || azure::token(provider, azure::EVENT_HUBS, context);
                        send_authorized(request, context, token).await
                    }
                }
            }
        }
    }
}

impl Notifier for AzureEventHub {
    fn notify<'a>(
        &'a self,
        notification: &'a Notification,
        context: &'a AttemptContext<'a>,
    ) -> BoxFuture<'a, Result<Receipt, Failure>> {
        Box::pin(async move {
            let body = to_wire_json(&notification.event).map_err(|error| {
                let text = format!("rendering the event: {error}");
                Failure::new(FailureClass::Rejected, text)
            })?;
            let response = self.send(body, context).await?;
            classify::by_status(&response, context.clock.now())?;
            Ok(Receipt {
                status: Some(response.status.as_u16()),
                ..Receipt::default()
            })
        })
    }
}

fn request(url: Url, body: Vec<u8>) -> HttpRequest {
    let mut request = HttpRequest::new(Method::POST, url);
    request.headers.insert(CONTENT_TYPE, ENTRY);
    request.body = Bytes::from(body);
    request
}

/// A namespace in full, in the cloud that the environment names.
fn host(namespace: &str, context: &AttemptContext<'_>) -> String {
    if namespace.contains(".servicebus.") {
        return namespace.to_lowercase();
    }
    let authority = context.identities.azure.authority_host.as_deref();
    let authority = authority.unwrap_or_default();
    let [public, china, government] = DOMAINS;
    let domain = if authority.contains("chinacloudapi.cn") {
        china
    } else if authority.contains("microsoftonline.us") {
        government
    } else {
        public
    };
    format!("{}{domain}", namespace.to_lowercase())
}

fn misconfigured(detail: &str) -> Failure {
    Failure::new(FailureClass::Misconfigured, detail)
}
