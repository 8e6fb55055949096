//! Writes commit statuses on Gitea and Forgejo.
//!
//! | Field | Use |
//! |---|---|
//! | `address` | the repository, `https://gitea.example.com/owner/repository` or an SSH address (required) |
//! | Secret `token` (or `password`) | a token that may write to the repository (required) |
//! | `commitStatusExpr` | CEL expression for the status' context; default `<kind>/<name>/<first group of the Provider's uid>` |
//! | `certSecretRef`, `proxySecretRef` | honoured |
//!
//! An event with reason `Progressing` is `pending`, an `error` event a `failure`, any other a
//! `success`; the description is the event's reason as words.
//! Events without `event.toolkit.fluxcd.io/commit` are skipped unless they are errors or refreshes.
//! A status that would change nothing is not posted again.
//! The server must be Gitea 1.11 or later, or any Forgejo; it is asked for its version first.
//!
//! API: <https://docs.gitea.com/api/next/#tag/repository/operation/repoCreateStatus>.
//!
//! ```yaml
//! apiVersion: notification.toolkit.fluxcd.io/v1beta3
//! kind: Provider
//! metadata:
//!   name: gitea
//!   namespace: flux-system
//! spec:
//!   type: gitea
//!   address: https://gitea.example.com/octo/fleet-infra
//!   secretRef:
//!     name: gitea
//! ```

use domain::delivery::Failure;
use domain::provider::Progressing;
use domain::{Capabilities, Notification};
use futures::future::BoxFuture;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method};
use outbound::HttpResponse;
use serde::{Deserialize, Serialize};

use crate::kind::{Guarantee, Protocol};
use crate::shared::commit_status::{self, CAPABILITIES, MOST_PAGES, Status, StatusHost, Words};
use crate::shared::gitea_api::{self, GiteaApi};
use crate::shared::json_post::set_json_body;
use crate::shared::pages;
use crate::{AttemptContext, ProviderKind};

pub(crate) const KIND: ProviderKind = ProviderKind {
    name: "gitea",
    title: "Gitea commit status",
    capabilities: Capabilities {
        progressing: Progressing::Sent,
        ..CAPABILITIES
    },
    guarantee: Guarantee::ExactlyOnce,
    protocol: Protocol::Http,
    check: gitea_api::check,
    build: |settings| {
        let api = GiteaApi::new(settings)?;
        Ok(commit_status::notifier(settings, Gitea { api }))
    },
    page: include_str!("gitea.rs"),
};

/// Characters of a description that fit into a column of 64 KB, the smallest that it may have.
const LONGEST_DESCRIPTION: usize = 16_000;

struct Gitea {
    api: GiteaApi,
}

#[derive(Serialize)]
struct NewStatus<'a> {
    state: &'a str,
    target_url: &'a str,
    description: &'a str,
    context: &'a str,
}

#[derive(Deserialize)]
struct ListedStatus {
    status: Option<String>,
    description: Option<String>,
    context: Option<String>,
}

impl Gitea {
    /// The newest entry of this context: Gitea lists the newest first.
    async fn latest(
        &self,
        status: &Status,
        context: &AttemptContext<'_>,
    ) -> Result<Option<ListedStatus>, Failure> {
        let mut seen = 0;
        for page in 1..=MOST_PAGES {
            let path = format!("commits/{}/statuses?limit=50&page={page}", status.commit);
            let mut request = self.api.request(Method::GET, &path)?;
            let json = HeaderValue::from_static("application/json");
            request.headers.insert(CONTENT_TYPE, json);
            let response = context.look_up(request).await?;
            let listed: Vec<ListedStatus> = commit_status::json(&response, context)?;
            let (count, mut listed) = (listed.len(), listed.into_iter());
            let found = listed.find(|one| one.context.as_deref() == Some(&status.id));
            seen += count;
            if found.is_some() || count == 0 || !pages::has_more(&response, seen) {
                return Ok(found);
            }
        }
        Ok(None)
    }
}

impl StatusHost for Gitea {
    fn repository(&self) -> String {
        self.api.repository()
    }

    fn words(&self) -> Words {
        Words {
            success: "success",
            failure: "failure",
            pending: Some("pending"),
            description: LONGEST_DESCRIPTION,
        }
    }

    fn has<'a>(
        &'a self,
        status: &'a Status,
        _: &'a Notification,
        context: &'a AttemptContext<'a>,
    ) -> BoxFuture<'a, Result<bool, Failure>> {
        Box::pin(async move {
            self.api.probe(context).await?;
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
            let path = format!("statuses/{}", status.commit);
            let mut request = self.api.request(Method::POST, &path)?;
            set_json_body(
                &mut request,
                &NewStatus {
                    state: status.state,
                    target_url: "",
                    description: &status.description,
                    context: &status.id,
                },
            )?;
            commit_status::posted(context.send(request).await?, context)
        })
    }
}
