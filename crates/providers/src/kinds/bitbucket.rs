//! Writes build statuses on Bitbucket Cloud.
//!
//! | Field | Use |
//! |---|---|
//! | `address` | the repository, `https://bitbucket.org/workspace/repository` or an SSH address (required) |
//! | Secret `token` | `user:password`, an app password or API token behind the first colon (required) |
//! | `commitStatusExpr` | CEL expression for the status' id; default `<kind>/<name>/<first group of the Provider's uid>` |
//! | `certSecretRef`, `proxySecretRef` | honoured |
//!
//! The status' key is the SHA-1 of its id. An `error` event is `FAILED`, any other `SUCCESSFUL`; the
//! description is the event's reason as words.
//! Events without `event.toolkit.fluxcd.io/commit` are skipped unless they are errors or refreshes.
//! A status that would change nothing is not posted again.
//!
//! The API is always at `api.bitbucket.org`, whatever host the address names; the environment variable
//! `BITBUCKET_API_BASE_URL` is not read. Use a proxy to reach it by another way.
//!
//! API: <https://developer.atlassian.com/cloud/bitbucket/rest/api-group-commit-statuses/>.
//!
//! ```yaml
//! apiVersion: notification.toolkit.fluxcd.io/v1beta3
//! kind: Provider
//! metadata:
//!   name: bitbucket
//!   namespace: flux-system
//! spec:
//!   type: bitbucket
//!   address: https://bitbucket.org/octo/fleet-infra
//!   secretRef:
//!     name: bitbucket
//! ```

use api::{Problem, Provider};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::Notification;
use domain::delivery::Failure;
use futures::future::BoxFuture;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Method, StatusCode};
use outbound::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::kind::{Guarantee, Protocol};
use crate::shared::address;
use crate::shared::commit_status::{self, CAPABILITIES, Status, StatusHost, Words, misconfigured};
use crate::shared::git_repository::{GitRepository, segment};
use crate::shared::json_post::set_json_body;
use crate::{AttemptContext, ConfigError, ProviderKind, ProviderSettings};

pub(crate) const KIND: ProviderKind = ProviderKind {
    name: "bitbucket",
    title: "Bitbucket Cloud build status",
    capabilities: CAPABILITIES,
    guarantee: Guarantee::ExactlyOnce,
    protocol: Protocol::Http,
    check,
    build: |settings| Ok(commit_status::notifier(settings, Bitbucket::new(settings)?)),
    page: include_str!("bitbucket.rs"),
};

/// There is one Bitbucket Cloud, whatever host the address names. The reference's client also reads
/// the variable `BITBUCKET_API_BASE_URL`; we do not, since it would send the credentials of all
/// namespaces to one other host.
const API: &str = "https://api.bitbucket.org/2.0/repositories";

const NO_LOGIN: &str = "bitbucket token cannot be empty";

/// A status needs a link, and there is none to an object in a cluster.
const LINK: &str = "https://bitbucket.org";

/// Characters that a name may have.
const LONGEST_NAME: usize = 255;

fn check(provider: &Provider) -> Vec<Problem> {
    address::check_owner_and_name(provider, NO_LOGIN)
}

struct Bitbucket {
    repository: String,
    authorization: HeaderValue,
}

#[derive(Serialize)]
struct NewStatus<'a> {
    key: &'a str,
    url: &'a str,
    state: &'a str,
    name: &'a str,
    description: &'a str,
}

#[derive(Deserialize)]
struct FoundStatus {
    state: Option<String>,
    description: Option<String>,
}

impl Bitbucket {
    fn new(settings: &ProviderSettings) -> Result<Self, ConfigError> {
        let repository = GitRepository::parse(settings.address.expose())?;
        let [owner, name] = repository.parts()?;
        let token = settings
            .token
            .as_ref()
            .ok_or_else(|| ConfigError::new(NO_LOGIN))?;
        if !token.expose().contains(':') {
            return Err(ConfigError::new(
                "invalid token format, expected to be <user>:<password>",
            ));
        }
        let basic = format!("Basic {}", STANDARD.encode(token.expose()));
        Ok(Self {
            repository: format!("{}/{}", segment(owner), segment(name)),
            authorization: ProviderSettings::secret_header(&basic)?,
        })
    }

    fn request(&self, method: Method, commit: &str, path: &str) -> Result<HttpRequest, Failure> {
        let url = format!(
            "{API}/{}/commit/{commit}/statuses/build{path}",
            self.repository
        );
        let url = Url::parse(&url).map_err(|error| misconfigured(&error))?;
        let mut request = HttpRequest::new(method, url);
        request
            .headers
            .insert(AUTHORIZATION, self.authorization.clone());
        Ok(request)
    }
}

impl StatusHost for Bitbucket {
    fn repository(&self) -> String {
        format!("{API}/{}", self.repository)
    }

    fn words(&self) -> Words {
        Words {
            success: "SUCCESSFUL",
            failure: "FAILED",
            pending: None,
            description: 255,
        }
    }

    fn has<'a>(
        &'a self,
        status: &'a Status,
        _: &'a Notification,
        context: &'a AttemptContext<'a>,
    ) -> BoxFuture<'a, Result<bool, Failure>> {
        Box::pin(async move {
            let path = format!("/{}", status.key());
            let request = self.request(Method::GET, &status.commit, &path)?;
            let response = context.look_up(request).await?;
            if response.status == StatusCode::NOT_FOUND {
                return Ok(false);
            }
            let found: FoundStatus = commit_status::json(&response, context)?;
            Ok(found.state.as_deref() == Some(status.state)
                && found.description.as_deref() == Some(&status.description))
        })
    }

    fn post<'a>(
        &'a self,
        status: &'a Status,
        _: &'a Notification,
        context: &'a AttemptContext<'a>,
    ) -> BoxFuture<'a, Result<HttpResponse, Failure>> {
        Box::pin(async move {
            let mut request = self.request(Method::POST, &status.commit, "")?;
            set_json_body(
                &mut request,
                &NewStatus {
                    key: &status.key(),
                    url: LINK,
                    state: status.state,
                    name: &status.name.chars().take(LONGEST_NAME).collect::<String>(),
                    description: &status.description,
                },
            )?;
            commit_status::posted(context.send(request).await?, context)
        })
    }
}
