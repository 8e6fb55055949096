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

use domain::Notification;
use domain::delivery::Failure;
use futures::future::BoxFuture;
use http::Method;
use outbound::HttpResponse;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::kind::{Guarantee, Protocol};
use crate::shared::commit_status::{self, CAPABILITIES, MOST_PAGES, Status, StatusHost, Words};
use crate::shared::gitlab_api::{self, GitLabApi};
use crate::shared::json_post::set_json_body;
use crate::shared::pages;
use crate::{AttemptContext, ConfigError, ProviderKind, ProviderSettings};

pub(crate) const KIND: ProviderKind = ProviderKind {
    name: "gitlab",
    title: "GitLab commit status",
    capabilities: CAPABILITIES,
    guarantee: Guarantee::ExactlyOnce,
    protocol: Protocol::Http,
    check: gitlab_api::check,
    build: |settings| Ok(commit_status::notifier(settings, GitLab::new(settings)?)),
    page: include_str!("gitlab.rs"),
};

struct GitLab {
    api: GitLabApi,
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
        Ok(Self {
            api: GitLabApi::new(settings)?,
        })
    }

    /// The newest entry of this name; entries have rising ids, whatever their order in the list.
    async fn latest(
        &self,
        status: &Status,
        context: &AttemptContext<'_>,
    ) -> Result<Option<ListedStatus>, Failure> {
        let name = utf8_percent_encode(&status.id, NON_ALPHANUMERIC_QUERY);
        let path = format!("repository/commits/{}/statuses?name={name}", status.commit);
        let (mut latest, mut next): (Option<ListedStatus>, _) = (None, Some(self.api.url(&path)?));
        for _ in 0..MOST_PAGES {
            let Some(url) = next else {
                break;
            };
            let request = self.api.request(Method::GET, url.clone());
            let response = context.look_up(request).await?;
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
        self.api.repository()
    }

    fn words(&self) -> Words {
        Words {
            success: "success",
            failure: "failed",
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
            let url = self.api.url(&format!("statuses/{}", status.commit))?;
            let mut request = self.api.request(Method::POST, url);
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
