//! Who we are in a cloud when no Secret says it: the process itself, or a ServiceAccount.
//!
//! Tokens of the process' own identity are worth more than any one user's Provider, so they go only
//! to hosts of that cloud, over TLS that the system's authorities vouch for: a Provider that brings
//! its own certificates cannot use them. What `operations.md` section 8 calls object level works with
//! the identity of a ServiceAccount in the Provider's namespace.

pub(crate) mod azure;
pub(crate) mod google;
pub(crate) mod oauth;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use api::{ObjectKey, Secret};
use domain::ValidProvider;
use domain::delivery::{Failure, FailureClass};
use domain::ports::{TokenIssuer, TokenIssuerError};
use futures::FutureExt;
use futures::future::BoxFuture;
use http::StatusCode;
use http::header::AUTHORIZATION;
use outbound::{HttpRequest, HttpResponse, HttpTransport};

use crate::ProviderSettings;
use crate::notifier::AttemptContext;
use crate::shared::token_cache::Minted;

/// What the reference says, and validation too.
pub(crate) const GATE_IS_OFF: &str = "to use spec.serviceAccountName for provider authentication \
     please enable the ObjectLevelWorkloadIdentity feature gate in the controller";

/// What the reference says.
const NO_DEFAULT_ACCOUNT: &str = "the specified default service account does not exist in the \
     object namespace. your cluster is subject to multi-tenant workload identity lockdown, reach \
     out to your cluster administrator for help";

/// Tokens and credentials in files are smaller than this.
const LONGEST_FILE: usize = 64 << 10;

/// Where identities come from. The environment is read by whoever makes this.
#[derive(Clone)]
pub struct Identities {
    /// Whether the feature gate `ObjectLevelWorkloadIdentity` is on.
    pub object_level: bool,
    /// `--default-service-account`: used by Providers that name none; needs the gate.
    pub default_service_account: Option<String>,
    /// Who answers for ServiceAccounts.
    pub issuer: Arc<dyn TokenIssuer>,
    /// A client for the metadata services of clouds and for nothing else; requests made with it go
    /// to fixed addresses only. Without it the process has no identity by them.
    pub metadata: Option<Arc<dyn HttpTransport>>,
    /// What the environment says about Azure.
    pub azure: AzureEnvironment,
    /// What the environment says about Google Cloud.
    pub google: GoogleEnvironment,
}

impl Default for Identities {
    /// None at all.
    fn default() -> Self {
        Self {
            object_level: false,
            default_service_account: None,
            issuer: Arc::new(OutsideCluster),
            metadata: None,
            azure: AzureEnvironment::default(),
            google: GoogleEnvironment::default(),
        }
    }
}

impl fmt::Debug for Identities {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Identities")
            .field("object_level", &self.object_level)
            .field("default_service_account", &self.default_service_account)
            .field("azure", &self.azure)
            .field("google", &self.google)
            .finish_non_exhaustive()
    }
}

/// Variables of Azure's libraries.
/// Source: <https://learn.microsoft.com/en-us/azure/developer/go/sdk/authentication/authentication-overview>.
#[derive(Clone, Debug, Default)]
pub struct AzureEnvironment {
    /// `AZURE_TENANT_ID`.
    pub tenant_id: Option<String>,
    /// `AZURE_CLIENT_ID`.
    pub client_id: Option<String>,
    /// `AZURE_CLIENT_SECRET`.
    pub client_secret: Option<Secret<String>>,
    /// `AZURE_CLIENT_CERTIFICATE_PATH`: certificate and RSA key in PEM; read whenever a token is
    /// needed.
    pub client_certificate: Option<PathBuf>,
    /// `AZURE_FEDERATED_TOKEN_FILE`; read whenever a token is needed, since it is rotated.
    pub federated_token_file: Option<PathBuf>,
    /// `AZURE_AUTHORITY_HOST`; the public cloud's when absent.
    pub authority_host: Option<String>,
}

/// Variables of Google's libraries.
/// Source: <https://cloud.google.com/docs/authentication/application-default-credentials>.
#[derive(Clone, Debug, Default)]
pub struct GoogleEnvironment {
    /// `GOOGLE_APPLICATION_CREDENTIALS`, or the file that `gcloud` leaves if it exists; read whenever
    /// a token is needed.
    pub credentials_file: Option<PathBuf>,
}

/// Answers for ServiceAccounts where there is no cluster: there are none.
#[derive(Clone, Copy, Debug, Default)]
pub struct OutsideCluster;

impl TokenIssuer for OutsideCluster {
    fn annotations<'a>(
        &'a self,
        account: &'a ObjectKey,
    ) -> BoxFuture<'a, Result<Option<BTreeMap<String, String>>, TokenIssuerError>> {
        async { Err(TokenIssuerError::NoCluster(account.clone())) }.boxed()
    }

    fn issue<'a>(
        &'a self,
        account: &'a ObjectKey,
        _audience: &'a str,
    ) -> BoxFuture<'a, Result<Secret<String>, TokenIssuerError>> {
        async { Err(TokenIssuerError::NoCluster(account.clone())) }.boxed()
    }
}

/// Whose identity a Provider uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// The process itself.
    Controller,
    /// A ServiceAccount, with its annotations as they are now.
    Account {
        account: ObjectKey,
        annotations: BTreeMap<String, String>,
    },
}

impl Identities {
    /// Refuses `spec.serviceAccountName` while the gate is off, whatever the type.
    pub(crate) fn check_gate(&self, provider: &ValidProvider) -> Result<(), Failure> {
        if provider.spec.service_account.is_some() && !self.object_level {
            return Err(misconfigured(format!(
                "provider `{}`: {GATE_IS_OFF}",
                provider.key
            )));
        }
        Ok(())
    }

    /// Whose identity a Provider uses now.
    pub(crate) async fn who(&self, settings: &Identified) -> Result<Who, Failure> {
        let default = self.default_service_account.as_ref();
        let default = default.filter(|_| self.object_level);
        let Some(name) = settings.service_account.as_ref().or(default) else {
            return Ok(Who::Controller);
        };
        let account = ObjectKey::new(&settings.provider.namespace, name);
        let annotations = self.issuer.annotations(&account).await;
        match annotations.map_err(|error| issuer_failure(&error))? {
            Some(annotations) => Ok(Who::Account {
                account,
                annotations,
            }),
            None if settings.service_account.is_none() => Err(misconfigured(NO_DEFAULT_ACCOUNT)),
            None => Err(misconfigured(format!(
                "service account `{account}`, which spec.serviceAccountName of provider `{}` names, \
                 does not exist",
                settings.provider
            ))),
        }
    }
}

/// A Provider as far as identities are concerned.
#[derive(Clone, Debug)]
pub(crate) struct Identified {
    pub(crate) provider: ObjectKey,
    service_account: Option<String>,
    brings_certificates: bool,
}

impl Identified {
    pub(crate) fn new(settings: &ProviderSettings) -> Self {
        Self {
            provider: settings.provider.key.clone(),
            service_account: settings.provider.spec.service_account.clone(),
            brings_certificates: settings.route.tls.is_some(),
        }
    }

    /// Whoever chooses the authorities can pose as any host, and read the token.
    fn check_certificates(&self, who: &Who) -> Result<(), Failure> {
        if self.brings_certificates && *who == Who::Controller {
            return Err(misconfigured(
                "the controller's own identity cannot be used together with TLS certificates of the \
                 Provider: remove certSecretRef, or use spec.serviceAccountName or a credential in \
                 the Secret",
            ));
        }
        Ok(())
    }
}

/// A token that is ready to be sent.
pub(crate) struct AccessToken {
    pub(crate) token: Secret<String>,
    is_from_cache: bool,
    key: String,
}

impl AccessToken {
    /// The token of a cache key, minted if there is none.
    async fn get(
        key: String,
        context: &AttemptContext<'_>,
        mint: impl Future<Output = Result<Minted, Failure>>,
    ) -> Result<Self, Failure> {
        let now = context.clock.now();
        let usable = context.tokens.get_or_mint(&key, now, mint).await?;
        Ok(Self {
            token: usable.token,
            is_from_cache: usable.is_from_cache,
            key,
        })
    }

    /// Lets go of a token that the service does not take any more.
    pub(crate) fn forget(&self, context: &AttemptContext<'_>) {
        context.tokens.remove(&self.key);
    }

    /// Whether it was minted for an earlier attempt.
    pub(crate) fn is_from_cache(&self) -> bool {
        self.is_from_cache
    }
}

/// Sends a request with a bearer token. A token that was minted for an earlier attempt and is not
/// taken any more is forgotten, and another one asked for, once.
pub(crate) async fn send_authorized<T>(
    request: HttpRequest,
    context: &AttemptContext<'_>,
    token: impl Fn() -> T,
) -> Result<HttpResponse, Failure>
where
    T: Future<Output = Result<AccessToken, Failure>>,
{
    loop {
        let access = token().await?;
        let value = format!("Bearer {}", access.token.expose());
        let value = ProviderSettings::secret_header(&value);
        let mut authorized = request.clone();
        let headers = &mut authorized.headers;
        headers.insert(
            AUTHORIZATION,
            value.map_err(|error| misconfigured(error.to_string()))?,
        );
        let response = context.send(authorized).await?;
        if response.status != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        access.forget(context);
        if !access.is_from_cache() {
            return Ok(response);
        }
    }
}

/// The text of a file that the operator named, trimmed.
async fn read_file(path: &Path) -> Result<Secret<String>, Failure> {
    let failed = |what: &str| misconfigured(format!("file `{}` {what}", path.display()));
    let bytes = tokio::fs::read(path)
        .await
        .map(Secret::new)
        .map_err(|error| failed(&format!("cannot be read: {}", error.kind())))?;
    if bytes.expose().len() > LONGEST_FILE {
        return Err(failed("is too long for a token or a credential"));
    }
    let text = std::str::from_utf8(bytes.expose()).map_err(|_| failed("is no text in UTF-8"))?;
    Ok(Secret::new(text.trim().to_owned()))
}

fn issuer_failure(error: &TokenIssuerError) -> Failure {
    let class = match error {
        TokenIssuerError::Unavailable { .. } => FailureClass::Unreachable,
        TokenIssuerError::NoCluster(_) | TokenIssuerError::Refused { .. } => {
            FailureClass::Misconfigured
        }
    };
    Failure::new(class, error.to_string())
}

fn misconfigured(detail: impl Into<String>) -> Failure {
    Failure::new(FailureClass::Misconfigured, detail)
}
