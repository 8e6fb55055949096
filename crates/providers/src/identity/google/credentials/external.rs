//! Credentials of another cloud or issuer, which Google takes in exchange (`external_account`).
//!
//! A user's Secret may name an https URL to fetch the other issuer's token from; files, programs and
//! the machine's own AWS identity belong to the operator.

use std::collections::BTreeMap;
use std::path::PathBuf;

use api::Secret;
use domain::delivery::{Failure, FailureClass};
use http::{HeaderName, Method};
use jiff::Timestamp;
use outbound::{HttpRequest, HttpResponse, Redactor};
use serde::Deserialize;
use serde_json::Value;
use url::{Host, Url};

use super::super::exchange::{self, Subject, TOKEN_SERVICE};
use super::{Origin, google_url, https, members};
use crate::identity::{misconfigured, oauth, read_file};
use crate::notifier::AttemptContext;
use crate::shared::token_cache::Minted;
use crate::{ConfigError, ProviderSettings};

/// Posing as a service account needs a token that may do anything it is permitted to.
const CLOUD_PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";

/// See the module.
pub(super) struct External {
    audience: String,
    subject_type: String,
    token_url: Url,
    impersonation: Option<Url>,
    source: Source,
    /// The member of a JSON answer that holds the token; without it the answer is the token.
    member: Option<String>,
}

enum Source {
    Url { url: Url, headers: http::HeaderMap },
    File(PathBuf),
}

#[derive(Deserialize)]
struct File {
    audience: String,
    subject_token_type: String,
    token_url: Option<String>,
    service_account_impersonation_url: Option<String>,
    #[serde(default)]
    credential_source: SourceFile,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SourceFile {
    url: Option<String>,
    headers: BTreeMap<String, String>,
    file: Option<PathBuf>,
    format: Format,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Format {
    #[serde(rename = "type")]
    kind: String,
    subject_token_field_name: String,
}

impl External {
    pub(super) fn parse(json: &Value, origin: Origin) -> Result<Self, ConfigError> {
        let fields = "`audience`, `subject_token_type` and `credential_source`";
        let file: File = members(json, "external_account", fields)?;
        let token_url = file.token_url.as_deref().unwrap_or(TOKEN_SERVICE);
        let impersonation = file.service_account_impersonation_url.as_deref();
        let impersonation = impersonation
            .map(|url| google_url("service_account_impersonation_url", url, origin))
            .transpose()?;
        let format = &file.credential_source.format;
        let member = match format.kind.as_str() {
            "" | "text" => None,
            "json" if !format.subject_token_field_name.is_empty() => {
                Some(format.subject_token_field_name.clone())
            }
            _ => {
                return Err(ConfigError::new(
                    "credentials of Google Cloud: `credential_source.format` must be text, or json \
                     with `subject_token_field_name`",
                ));
            }
        };
        Ok(Self {
            token_url: google_url("token_url", token_url, origin)?,
            impersonation,
            source: source(file.credential_source, origin)?,
            audience: file.audience,
            subject_type: file.subject_token_type,
            member,
        })
    }

    pub(super) async fn mint(
        &self,
        scopes: &[&str],
        context: &AttemptContext<'_>,
    ) -> Result<Minted, Failure> {
        let token = self.subject_token(context).await?;
        let subject = Subject {
            token: &token,
            kind: &self.subject_type,
            audience: &self.audience,
        };
        let endpoint = &self.token_url;
        let Some(impersonation) = &self.impersonation else {
            return exchange::exchange(endpoint, &subject, scopes, context).await;
        };
        let minted = exchange::exchange(endpoint, &subject, &[CLOUD_PLATFORM], context).await?;
        exchange::impersonate(impersonation, &minted.token, scopes, context).await
    }

    async fn subject_token(&self, context: &AttemptContext<'_>) -> Result<Secret<String>, Failure> {
        let text = match &self.source {
            Source::File(path) => read_file(path).await?,
            Source::Url { url, headers } => {
                let mut request = HttpRequest::new(Method::GET, url.clone());
                request.headers.clone_from(headers);
                // Only the operator can name the metadata service, see `source`.
                let response = if is_metadata(url) {
                    context.ask_metadata(request).await?
                } else {
                    context.ask_for_token(request).await?
                };
                answered(&response, url, context.clock.now())?
            }
        };
        let Some(member) = &self.member else {
            return Ok(text);
        };
        let json: Option<Value> = serde_json::from_str(text.expose()).ok();
        json.as_ref()
            .and_then(|json| json.get(member)?.as_str())
            .map(|token| Secret::new(token.to_owned()))
            .ok_or_else(|| {
                misconfigured(
                    "credentials of Google Cloud: `credential_source` gave no JSON with the member \
                     that `subject_token_field_name` names",
                )
            })
    }
}

fn answered(response: &HttpResponse, url: &Url, now: Timestamp) -> Result<Secret<String>, Failure> {
    oauth::check(response, url, &Redactor::new(), now)?;
    let text = std::str::from_utf8(&response.body).ok().map(str::trim);
    match text {
        Some(text) if !text.is_empty() && !response.truncated => Ok(Secret::new(text.to_owned())),
        _ => Err(Failure::new(
            FailureClass::ServerFault,
            "credentials of Google Cloud: `credential_source.url` gave no token",
        )),
    }
}

fn source(file: SourceFile, origin: Origin) -> Result<Source, ConfigError> {
    let wrong = |text: &str| ConfigError::new(format!("credentials of Google Cloud: {text}"));
    match (file.url, file.file, origin) {
        (Some(url), None, origin) => {
            let url = Url::parse(&url)
                .ok()
                .filter(|url| {
                    https(url.as_str()).is_some()
                        || (origin == Origin::Operator && url.scheme() == "http")
                })
                .ok_or_else(|| wrong("`credential_source.url` must be an https URL"))?;
            if origin == Origin::Secret && is_metadata(&url) {
                return Err(wrong(
                    "`credential_source.url` must not name a metadata service",
                ));
            }
            let mut headers = http::HeaderMap::new();
            for (name, value) in file.headers {
                let name = HeaderName::try_from(name)
                    .map_err(|_| wrong("`credential_source.headers` has an invalid name"))?;
                headers.insert(name, ProviderSettings::secret_header(&value)?);
            }
            Ok(Source::Url { url, headers })
        }
        (None, Some(path), Origin::Operator) => Ok(Source::File(path)),
        (_, _, Origin::Secret) => Err(wrong(
            "`credential_source` in a Secret must be a `url`; files, programs and AWS belong to \
             GOOGLE_APPLICATION_CREDENTIALS or to spec.serviceAccountName",
        )),
        (_, _, Origin::Operator) => Err(wrong(
            "`credential_source` must be a `url` or a `file`; programs and AWS are not supported",
        )),
    }
}

fn is_metadata(url: &Url) -> bool {
    matches!(url.host(), Some(Host::Ipv4(address)) if address.is_link_local())
}
