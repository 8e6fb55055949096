//! Tokens of Microsoft Entra ID (`providers-common.md` C12.2).
//!
//! The process' identity is the first of these whose configuration is there: a client secret, a
//! certificate, a federated token file, the managed identity of the machine. No command-line tool is
//! asked.
//!
//! Sources: <https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-client-creds-grant-flow>,
//! <https://learn.microsoft.com/en-us/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>.

mod certificate;

use std::path::Path;

use api::ObjectKey;
use domain::delivery::Failure;
use http::{HeaderValue, Method};
use outbound::{HttpRequest, Redactor};
use url::Url;

use super::{AccessToken, AzureEnvironment, Identified, Who, issuer_failure, misconfigured, oauth};
use crate::notifier::AttemptContext;
use crate::shared::token_cache::{self, Minted};

/// Azure Event Hubs; the double slash is intended.
pub(crate) const EVENT_HUBS: &str = "https://eventhubs.azure.net//.default";

/// Azure DevOps.
pub(crate) const DEV_OPS: &str = "499b84ac-1321-427f-aa17-267ca6975798/.default";

const PUBLIC_AUTHORITY: &str = "https://login.microsoftonline.com/";
const METADATA: &str = "http://169.254.169.254/metadata/identity/oauth2/token";
const AUDIENCE: &str = "api://AzureADTokenExchange";
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

const TENANT_ID: &str = "azure.workload.identity/tenant-id";
const CLIENT_ID: &str = "azure.workload.identity/client-id";

/// A token for a scope, as the Provider's identity.
pub(crate) async fn token(
    provider: &Identified,
    scope: &str,
    context: &AttemptContext<'_>,
) -> Result<AccessToken, Failure> {
    let who = context.identities.who(provider).await?;
    provider.check_certificates(&who)?;
    let identity = Identity::of(&who, &context.identities.azure)?;
    let environment = &context.identities.azure;
    let authority = environment.authority_host.as_deref().unwrap_or_default();
    let parts = [scope, authority].into_iter().chain(identity.parts());
    let key = token_cache::key("entra", &provider.provider, parts.map(str::as_bytes));
    AccessToken::get(key, context, identity.mint(scope, context)).await
}

/// What a token is asked for with.
#[derive(Debug)]
enum Identity<'a> {
    ClientSecret {
        tenant: &'a str,
        client: &'a str,
        secret: &'a str,
    },
    Certificate {
        tenant: &'a str,
        client: &'a str,
        file: &'a Path,
    },
    Federated {
        tenant: &'a str,
        client: &'a str,
        file: &'a Path,
    },
    Managed {
        client: Option<&'a str>,
    },
    Account {
        account: &'a ObjectKey,
        tenant: &'a str,
        client: &'a str,
    },
}

impl<'a> Identity<'a> {
    fn of(who: &'a Who, environment: &'a AzureEnvironment) -> Result<Self, Failure> {
        let Who::Account {
            account,
            annotations,
        } = who
        else {
            return Self::of_process(environment);
        };
        let annotation = |name: &str| {
            let value = annotations.get(name).map_or("", String::as_str);
            if is_id(value) {
                Ok(value)
            } else {
                let wrong = if value.is_empty() {
                    "is missing"
                } else {
                    "is no id"
                };
                Err(misconfigured(format!(
                    "service account `{account}`: annotation {name} {wrong}; expected an id such as \
                     00000000-0000-0000-0000-000000000000"
                )))
            }
        };
        Ok(Self::Account {
            account,
            tenant: annotation(TENANT_ID)?,
            client: annotation(CLIENT_ID)?,
        })
    }

    fn of_process(environment: &'a AzureEnvironment) -> Result<Self, Failure> {
        let client = environment.client_id.as_deref();
        let (Some(tenant), Some(id)) = (environment.tenant_id.as_deref(), client) else {
            return Ok(Self::Managed { client });
        };
        let has_authority = environment.authority_host.is_some();
        let federated = environment.federated_token_file.as_deref();
        let federated = federated.filter(|_| has_authority);
        let certificate = environment.client_certificate.as_deref();
        let identity = match (&environment.client_secret, certificate, federated) {
            (Some(secret), _, _) => Self::ClientSecret {
                tenant,
                client: id,
                secret: secret.expose(),
            },
            (None, Some(file), _) => Self::Certificate {
                tenant,
                client: id,
                file,
            },
            (None, None, Some(file)) => Self::Federated {
                tenant,
                client: id,
                file,
            },
            (None, None, None) => return Ok(Self::Managed { client }),
        };
        if is_id(tenant) {
            Ok(identity)
        } else {
            Err(misconfigured("AZURE_TENANT_ID is no id of a tenant"))
        }
    }

    /// What tells this identity from others.
    fn parts(&self) -> Vec<&'a str> {
        match self {
            Self::ClientSecret {
                tenant,
                client,
                secret,
            } => vec!["secret", tenant, client, secret],
            Self::Certificate { tenant, client, .. } => vec!["certificate", tenant, client],
            Self::Federated { tenant, client, .. } => vec!["federated", tenant, client],
            Self::Managed { client } => vec!["managed", client.unwrap_or_default()],
            Self::Account {
                account,
                tenant,
                client,
            } => vec!["account", &account.namespace, &account.name, tenant, client],
        }
    }

    async fn mint(&self, scope: &str, context: &AttemptContext<'_>) -> Result<Minted, Failure> {
        match self {
            Self::ClientSecret {
                tenant,
                client,
                secret,
            } => {
                let form = [
                    ("client_id", *client),
                    ("client_secret", *secret),
                    ("grant_type", "client_credentials"),
                    ("scope", scope),
                ];
                oauth::token(context, &endpoint(tenant, context)?, &form).await
            }
            Self::Certificate {
                tenant,
                client,
                file,
            } => {
                let pem = super::read_file(file).await?;
                let endpoint = endpoint(tenant, context)?;
                let now = context.clock.now();
                let assertion = certificate::assertion(pem.expose(), client, &endpoint, now)?;
                asserted(tenant, client, assertion.expose(), scope, context).await
            }
            Self::Federated {
                tenant,
                client,
                file,
            } => {
                let assertion = super::read_file(file).await?;
                asserted(tenant, client, assertion.expose(), scope, context).await
            }
            Self::Managed { client } => managed(*client, scope, context).await,
            Self::Account {
                account,
                tenant,
                client,
            } => {
                let issuer = &context.identities.issuer;
                let assertion = issuer.issue(account, AUDIENCE).await;
                let assertion = assertion.map_err(|error| issuer_failure(&error))?;
                asserted(tenant, client, assertion.expose(), scope, context).await
            }
        }
    }
}

/// A token for whom somebody else vouches.
async fn asserted(
    tenant: &str,
    client: &str,
    assertion: &str,
    scope: &str,
    context: &AttemptContext<'_>,
) -> Result<Minted, Failure> {
    let form = [
        ("client_assertion", assertion),
        ("client_assertion_type", ASSERTION),
        ("client_id", client),
        ("grant_type", "client_credentials"),
        ("scope", scope),
    ];
    oauth::token(context, &endpoint(tenant, context)?, &form).await
}

/// A token of the machine's own identity.
async fn managed(
    client: Option<&str>,
    scope: &str,
    context: &AttemptContext<'_>,
) -> Result<Minted, Failure> {
    let mut url = Url::parse(METADATA).map_err(|error| misconfigured(error.to_string()))?;
    // The older form of a scope.
    let resource = scope.strip_suffix("/.default").unwrap_or(scope);
    url.query_pairs_mut()
        .append_pair("api-version", "2018-02-01")
        .append_pair("resource", resource)
        .extend_pairs(client.map(|client| ("client_id", client)));
    let mut request = HttpRequest::new(Method::GET, url.clone());
    request
        .headers
        .insert("metadata", HeaderValue::from_static("true"));
    let response = context.ask_metadata(request).await?;
    oauth::minted(&response, &url, &Redactor::new(), context.clock.now())
}

fn endpoint(tenant: &str, context: &AttemptContext<'_>) -> Result<Url, Failure> {
    let authority = context.identities.azure.authority_host.as_deref();
    let authority = authority.unwrap_or(PUBLIC_AUTHORITY).trim_end_matches('/');
    Url::parse(&format!("{authority}/{tenant}/oauth2/v2.0/token"))
        .ok()
        .filter(|url| url.scheme() == "https")
        .ok_or_else(|| misconfigured("AZURE_AUTHORITY_HOST is no https URL"))
}

/// Letters, digits, dots and dashes, as ids and domains have them: nothing that could lead elsewhere.
fn is_id(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 255
        && !text.contains("..")
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
}
