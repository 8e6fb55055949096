//! Logs in as a GitHub App: a signed token, exchanged for one of the installation
//! (`providers-common.md` C12.1).

use api::{Secret, SecretData};
use domain::delivery::{Failure, FailureClass};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use outbound::{HttpRequest, Redactor};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::notifier::AttemptContext;
use crate::settings::credentials::hide_header;
use crate::shared::commit_status::json;
use crate::shared::git_repository::segment;
use crate::shared::token_cache::{self, Minted};
use crate::{ConfigError, ProviderSettings};

/// The App as the Secret describes it.
pub(crate) struct GitHubApp {
    api: Url,
    id: u64,
    installation: Installation,
    key: EncodingKey,
    cache_key: String,
}

enum Installation {
    Id(u64),
    Owner(String),
}

#[derive(Serialize)]
struct Claims {
    iat: i64,
    exp: i64,
    iss: String,
}

#[derive(Deserialize)]
struct InstallationAnswer {
    id: u64,
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: String,
    expires_at: Option<Timestamp>,
}

/// A token of an installation.
pub(crate) struct Token {
    /// As it is sent.
    pub(crate) bearer: HeaderValue,
    /// Whether it was minted for an earlier call.
    pub(crate) is_from_cache: bool,
}

impl Token {
    fn new(token: &Secret<String>, is_from_cache: bool) -> Result<Self, Failure> {
        let bearer = ProviderSettings::secret_header(&format!("Bearer {}", token.expose()))
            .map_err(|error| Failure::new(FailureClass::Misconfigured, error.to_string()))?;
        Ok(Self {
            bearer,
            is_from_cache,
        })
    }
}

impl GitHubApp {
    /// Reads the App from a Secret; `None` if there is none in it. `api` is the host's API, used when
    /// the Secret does not name one.
    pub(crate) fn from_settings(
        settings: &ProviderSettings,
        api: &Url,
    ) -> Result<Option<Self>, ConfigError> {
        let secret = &settings.secret;
        let Some(id) = text(secret, "githubAppID") else {
            return Ok(None);
        };
        let id: u64 = id.parse().ok().filter(|id| *id > 0).ok_or_else(|| {
            ConfigError::new("app ID must be provided to use github app authentication")
        })?;
        let installation = match (
            text(secret, "githubAppInstallationID"),
            text(secret, "githubAppInstallationOwner"),
        ) {
            (Some(id), None) => Installation::Id(id.parse().map_err(|_| {
                ConfigError::new("githubAppInstallationID in the Secret is no number")
            })?),
            (None, Some(owner)) => Installation::Owner(owner),
            (Some(_), Some(_)) => {
                return Err(ConfigError::new(
                    "only one of app installation owner or ID must be provided to use github app authentication",
                ));
            }
            (None, None) => {
                return Err(ConfigError::new(
                    "app installation owner or ID must be provided to use github app authentication",
                ));
            }
        };
        let pem = secret.get("githubAppPrivateKey").ok_or_else(|| {
            ConfigError::new("private key must be provided to use github app authentication")
        })?;
        let key = EncodingKey::from_rsa_pem(pem.expose()).map_err(|_| {
            ConfigError::new(
                "could not parse private key: githubAppPrivateKey is no RSA key in PEM",
            )
        })?;
        let api = match text(secret, "githubAppBaseURL") {
            None => api.clone(),
            Some(base) => Url::parse(&format!("{}/", base.trim_end_matches('/')))
                .ok()
                .filter(|base| matches!(base.scheme(), "http" | "https"))
                .ok_or_else(|| {
                    ConfigError::new("githubAppBaseURL in the Secret is no http or https URL")
                })?,
        };
        Ok(Some(Self {
            cache_key: cache_key(settings, &api),
            api,
            id,
            installation,
            key,
        }))
    }

    /// A token of the installation, from the cache if it is still good.
    pub(crate) async fn token(&self, context: &AttemptContext<'_>) -> Result<Token, Failure> {
        let now = context.clock.now();
        let mint = self.mint(now, context);
        let usable = context
            .tokens
            .get_or_mint(&self.cache_key, now, mint)
            .await?;
        Token::new(&usable.token, usable.is_from_cache)
    }

    /// Lets go of a token that GitHub does not take any more.
    pub(crate) fn forget(&self, context: &AttemptContext<'_>) {
        context.tokens.remove(&self.cache_key);
    }

    /// A failure is shared by all who wait for the token, so it is cleaned of what was sent here.
    async fn mint(&self, now: Timestamp, context: &AttemptContext<'_>) -> Result<Minted, Failure> {
        let jwt = self.jwt(now)?;
        let minted = self.exchange(&jwt, now, context).await;
        minted.map_err(|failure| {
            let mut redactor = Redactor::new();
            hide_header(&mut redactor, &String::from_utf8_lossy(jwt.as_bytes()));
            Failure {
                detail: redactor.redact(&failure.detail),
                ..failure
            }
        })
    }

    async fn exchange(
        &self,
        jwt: &HeaderValue,
        now: Timestamp,
        context: &AttemptContext<'_>,
    ) -> Result<Minted, Failure> {
        let installation = match &self.installation {
            Installation::Id(id) => *id,
            Installation::Owner(owner) => self.find_installation(owner, jwt, context).await?,
        };
        let path = format!("app/installations/{installation}/access_tokens");
        let mut request = self.request(Method::POST, &path, jwt)?;
        request
            .headers
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let response = context.send(request).await?;
        let answer: TokenAnswer = json(&response, context)?;
        Ok(Minted {
            token: Secret::new(answer.token),
            expires: answer
                .expires_at
                .unwrap_or(now + SignedDuration::from_hours(1)),
        })
    }

    /// Organisations first, then users, as the reference does.
    async fn find_installation(
        &self,
        owner: &str,
        jwt: &HeaderValue,
        context: &AttemptContext<'_>,
    ) -> Result<u64, Failure> {
        for kind in ["orgs", "users"] {
            let path = format!("{kind}/{}/installation", segment(owner));
            let response = context.send(self.request(Method::GET, &path, jwt)?).await?;
            if response.status == StatusCode::NOT_FOUND && kind == "orgs" {
                continue;
            }
            let answer: InstallationAnswer = json(&response, context)?;
            return Ok(answer.id);
        }
        Err(Failure::new(
            FailureClass::Misconfigured,
            "the github app is not installed for githubAppInstallationOwner",
        ))
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        jwt: &HeaderValue,
    ) -> Result<HttpRequest, Failure> {
        let url = self.api.join(path).map_err(|error| {
            Failure::new(FailureClass::Misconfigured, format!("github app: {error}"))
        })?;
        let mut request = HttpRequest::new(method, url);
        request.headers = headers();
        request.headers.insert(AUTHORIZATION, jwt.clone());
        Ok(request)
    }

    /// Valid for two minutes, half a minute of which has passed, since clocks differ.
    fn jwt(&self, now: Timestamp) -> Result<HeaderValue, Failure> {
        let iat = now.as_second() - 30;
        let claims = Claims {
            iat,
            exp: iat + 120,
            iss: self.id.to_string(),
        };
        let misconfigured = |error: String| {
            Failure::new(FailureClass::Misconfigured, format!("github app: {error}"))
        };
        let jwt = jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &self.key)
            .map_err(|_| misconfigured("githubAppPrivateKey cannot sign".to_owned()))?;
        ProviderSettings::secret_header(&format!("Bearer {jwt}"))
            .map_err(|error| misconfigured(error.to_string()))
    }
}

/// The headers of every call to GitHub.
pub(crate) fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(
        ACCEPT,
        HeaderValue::from_static("application/vnd.github.v3+json"),
    );
    headers.insert(
        "x-github-api-version",
        HeaderValue::from_static("2022-11-28"),
    );
    headers
}

fn text(secret: &SecretData, key: &str) -> Option<String> {
    let value = String::from_utf8_lossy(secret.get(key)?.expose())
        .trim()
        .to_owned();
    (!value.is_empty()).then_some(value)
}

/// Differs whenever anything of the App or the Provider does, and reveals nothing.
fn cache_key(settings: &ProviderSettings, api: &Url) -> String {
    let api = std::iter::once(api.as_str().as_bytes());
    let secret = settings.secret.iter();
    let secret = secret.flat_map(|(key, value)| [key.as_bytes(), value.expose().as_slice()]);
    token_cache::key("github app", &settings.provider.key, api.chain(secret))
}
