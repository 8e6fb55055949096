//! Access tokens of Google Cloud (`providers-common.md` C12.3).
//!
//! The process' identity is that of Application Default Credentials: the file that
//! `GOOGLE_APPLICATION_CREDENTIALS` names, else the machine's own by its metadata server. A
//! ServiceAccount's token is exchanged at Google's Security Token Service, and for a token of a Google
//! service account if an annotation names one.
//!
//! Sources: <https://cloud.google.com/docs/authentication/application-default-credentials>,
//! <https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token>,
//! <https://cloud.google.com/compute/docs/metadata/querying-metadata>.

pub(crate) mod credentials;
pub(crate) mod exchange;
mod service_account;

use api::ObjectKey;
use domain::delivery::{Failure, FailureClass};
use http::{HeaderValue, Method};
use outbound::{HttpRequest, HttpResponse, Redactor};
use url::Url;

use super::{AccessToken, Identified, Who, misconfigured, oauth};
use crate::notifier::AttemptContext;
use crate::shared::token_cache::{self, Minted};

use credentials::{Credentials, Origin};
use service_account::Trust;

/// What tokens of identities are good for; the reference asks for these.
const SCOPES: [&str; 2] = [
    "https://www.googleapis.com/auth/cloud-platform",
    "https://www.googleapis.com/auth/userinfo.email",
];

const METADATA: &str = "http://169.254.169.254/computeMetadata/v1/";

/// A token made with credentials of the Secret, good for `scopes` only.
pub(crate) async fn token_of_credentials(
    provider: &ObjectKey,
    credentials: &Credentials,
    scopes: &[&str],
    context: &AttemptContext<'_>,
) -> Result<AccessToken, Failure> {
    let parts = scopes.iter().map(|scope| scope.as_bytes());
    let own = credentials.digest();
    let parts = parts.chain([own.as_slice()]);
    let key = token_cache::key("google credentials", provider, parts);
    AccessToken::get(key, context, credentials.mint(scopes, context)).await
}

/// A token of the Provider's identity.
pub(crate) async fn token(
    provider: &Identified,
    context: &AttemptContext<'_>,
) -> Result<AccessToken, Failure> {
    let who = context.identities.who(provider).await?;
    provider.check_certificates(&who)?;
    match &who {
        Who::Controller => {
            let parts: [&[u8]; 0] = [];
            let key = token_cache::key("google default", &provider.provider, parts);
            AccessToken::get(key, context, mint_default(context)).await
        }
        Who::Account {
            account,
            annotations,
        } => {
            let trust = Trust::of(account, annotations)?;
            let parts = trust.parts(account);
            let parts = parts.iter().map(|part| part.as_bytes());
            let key = token_cache::key("google account", &provider.provider, parts);
            AccessToken::get(key, context, trust.mint(account, context)).await
        }
    }
}

async fn mint_default(context: &AttemptContext<'_>) -> Result<Minted, Failure> {
    if let Some(path) = &context.identities.google.credentials_file {
        let text = super::read_file(path).await?;
        let credentials = Credentials::parse(text.expose(), Origin::Operator)
            .map_err(|error| misconfigured(format!("file `{}`: {error}", path.display())))?;
        return credentials.mint(&SCOPES, context).await;
    }
    let mut url = metadata_url("instance/service-accounts/default/token")?;
    url.query_pairs_mut()
        .append_pair("scopes", &SCOPES.join(","));
    let response = ask_metadata(&url, context).await?;
    oauth::minted(&response, &url, &Redactor::new(), context.clock.now())
}

/// A value of the metadata server, such as the project's id.
async fn metadata(key: &str, context: &AttemptContext<'_>) -> Result<String, Failure> {
    let url = metadata_url(key)?;
    let response = ask_metadata(&url, context).await?;
    oauth::check(&response, &url, &Redactor::new(), context.clock.now())?;
    let value = String::from_utf8_lossy(&response.body).trim().to_owned();
    if value.is_empty() || value.len() > 255 {
        return Err(Failure::new(
            FailureClass::ServerFault,
            format!("the metadata server knows no {key}"),
        ));
    }
    Ok(value)
}

async fn ask_metadata(url: &Url, context: &AttemptContext<'_>) -> Result<HttpResponse, Failure> {
    let mut request = HttpRequest::new(Method::GET, url.clone());
    request
        .headers
        .insert("metadata-flavor", HeaderValue::from_static("Google"));
    context.ask_metadata(request).await
}

fn metadata_url(key: &str) -> Result<Url, Failure> {
    Url::parse(&format!("{METADATA}{key}")).map_err(|error| misconfigured(error.to_string()))
}
