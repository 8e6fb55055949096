//! Keeps one comment per object on a pull request at GitHub.
//!
//! | Field | Use |
//! |---|---|
//! | `address` | the repository, `https://github.com/owner/repository` or an SSH address (required) |
//! | Secret `token` (or `password`) | a token that may comment on pull requests, and read its own user |
//! | Secret `githubAppID`, `githubAppPrivateKey`, `githubAppInstallationOwner` or `githubAppInstallationID`, `githubAppBaseURL` | a GitHub App instead of a token |
//! | `certSecretRef`, `proxySecretRef` | honoured |
//!
//! Only events with `event.toolkit.fluxcd.io/change_request`, the pull request's number, are sent.
//! The comment is edited in place; it is found by its id, or by the marker it begins with among the
//! comments of the same user or App. When somebody deletes it, the next event writes a new one.
//! GitHub takes comments of at most 65,536 characters; longer messages are cut in the middle.
//! Mentions, commands and markers in messages are made inert.
//! A token that cannot read its user, such as a workflow's own, does not do: use an App.
//!
//! API: <https://docs.github.com/en/rest/issues/comments>.
//!
//! ```yaml
//! apiVersion: notification.toolkit.fluxcd.io/v1beta3
//! kind: Provider
//! metadata:
//!   name: pull-requests
//!   namespace: flux-system
//! spec:
//!   type: githubpullrequestcomment
//!   address: https://github.com/octo/fleet-infra
//!   secretRef:
//!     name: github
//! ```

use domain::delivery::Failure;
use futures::future::BoxFuture;
use http::header::ACCEPT;
use http::{HeaderValue, Method};
use outbound::{HttpRequest, HttpResponse};

use crate::kind::{Guarantee, Protocol};
use crate::shared::comment::{self, CAPABILITIES, CommentHost, Limit, NewComment, Number, Page};
use crate::shared::github_api::{self, GitHubApi};
use crate::shared::json_post::set_json_body;
use crate::shared::truncate::Unit;
use crate::{AttemptContext, ProviderKind};

pub(crate) const KIND: ProviderKind = ProviderKind {
    name: "githubpullrequestcomment",
    title: "GitHub pull request comment",
    capabilities: CAPABILITIES,
    guarantee: Guarantee::ExactlyOnce,
    protocol: Protocol::Http,
    check: github_api::check,
    build: |settings| {
        let api = GitHubApi::new(settings)?;
        Ok(comment::notifier(settings, GitHubComments { api }))
    },
    page: include_str!("github_pull_request_comment.rs"),
};

struct GitHubComments {
    api: GitHubApi,
}

impl GitHubComments {
    fn request(&self, method: Method, path: &str) -> Result<HttpRequest, Failure> {
        Ok(HttpRequest::new(method, self.api.url(path)?))
    }
}

impl CommentHost for GitHubComments {
    fn repository(&self) -> String {
        self.api.repository()
    }

    fn marker_prefix(&self) -> &'static str {
        "flux-pr-comment-key"
    }

    fn limit(&self) -> Limit {
        Limit {
            length: 65_536,
            unit: Unit::Characters,
        }
    }

    fn author<'a>(
        &'a self,
        context: &'a AttemptContext<'a>,
    ) -> BoxFuture<'a, Result<String, Failure>> {
        Box::pin(self.api.author(context))
    }

    fn list(&self, number: Number, page: Page) -> Result<HttpRequest, Failure> {
        let path = format!(
            "issues/{number}/comments?direction=asc&per_page={}&sort=created{}",
            page.size,
            page.query()
        );
        let mut request = self.request(Method::GET, &path)?;
        let with_reactions = "application/vnd.github.squirrel-girl-preview";
        let accept = HeaderValue::from_static(with_reactions);
        request.headers.insert(ACCEPT, accept);
        Ok(request)
    }

    fn create(&self, number: Number, comment: &NewComment<'_>) -> Result<HttpRequest, Failure> {
        let mut request = self.request(Method::POST, &format!("issues/{number}/comments"))?;
        set_json_body(&mut request, comment)?;
        Ok(request)
    }

    fn update(&self, _: Number, id: u64, comment: &NewComment<'_>) -> Result<HttpRequest, Failure> {
        let mut request = self.request(Method::PATCH, &format!("issues/comments/{id}"))?;
        set_json_body(&mut request, comment)?;
        Ok(request)
    }

    fn send<'a>(
        &'a self,
        request: HttpRequest,
        context: &'a AttemptContext<'a>,
    ) -> BoxFuture<'a, Result<HttpResponse, Failure>> {
        Box::pin(self.api.send(request, context))
    }
}
