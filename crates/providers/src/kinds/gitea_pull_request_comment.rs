//! Keeps one comment per object on a pull request at Gitea or Forgejo.
//!
//! | Field | Use |
//! |---|---|
//! | `address` | the repository, `https://gitea.example.com/owner/repository` or an SSH address (required) |
//! | Secret `token` (or `password`) | a token that may write issues, and read its own user (required) |
//! | `certSecretRef`, `proxySecretRef` | honoured |
//!
//! Only events with `event.toolkit.fluxcd.io/change_request`, the pull request's number, are sent.
//! The comment is edited in place; it is found by its id, or by the marker it begins with among the
//! comments of the same user. When somebody deletes it, the next event writes a new one.
//! Servers of any age keep comments of 65,535 bytes; longer messages are cut in the middle.
//! Mentions, commands and markers in messages are made inert.
//! The server must be Gitea 1.11 or later, or any Forgejo; it is asked for its version first.
//!
//! API: <https://docs.gitea.com/api/next/#tag/issue/operation/issueCreateComment>.
//!
//! ```yaml
//! apiVersion: notification.toolkit.fluxcd.io/v1beta3
//! kind: Provider
//! metadata:
//!   name: pull-requests
//!   namespace: flux-system
//! spec:
//!   type: giteapullrequestcomment
//!   address: https://gitea.example.com/octo/fleet-infra
//!   secretRef:
//!     name: gitea
//! ```

use domain::delivery::Failure;
use futures::future::BoxFuture;
use http::Method;
use outbound::{HttpRequest, HttpResponse};

use crate::kind::{Guarantee, Protocol};
use crate::shared::comment::{self, CAPABILITIES, CommentHost, Limit, NewComment, Number, Page};
use crate::shared::gitea_api::{self, GiteaApi};
use crate::shared::json_post::set_json_body;
use crate::shared::truncate::Unit;
use crate::{AttemptContext, ProviderKind};

pub(crate) const KIND: ProviderKind = ProviderKind {
    name: "giteapullrequestcomment",
    title: "Gitea pull request comment",
    capabilities: CAPABILITIES,
    guarantee: Guarantee::ExactlyOnce,
    protocol: Protocol::Http,
    check: gitea_api::check,
    build: |settings| {
        let api = GiteaApi::new(settings)?;
        Ok(comment::notifier(settings, GiteaComments { api }))
    },
    page: include_str!("gitea_pull_request_comment.rs"),
};

struct GiteaComments {
    api: GiteaApi,
}

impl CommentHost for GiteaComments {
    fn repository(&self) -> String {
        self.api.repository()
    }

    fn marker_prefix(&self) -> &'static str {
        "flux-pr-comment-key"
    }

    fn limit(&self) -> Limit {
        // The smallest column of older servers; newer ones take more.
        Limit {
            length: 65_535,
            unit: Unit::Bytes,
        }
    }

    fn author<'a>(
        &'a self,
        context: &'a AttemptContext<'a>,
    ) -> BoxFuture<'a, Result<String, Failure>> {
        Box::pin(async {
            self.api.probe(context).await?;
            self.api.author(context).await
        })
    }

    fn list(&self, number: Number, page: Page) -> Result<HttpRequest, Failure> {
        let Page { number: page, size } = page;
        let path = format!("issues/{number}/comments?limit={size}&page={page}");
        self.api.request(Method::GET, &path)
    }

    fn create(&self, number: Number, comment: &NewComment<'_>) -> Result<HttpRequest, Failure> {
        let path = format!("issues/{number}/comments");
        let mut request = self.api.request(Method::POST, &path)?;
        set_json_body(&mut request, comment)?;
        Ok(request)
    }

    fn update(&self, _: Number, id: u64, comment: &NewComment<'_>) -> Result<HttpRequest, Failure> {
        let path = format!("issues/comments/{id}");
        let mut request = self.api.request(Method::PATCH, &path)?;
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
