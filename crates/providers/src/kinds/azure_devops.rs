//! Writes commit statuses in Azure DevOps.
//!
//! | Field | Use |
//! |---|---|
//! | `address` | the repository, `https://dev.azure.com/organisation/project/_git/repository`, its SSH form, the older `https://organisation.visualstudio.com/project/_git/repository`, or `https://host/path/collection/project/_git/repository` on a server of one's own (required) |
//! | Secret `token` | a personal access token with the scope *Code (status)* |
//! | `serviceAccountName` | `ServiceAccount` whose identity in Entra ID is used when there is no `token`; needs the feature gate `ObjectLevelWorkloadIdentity` |
//! | `commitStatusExpr` | CEL expression for the status' name; default `<kind>/<name>/<first group of the Provider's uid>` |
//! | `certSecretRef`, `proxySecretRef` | honoured |
//!
//! The status' genre is `fluxcd`, or `fluxcd:<summary>` if the metadata has a `summary`.
//! An `error` event is `error`, any other `succeeded`; the description is the event's reason as words.
//! Events without `event.toolkit.fluxcd.io/commit` are skipped unless they are errors or refreshes.
//! A status that would change nothing is not posted again.
//! Without `token` and `serviceAccountName` the controller's own identity in Entra ID is used. Tokens of
//! Entra ID are sent to dev.azure.com and visualstudio.com only.
//!
//! API: <https://learn.microsoft.com/en-us/rest/api/azure/devops/git/statuses>.
//!
//! ```yaml
//! apiVersion: notification.toolkit.fluxcd.io/v1beta3
//! kind: Provider
//! metadata:
//!   name: azure-devops
//!   namespace: flux-system
//! spec:
//!   type: azuredevops
//!   address: https://dev.azure.com/octo/platform/_git/fleet-infra
//!   secretRef:
//!     name: azure-devops
//! ```

mod location;

use std::sync::atomic::{AtomicBool, Ordering};

use api::{Problem, Provider};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::Notification;
use domain::delivery::Failure;
use futures::future::BoxFuture;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode};
use outbound::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::identity::{Identified, azure};
use crate::kind::{Guarantee, Protocol};
use crate::shared::address;
use crate::shared::commit_status::{
    self, CAPABILITIES, MOST_PAGES, Status, StatusHost, Words, misconfigured,
};
use crate::shared::git_repository::GitRepository;
use crate::shared::json_post::set_json_body;
use crate::{AttemptContext, ConfigError, ProviderKind, ProviderSettings};

use location::Location;

pub(crate) const KIND: ProviderKind = ProviderKind {
    name: "azuredevops",
    title: "Azure DevOps commit status",
    capabilities: CAPABILITIES,
    guarantee: Guarantee::ExactlyOnce,
    protocol: Protocol::Http,
    check,
    build: |settings| {
        Ok(commit_status::notifier(
            settings,
            AzureDevOps::new(settings)?,
        ))
    },
    page: include_str!("azure_devops.rs"),
};

const NO_LOGIN: &str = "azure devops token cannot be empty: set `token` in the Secret to a personal access token; \
     identities of Entra ID are for https://dev.azure.com only";

/// The most statuses that one answer holds unless asked otherwise.
/// Source: <https://learn.microsoft.com/en-us/rest/api/azure/devops/git/statuses/list>.
const FULL_PAGE: usize = 1000;

const PLAIN_JSON: HeaderValue = HeaderValue::from_static("application/json");
const VERSIONED_JSON: HeaderValue = HeaderValue::from_static("application/json;api-version=6.0");

fn check(provider: &Provider) -> Vec<Problem> {
    let location =
        GitRepository::parse(&provider.address).and_then(|repository| Location::of(&repository));
    // Without a Secret the process or a ServiceAccount logs in.
    if provider.secret.is_none() && location.is_ok_and(|location| location.is_of_the_service()) {
        return Vec::new();
    }
    address::check_repository(provider, NO_LOGIN, |repository| {
        Location::of(repository).map(|_| ())
    })
}

struct AzureDevOps {
    location: Location,
    credential: Credential,
    /// Whether the organisation was seen to offer commit statuses.
    is_known: AtomicBool,
}

enum Credential {
    PersonalToken(HeaderValue),
    Entra(Identified),
}

#[derive(Serialize)]
struct NewStatus<'a> {
    context: StatusContext<'a>,
    description: &'a str,
    state: &'a str,
}

#[derive(Serialize)]
struct StatusContext<'a> {
    genre: &'a str,
    name: &'a str,
}

#[derive(Deserialize)]
struct List<T> {
    value: Vec<T>,
}

#[derive(Deserialize)]
struct Resource {
    area: Option<String>,
    #[serde(rename = "resourceName")]
    name: Option<String>,
}

#[derive(Deserialize)]
struct ListedStatus {
    id: Option<u64>,
    state: Option<String>,
    description: Option<String>,
    context: Option<ListedContext>,
}

#[derive(Deserialize)]
struct ListedContext {
    genre: Option<String>,
    name: Option<String>,
}

impl AzureDevOps {
    fn new(settings: &ProviderSettings) -> Result<Self, ConfigError> {
        let repository = GitRepository::parse(settings.address.expose())?;
        let location = Location::of(&repository)?;
        let credential = match &settings.token {
            Some(token) => Credential::PersonalToken(basic(token.expose())?),
            None if location.is_of_the_service() => Credential::Entra(Identified::new(settings)),
            None => return Err(ConfigError::new(NO_LOGIN)),
        };
        Ok(Self {
            location,
            credential,
            is_known: AtomicBool::new(false),
        })
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        accept: HeaderValue,
        session: &str,
    ) -> Result<HttpRequest, Failure> {
        let url = format!("{}/{path}", self.location.organisation);
        let url = Url::parse(&url).map_err(|error| misconfigured(&error))?;
        let mut request = HttpRequest::new(method, url);
        let headers = &mut request.headers;
        headers.insert(ACCEPT, accept);
        // Without it a wrong token leads to a sign-in page.
        headers.insert(
            "x-tfs-fedauthredirect",
            HeaderValue::from_static("Suppress"),
        );
        if let Ok(session) = HeaderValue::from_str(session) {
            headers.insert("x-tfs-session", session);
        }
        Ok(request)
    }

    /// Sends a request with the credential. A token of Entra ID that was minted for an earlier attempt
    /// and is not taken any more is forgotten, and another one asked for, once.
    async fn send(
        &self,
        request: HttpRequest,
        context: &AttemptContext<'_>,
    ) -> Result<HttpResponse, Failure> {
        loop {
            let (value, token) = match &self.credential {
                Credential::PersonalToken(value) => (value.clone(), None),
                Credential::Entra(provider) => {
                    let token = azure::token(provider, azure::DEV_OPS, context).await?;
                    let value = basic(token.token.expose());
                    (value.map_err(|error| misconfigured(&error))?, Some(token))
                }
            };
            let mut authorized = request.clone();
            authorized.headers.insert(AUTHORIZATION, value);
            let response = context.look_up(authorized).await?;
            let is_refused = matches!(
                response.status,
                StatusCode::UNAUTHORIZED | StatusCode::NON_AUTHORITATIVE_INFORMATION
            );
            match token.filter(|_| is_refused) {
                None => return is_signed_in(response),
                Some(token) => {
                    token.forget(context);
                    if !token.is_from_cache() {
                        return is_signed_in(response);
                    }
                }
            }
        }
    }

    fn statuses(&self, commit: &str) -> String {
        let Location {
            project,
            repository,
            ..
        } = &self.location;
        format!("{project}/_apis/git/repositories/{repository}/commits/{commit}/statuses")
    }

    /// Asks once whether the organisation offers commit statuses: servers of one's own may be too
    /// old, and this tells it better than a missing page.
    async fn discover(&self, session: &str, context: &AttemptContext<'_>) -> Result<(), Failure> {
        if self.is_known.load(Ordering::Relaxed) {
            return Ok(());
        }
        let request = self.request(Method::OPTIONS, "_apis", PLAIN_JSON, session)?;
        let response = self.send(request, context).await?;
        let offered: List<Resource> = commit_status::json(&response, context)?;
        let is_offered = offered.value.iter().any(|resource| {
            resource.area.as_deref() == Some("git") && resource.name.as_deref() == Some("statuses")
        });
        if !is_offered {
            return Err(misconfigured(
                &"the server offers no commit statuses in its Git API",
            ));
        }
        self.is_known.store(true, Ordering::Relaxed);
        Ok(())
    }
}

impl AzureDevOps {
    /// The newest status of this name and genre: ids rise, and of equal ones the first counts.
    async fn latest(
        &self,
        status: &Status,
        notification: &Notification,
        session: &str,
        context: &AttemptContext<'_>,
    ) -> Result<Option<ListedStatus>, Failure> {
        let path = self.statuses(&status.commit);
        let genre = genre(notification);
        let mut latest: Option<ListedStatus> = None;
        for page in 0..MOST_PAGES {
            let path = match page * FULL_PAGE {
                0 => path.clone(),
                skip => format!("{path}?skip={skip}"),
            };
            let request = self.request(Method::GET, &path, VERSIONED_JSON, session)?;
            let response = self.send(request, context).await?;
            let listed: List<ListedStatus> = commit_status::json(&response, context)?;
            let is_full = listed.value.len() >= FULL_PAGE;
            for one in listed.value {
                let is_ours = one.context.as_ref().is_some_and(|found| {
                    found.name.as_deref() == Some(&status.id)
                        && found.genre.as_deref() == Some(&genre)
                });
                if is_ours && latest.as_ref().is_none_or(|latest| one.id > latest.id) {
                    latest = Some(one);
                }
            }
            if !is_full {
                break;
            }
        }
        Ok(latest)
    }
}

/// Any user name goes with a token; the reference sends none.
fn basic(token: &str) -> Result<HeaderValue, ConfigError> {
    let pair = STANDARD.encode(format!(":{token}"));
    ProviderSettings::secret_header(&format!("Basic {pair}"))
}

/// Calls of one attempt share a session id; it is made of what the attempt is about.
fn session(notification: &Notification) -> String {
    domain::alert::uid_or_derived(
        "",
        "azure devops session",
        &api::ObjectKey::new(&notification.idempotency_key, &notification.alert.name),
    )
}

fn genre(notification: &Notification) -> String {
    match notification
        .event
        .metadata
        .get("summary")
        .filter(|summary| !summary.is_empty())
    {
        Some(summary) => format!("fluxcd:{summary}"),
        None => "fluxcd".to_owned(),
    }
}

/// A wrong or expired token is answered with 203 and a page to sign in.
fn is_signed_in(response: HttpResponse) -> Result<HttpResponse, Failure> {
    if response.status == StatusCode::NON_AUTHORITATIVE_INFORMATION {
        return Err(Failure {
            status: Some(response.status.as_u16()),
            ..misconfigured(&"the service asks to sign in: the token is wrong or has expired")
        });
    }
    Ok(response)
}

impl StatusHost for AzureDevOps {
    fn repository(&self) -> String {
        let Location {
            organisation,
            project,
            repository,
        } = &self.location;
        format!("{organisation}/{project}/{repository}")
    }

    fn words(&self) -> Words {
        Words {
            success: "succeeded",
            failure: "error",
            pending: None,
            description: 255,
        }
    }

    fn scope(&self, notification: &Notification) -> Option<String> {
        // A status of another genre is another status.
        Some(genre(notification))
    }

    fn has<'a>(
        &'a self,
        status: &'a Status,
        notification: &'a Notification,
        context: &'a AttemptContext<'a>,
    ) -> BoxFuture<'a, Result<bool, Failure>> {
        Box::pin(async move {
            let session = session(notification);
            self.discover(&session, context).await?;
            let latest = self.latest(status, notification, &session, context).await?;
            Ok(latest.is_some_and(|found| {
                found.state.as_deref() == Some(status.state)
                    && found.description.as_deref() == Some(&status.description)
            }))
        })
    }

    fn post<'a>(
        &'a self,
        status: &'a Status,
        notification: &'a Notification,
        context: &'a AttemptContext<'a>,
    ) -> BoxFuture<'a, Result<HttpResponse, Failure>> {
        Box::pin(async move {
            let session = session(notification);
            let path = self.statuses(&status.commit);
            let mut request = self.request(Method::POST, &path, VERSIONED_JSON, &session)?;
            set_json_body(
                &mut request,
                &NewStatus {
                    context: StatusContext {
                        genre: &genre(notification),
                        name: &status.id,
                    },
                    description: &status.description,
                    state: status.state,
                },
            )?;
            request.headers.insert(
                CONTENT_TYPE,
                HeaderValue::from_static("application/json;charset=utf-8"),
            );
            let response = self.send(request, context).await?;
            commit_status::posted(response, context)
        })
    }
}
