//! Writes commit statuses on GitHub, the check marks beside a commit.
//!
//! | Field | Use |
//! |---|---|
//! | `address` | the repository, `https://github.com/owner/repository` or an SSH address (required) |
//! | Secret `token` (or `password`) | a token that may write commit statuses |
//! | Secret `githubAppID`, `githubAppPrivateKey`, `githubAppInstallationOwner` or `githubAppInstallationID`, `githubAppBaseURL` | a GitHub App instead of a token |
//! | `commitStatusExpr` | CEL expression for the status' context; default `<kind>/<name>/<first group of the Provider's uid>` |
//! | `certSecretRef`, `proxySecretRef` | honoured |
//!
//! An `error` event is a failure, any other a success; the description is the event's reason as
//! words, at most 140 characters. Events without `event.toolkit.fluxcd.io/commit` are skipped unless
//! they are errors or refreshes. A status that would change nothing is not posted again.
//!
//! Hosts other than `github.com` and `*.ghe.com` are taken for GitHub Enterprise Server.
//! API: <https://docs.github.com/en/rest/commits/statuses>.
//!
//! ```yaml
//! apiVersion: notification.toolkit.fluxcd.io/v1beta3
//! kind: Provider
//! metadata:
//!   name: github
//!   namespace: flux-system
//! spec:
//!   type: github
//!   address: https://github.com/octo/fleet-infra
//!   secretRef:
//!     name: github
//! ```

use domain::Notification;
use domain::delivery::Failure;
use futures::future::BoxFuture;
use http::Method;
use outbound::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};

use crate::kind::{Guarantee, Protocol};
use crate::shared::commit_status::{self, CAPABILITIES, MOST_PAGES, Status, StatusHost, Words};
use crate::shared::github_api::{self, GitHubApi};
use crate::shared::json_post::set_json_body;
use crate::shared::pages;
use crate::{AttemptContext, ConfigError, ProviderKind, ProviderSettings};

pub(crate) const KIND: ProviderKind = ProviderKind {
    name: "github",
    title: "GitHub commit status",
    capabilities: CAPABILITIES,
    guarantee: Guarantee::ExactlyOnce,
    protocol: Protocol::Http,
    check: github_api::check,
    build: |settings| Ok(commit_status::notifier(settings, GitHub::new(settings)?)),
    page: include_str!("github.rs"),
};

struct GitHub {
    api: GitHubApi,
}

#[derive(Serialize)]
struct NewStatus<'a> {
    state: &'a str,
    description: &'a str,
    context: &'a str,
}

#[derive(Deserialize)]
struct ListedStatus {
    state: Option<String>,
    description: Option<String>,
    context: Option<String>,
}

impl GitHub {
    fn new(settings: &ProviderSettings) -> Result<Self, ConfigError> {
        Ok(Self {
            api: GitHubApi::new(settings)?,
        })
    }

    async fn latest(
        &self,
        status: &Status,
        context: &AttemptContext<'_>,
    ) -> Result<Option<ListedStatus>, Failure> {
        let path = format!("commits/{}/statuses?per_page=50", status.commit);
        let mut next = Some(self.api.url(&path)?);
        for _ in 0..MOST_PAGES {
            let Some(url) = next else {
                break;
            };
            let request = HttpRequest::new(Method::GET, url);
            let response = self.api.send(request, context).await?;
            let listed: Vec<ListedStatus> = commit_status::json(&response, context)?;
            // GitHub lists the newest first, and takes contexts that differ in case for the same.
            let is_ours = |one: &ListedStatus| {
                let context = one.context.as_deref().unwrap_or_default();
                context.eq_ignore_ascii_case(&status.id)
            };
            if let Some(found) = listed.into_iter().find(is_ours) {
                return Ok(Some(found));
            }
            next = pages::next(&response, self.api.base());
        }
        Ok(None)
    }
}

impl StatusHost for GitHub {
    fn repository(&self) -> String {
        self.api.repository()
    }

    fn words(&self) -> Words {
        Words {
            success: "success",
            failure: "failure",
            pending: None,
            // Longer ones are refused with 422.
            description: 140,
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
                found.state.as_deref() == Some(status.state)
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
            let mut request = HttpRequest::new(Method::POST, url);
            set_json_body(
                &mut request,
                &NewStatus {
                    state: status.state,
                    description: &status.description,
                    context: &status.id,
                },
            )?;
            commit_status::posted(self.api.send(request, context).await?, context)
        })
    }
}
