//! Writes commit statuses on GitLab, shown as jobs of an external pipeline.
//!
//! | Field | Use |
//! |---|---|
//! | `address` | the project, `https://gitlab.com/group/project`, a numeric id in its place, or an SSH address (required) |
//! | Secret `token` (or `password`) | a token with the `api` scope (required) |
//! | `commitStatusExpr` | CEL expression for the status' name; default `<kind>/<name>/<first group of the Provider's uid>` |
//! | `certSecretRef`, `proxySecretRef` | honoured |
//!
//! An `error` event is `failed`, any other `success`; the description is the event's reason as words.
//! Events without `event.toolkit.fluxcd.io/commit` are skipped unless they are errors or refreshes.
//! A status that would change nothing is not posted again.
//!
//! API: <https://docs.gitlab.com/api/commits/#commit-status>.
//!
//! ```yaml
//! apiVersion: notification.toolkit.fluxcd.io/v1beta3
//! kind: Provider
//! metadata:
//!   name: gitlab
//!   namespace: flux-system
//! spec:
//!   type: gitlab
//!   address: https://gitlab.com/group/subgroup/project
//!   secretRef:
//!     name: gitlab
//! ```

use api::{Problem, Provider};
use domain::Notification;
use domain::delivery::{Failure, Receipt};
use futures::future::BoxFuture;
use http::header::ACCEPT;
use http::{HeaderValue, Method};
use outbound::{HttpRequest, HttpResponse};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::kind::{Guarantee, Protocol};
use crate::shared::address;
use crate::shared::commit_status::{
    self, CAPABILITIES, MOST_PAGES, Status, StatusHost, Words, misconfigured,
};
use crate::shared::git_repository::GitRepository;
use crate::shared::json_post::set_json_body;
use crate::shared::pages;
use crate::{AttemptContext, ConfigError, Notifier, ProviderKind, ProviderSettings};

pub(crate) const KIND: ProviderKind = ProviderKind {
    name: "gitlab",
    title: "GitLab commit status",
    capabilities: CAPABILITIES,
    guarantee: Guarantee::ExactlyOnce,
    protocol: Protocol::Http,
    check,
    build: |settings| Ok(Box::new(GitLab::new(settings)?) as Box<dyn Notifier>),
    page: include_str!("gitlab.rs"),
};

/// A project's path is one segment of the URL: `/` and `.` are escaped as well.
const ONE_SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'~');

fn check(provider: &Provider) -> Vec<Problem> {
    address::check_repository(provider, |repository| project(repository).map(|_| ()))
}

/// The whole path, or the numeric id.
fn project(repository: &GitRepository) -> Result<&str, ConfigError> {
    if repository.path.is_empty() {
        return Err(ConfigError::new(
            "invalid repository id: the address names no project",
        ));
    }
    Ok(&repository.path)
}

struct GitLab {
    provider: String,
    /// `https://host/api/v4/projects/<project>/`.
    api: Url,
    token: HeaderValue,
}

#[derive(Serialize)]
struct NewStatus<'a> {
    state: &'a str,
    name: &'a str,
    description: &'a str,
}

#[derive(Deserialize)]
struct ListedStatus {
    id: Option<u64>,
    status: Option<String>,
    name: Option<String>,
    description: Option<String>,
}

impl GitLab {
    fn new(settings: &ProviderSettings) -> Result<Self, ConfigError> {
        let repository = GitRepository::parse(settings.address.expose())?;
        let project = utf8_percent_encode(project(&repository)?, ONE_SEGMENT);
        let api = repository
            .host
            .join(&format!("api/v4/projects/{project}/"))
            .map_err(|error| ConfigError::new(format!("the address is no project URL: {error}")))?;
        let token = settings
            .token_or_password()
            .ok_or_else(|| ConfigError::new("gitlab token cannot be empty"))?;
        Ok(Self {
            provider: settings.provider.key.to_string(),
            api,
            token: ProviderSettings::secret_header(token.expose())?,
        })
    }

    fn url(&self, path: &str) -> Result<Url, Failure> {
        self.api.join(path).map_err(|error| misconfigured(&error))
    }

    fn request(&self, method: Method, url: Url) -> HttpRequest {
        let mut request = HttpRequest::new(method, url);
        let headers = &mut request.headers;
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert("private-token", self.token.clone());
        request
    }

    /// The newest entry of this name; entries have rising ids, whatever their order in the list.
    async fn latest(
        &self,
        status: &Status,
        context: &AttemptContext<'_>,
    ) -> Result<Option<ListedStatus>, Failure> {
        let name = utf8_percent_encode(&status.id, NON_ALPHANUMERIC_QUERY);
        let path = format!("repository/commits/{}/statuses?name={name}", status.commit);
        let (mut latest, mut next): (Option<ListedStatus>, _) = (None, Some(self.url(&path)?));
        for _ in 0..MOST_PAGES {
            let Some(url) = next else {
                break;
            };
            let response = context
                .look_up(self.request(Method::GET, url.clone()))
                .await?;
            let listed: Vec<ListedStatus> = commit_status::json(&response, context)?;
            for one in listed {
                let is_ours = one.name.as_deref() == Some(&status.id);
                if is_ours && latest.as_ref().is_none_or(|latest| one.id > latest.id) {
                    latest = Some(one);
                }
            }
            next = next_page(&response, &url);
        }
        Ok(latest)
    }
}

/// As query strings are escaped by the reference.
const NON_ALPHANUMERIC_QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

impl StatusHost for GitLab {
    fn repository(&self) -> String {
        self.api.to_string()
    }

    fn words(&self) -> Words {
        Words {
            success: "success",
            failure: "failed",
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
            Ok(self.latest(status, context).await?.is_some_and(|found| {
                found.status.as_deref() == Some(status.state)
                    && found.description.as_deref() == Some(&status.description)
            }))
        })
    }

    fn post<'a>(
        &'a self,
        status: &'a Status,
        _: &'a Notification,
        context: &'a AttemptContext<'a>,
    ) -> BoxFuture<'a, Result<HttpResponse, Failure>> {
        Box::pin(async move {
            let url = self.url(&format!("statuses/{}", status.commit))?;
            let mut request = self.request(Method::POST, url);
            set_json_body(
                &mut request,
                &NewStatus {
                    state: status.state,
                    name: &status.id,
                    description: &status.description,
                },
            )?;
            commit_status::posted(context.send(request).await?, context)
        })
    }
}

impl Notifier for GitLab {
    fn notify<'a>(
        &'a self,
        notification: &'a Notification,
        context: &'a AttemptContext<'a>,
    ) -> BoxFuture<'a, Result<Receipt, Failure>> {
        Box::pin(commit_status::write(
            self,
            &self.provider,
            notification,
            context,
        ))
    }
}

/// Numbered pages first: behind a proxy the links may name another host than the address does.
/// Source: <https://docs.gitlab.com/api/rest/#pagination>.
fn next_page(response: &HttpResponse, here: &Url) -> Option<Url> {
    let Some(number) = response.headers.get("x-next-page") else {
        return pages::next(response, here);
    };
    // It is empty on the last page.
    let number: u32 = number.to_str().ok()?.trim().parse().ok()?;
    let mut next = here.clone();
    // Not through the pairs: that would spell the other parameters anew.
    let others = here.query().unwrap_or_default().split('&');
    let mut query: Vec<String> = others
        .filter(|pair| !pair.is_empty() && !pair.starts_with("page="))
        .map(str::to_owned)
        .collect();
    query.push(format!("page={number}"));
    next.set_query(Some(&query.join("&")));
    Some(next)
}
