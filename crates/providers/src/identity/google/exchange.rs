//! Google's Security Token Service, and posing as a Google service account.
//!
//! Sources: <https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token>,
//! <https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken>.

use api::Secret;
use domain::delivery::Failure;
use http::Method;
use http::header::AUTHORIZATION;
use jiff::Timestamp;
use outbound::{HttpRequest, Redactor};
use serde::Deserialize;
use serde_json::json;
use url::Url;

use crate::ProviderSettings;
use crate::identity::{misconfigured, oauth};
use crate::notifier::AttemptContext;
use crate::shared::json_post::set_json_body;
use crate::shared::token_cache::Minted;

/// Where tokens of other issuers are exchanged.
pub(super) const TOKEN_SERVICE: &str = "https://sts.googleapis.com/v1/token";

const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// The token of another issuer.
pub(super) struct Subject<'a> {
    pub(super) token: &'a Secret<String>,
    /// Its type, as a URN.
    pub(super) kind: &'a str,
    /// For whom Google is to take it.
    pub(super) audience: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Impersonated {
    access_token: String,
    expire_time: Timestamp,
}

/// Exchanges a token.
pub(super) async fn exchange(
    endpoint: &Url,
    subject: &Subject<'_>,
    scopes: &[&str],
    context: &AttemptContext<'_>,
) -> Result<Minted, Failure> {
    let scope = scopes.join(" ");
    let form = [
        ("audience", subject.audience),
        ("grant_type", GRANT),
        ("requested_token_type", ACCESS_TOKEN),
        ("scope", &scope),
        ("subject_token", subject.token.expose()),
        ("subject_token_type", subject.kind),
    ];
    oauth::token(context, endpoint, &form).await
}

/// A token of the service account that an endpoint such as
/// `…/serviceAccounts/<email>:generateAccessToken` is about.
pub(super) async fn impersonate(
    endpoint: &Url,
    token: &Secret<String>,
    scopes: &[&str],
    context: &AttemptContext<'_>,
) -> Result<Minted, Failure> {
    let mut request = HttpRequest::new(Method::POST, endpoint.clone());
    set_json_body(&mut request, &json!({"scope": scopes}))?;
    let bearer = ProviderSettings::secret_header(&format!("Bearer {}", token.expose()));
    let bearer = bearer.map_err(|error| misconfigured(error.to_string()))?;
    request.headers.insert(AUTHORIZATION, bearer);
    let response = context.ask_for_token(request).await?;
    let mut redactor = Redactor::new();
    redactor.hide(token.expose().as_bytes());
    oauth::check(&response, endpoint, &redactor, context.clock.now())?;
    let answer: Impersonated =
        serde_json::from_slice(&response.body).map_err(|_| oauth::no_token(&response, endpoint))?;
    Ok(Minted {
        token: Secret::new(answer.access_token),
        expires: answer.expire_time,
    })
}
