//! Credentials of Google Cloud as JSON: a service account's key, a user's, or those of another cloud.
//!
//! What a user's Secret holds is taken with care: tokens are asked for at Google's own hosts only, and
//! nothing in it makes this process read a file or run a program. A file that the operator names may
//! name other hosts and a file.
//!
//! Sources: <https://cloud.google.com/iam/docs/workload-identity-federation-with-other-providers>,
//! <https://developers.google.com/identity/protocols/oauth2/service-account>, RFC 7523.

mod external;

use api::Secret;
use domain::delivery::Failure;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use url::Url;

use crate::ConfigError;
use crate::identity::{misconfigured, oauth};
use crate::notifier::AttemptContext;
use crate::shared::token_cache::Minted;

use external::External;

const TOKEN_ENDPOINT: &str = "https://oauth2.googleapis.com/token";
const JWT_GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// How long an assertion is good for, in seconds: the most that Google takes.
const ASSERTION_LIFE: i64 = 3600;

/// Clocks differ, by so many seconds.
const CLOCK_SKEW: i64 = 10;

/// Who wrote the JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A user, in a Secret.
    Secret,
    /// The operator, in a file.
    Operator,
}

/// Credentials that can be exchanged for access tokens.
pub(crate) struct Credentials {
    kind: Kind,
    digest: [u8; 32],
}

enum Kind {
    ServiceAccount(ServiceAccount),
    User(User),
    External(Box<External>),
}

struct ServiceAccount {
    email: String,
    key: EncodingKey,
    key_id: Option<String>,
    endpoint: Url,
}

struct User {
    client_id: String,
    client_secret: Secret<String>,
    refresh_token: Secret<String>,
    endpoint: Url,
}

#[derive(Deserialize)]
struct ServiceAccountFile {
    client_email: String,
    private_key: String,
    private_key_id: Option<String>,
    token_uri: Option<String>,
}

#[derive(Deserialize)]
struct UserFile {
    client_id: String,
    client_secret: String,
    refresh_token: String,
    token_uri: Option<String>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    scope: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
}

impl Credentials {
    /// Reads credentials; an error names the field and never shows a value of it.
    pub(crate) fn parse(text: &str, origin: Origin) -> Result<Self, ConfigError> {
        let json: Value = serde_json::from_str(text).map_err(|_| {
            ConfigError::new(
                "no credentials of Google Cloud: expected JSON such as a service account's key file",
            )
        })?;
        let kind = json.get("type").and_then(Value::as_str).unwrap_or_default();
        let kind = match kind {
            "service_account" => Kind::ServiceAccount(service_account(&json, origin)?),
            "authorized_user" => Kind::User(user(&json, origin)?),
            "external_account" => Kind::External(Box::new(External::parse(&json, origin)?)),
            _ => {
                return Err(ConfigError::new(
                    "credentials of Google Cloud: `type` must be service_account, authorized_user \
                     or external_account",
                ));
            }
        };
        Ok(Self {
            kind,
            digest: Sha256::digest(text).into(),
        })
    }

    /// Differs whenever anything in them does.
    pub(crate) fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// A token that is good for these scopes.
    pub(crate) async fn mint(
        &self,
        scopes: &[&str],
        context: &AttemptContext<'_>,
    ) -> Result<Minted, Failure> {
        match &self.kind {
            Kind::ServiceAccount(account) => {
                let assertion = account.assertion(scopes, context.clock.now().as_second())?;
                let form = [
                    ("assertion", assertion.expose().as_str()),
                    ("grant_type", JWT_GRANT),
                ];
                oauth::token(context, &account.endpoint, &form).await
            }
            Kind::User(user) => {
                // Scopes are those that the user agreed to.
                let form = [
                    ("client_id", user.client_id.as_str()),
                    ("client_secret", user.client_secret.expose()),
                    ("grant_type", "refresh_token"),
                    ("refresh_token", user.refresh_token.expose()),
                ];
                oauth::token(context, &user.endpoint, &form).await
            }
            Kind::External(external) => external.mint(scopes, context).await,
        }
    }
}

impl ServiceAccount {
    fn assertion(&self, scopes: &[&str], now: i64) -> Result<Secret<String>, Failure> {
        let iat = now - CLOCK_SKEW;
        let claims = Claims {
            iss: &self.email,
            scope: &scopes.join(" "),
            aud: self.endpoint.as_str(),
            iat,
            exp: iat + ASSERTION_LIFE,
        };
        let header = Header {
            kid: self.key_id.clone(),
            ..Header::new(Algorithm::RS256)
        };
        jsonwebtoken::encode(&header, &claims, &self.key)
            .map(Secret::new)
            .map_err(|_| misconfigured("credentials of Google Cloud: `private_key` cannot sign"))
    }
}

fn service_account(json: &Value, origin: Origin) -> Result<ServiceAccount, ConfigError> {
    let fields = "`client_email` and `private_key`";
    let file: ServiceAccountFile = members(json, "service_account", fields)?;
    let pem = Secret::new(file.private_key);
    let key = EncodingKey::from_rsa_pem(pem.expose().as_bytes()).map_err(|_| {
        ConfigError::new("credentials of Google Cloud: `private_key` is no RSA key in PEM")
    })?;
    Ok(ServiceAccount {
        email: file.client_email,
        key,
        key_id: file.private_key_id,
        endpoint: endpoint("token_uri", file.token_uri.as_deref(), origin)?,
    })
}

fn user(json: &Value, origin: Origin) -> Result<User, ConfigError> {
    let fields = "`client_id`, `client_secret` and `refresh_token`";
    let file: UserFile = members(json, "authorized_user", fields)?;
    Ok(User {
        client_id: file.client_id,
        client_secret: Secret::new(file.client_secret),
        refresh_token: Secret::new(file.refresh_token),
        endpoint: endpoint("token_uri", file.token_uri.as_deref(), origin)?,
    })
}

/// The members that a type needs.
fn members<T: DeserializeOwned>(json: &Value, kind: &str, fields: &str) -> Result<T, ConfigError> {
    T::deserialize(json).map_err(|_| {
        ConfigError::new(format!(
            "credentials of Google Cloud: type {kind} needs {fields} as texts"
        ))
    })
}

/// Where a token is asked for.
fn endpoint(field: &str, given: Option<&str>, origin: Origin) -> Result<Url, ConfigError> {
    google_url(field, given.unwrap_or(TOKEN_ENDPOINT), origin)
}

/// A URL to send credentials to. Assertions and tokens of a Secret go to Google and nowhere else,
/// however well they are protected on the way.
fn google_url(field: &str, text: &str, origin: Origin) -> Result<Url, ConfigError> {
    let wrong = |expected: &str| {
        ConfigError::new(format!(
            "credentials of Google Cloud: `{field}` must be {expected}"
        ))
    };
    let url = https(text).ok_or_else(|| wrong("an https URL"))?;
    let host = url.host_str().unwrap_or_default();
    let is_google = host == "accounts.google.com" || host.ends_with(".googleapis.com");
    if origin == Origin::Operator || (is_google && url.port().is_none()) {
        return Ok(url);
    }
    Err(wrong(
        "a URL of Google, such as https://oauth2.googleapis.com/token",
    ))
}

/// An https URL with a host and without user information.
fn https(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_plain = url.username().is_empty() && url.password().is_none();
    (url.scheme() == "https" && url.host_str().is_some() && is_plain).then_some(url)
}

#[cfg(test)]
mod tests;
