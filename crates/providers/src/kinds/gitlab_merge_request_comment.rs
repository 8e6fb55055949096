//! Keeps one comment per object on a merge request at GitLab.
//!
//! | Field | Use |
//! |---|---|
//! | `address` | the project, `https://gitlab.com/group/project`, a numeric id in its place, or an SSH address (required) |
//! | Secret `token` (or `password`) | a token with the `api` scope (required) |
//! | `certSecretRef`, `proxySecretRef` | honoured |
//!
//! Only events with `event.toolkit.fluxcd.io/change_request`, the merge request's number in the
//! project, are sent.
//! The comment is edited in place; it is found by its id, or by the marker it begins with among the
//! comments of the same user. When somebody deletes it, the next event writes a new one.
//! GitLab takes comments of at most 1,000,000 characters; longer messages are cut in the middle.
//! Mentions, quick actions and markers in messages are made inert.
//!
//! API: <https://docs.gitlab.com/api/notes/#merge-requests>.
//!
//! ```yaml
//! apiVersion: notification.toolkit.fluxcd.io/v1beta3
//! kind: Provider
//! metadata:
//!   name: merge-requests
//!   namespace: flux-system
//! spec:
//!   type: gitlabmergerequestcomment
//!   address: https://gitlab.com/group/subgroup/project
//!   secretRef:
//!     name: gitlab
//! ```

use domain::delivery::Failure;
use futures::future::BoxFuture;
use http::Method;
use outbound::{HttpRequest, HttpResponse};

use crate::kind::{Guarantee, Protocol};
use crate::shared::comment::{self, CAPABILITIES, CommentHost, Limit, NewComment, Number, Page};
use crate::shared::gitlab_api::{self, GitLabApi};
use crate::shared::json_post::set_json_body;
use crate::shared::truncate::Unit;
use crate::{AttemptContext, ProviderKind};

pub(crate) const KIND: ProviderKind = ProviderKind {
    name: "gitlabmergerequestcomment",
    title: "GitLab merge request comment",
    capabilities: CAPABILITIES,
    guarantee: Guarantee::ExactlyOnce,
    protocol: Protocol::Http,
    check: gitlab_api::check,
    build: |settings| {
        let api = GitLabApi::new(settings)?;
        Ok(comment::notifier(settings, GitLabComments { api }))
    },
    page: include_str!("gitlab_merge_request_comment.rs"),
};

struct GitLabComments {
    api: GitLabApi,
}

impl GitLabComments {
    fn request(&self, method: Method, path: &str) -> Result<HttpRequest, Failure> {
        let url = self.api.url(&format!("merge_requests/{path}"))?;
        Ok(self.api.request(method, url))
    }
}

impl CommentHost for GitLabComments {
    fn repository(&self) -> String {
        self.api.repository()
    }

    fn marker_prefix(&self) -> &'static str {
        "flux-mr-comment-key"
    }

    fn limit(&self) -> Limit {
        Limit {
            length: 1_000_000,
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
            "{number}/notes?order_by=created_at&per_page={}&sort=asc{}",
            page.size,
            page.query()
        );
        self.request(Method::GET, &path)
    }

    fn create(&self, number: Number, comment: &NewComment<'_>) -> Result<HttpRequest, Failure> {
        let mut request = self.request(Method::POST, &format!("{number}/notes"))?;
        set_json_body(&mut request, comment)?;
        Ok(request)
    }

    fn update(
        &self,
        number: Number,
        id: u64,
        comment: &NewComment<'_>,
    ) -> Result<HttpRequest, Failure> {
        let mut request = self.request(Method::PUT, &format!("{number}/notes/{id}"))?;
        set_json_body(&mut request, comment)?;
        Ok(request)
    }

    fn send<'a>(
        &'a self,
        request: HttpRequest,
        context: &'a AttemptContext<'a>,
    ) -> BoxFuture<'a, Result<HttpResponse, Failure>> {
        Box::pin(context.look_up(request))
    }
}
