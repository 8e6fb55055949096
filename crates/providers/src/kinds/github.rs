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

use api::{Problem, Provider};
use domain::Notification;
use domain::delivery::{Failure, Receipt};
use futures::future::BoxFuture;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Method, StatusCode};
use outbound::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::kind::{Guarantee, Protocol};
use crate::shared::address;
use crate::shared::commit_status::{
    self, CAPABILITIES, MOST_PAGES, Status, StatusHost, Words, misconfigured,
};
use crate::shared::git_repository::{GitRepository, segment};
use crate::shared::github_app::{self, GitHubApp};
use crate::shared::json_post::set_json_body;
use crate::shared::pages;
use crate::{AttemptContext, ConfigError, Notifier, ProviderKind, ProviderSettings};

pub(crate) const KIND: ProviderKind = ProviderKind {
    name: "github",
    title: "GitHub commit status",
    capabilities: CAPABILITIES,
    guarantee: Guarantee::ExactlyOnce,
    protocol: Protocol::Http,
    check,
    build: |settings| Ok(Box::new(GitHub::new(settings)?) as Box<dyn Notifier>),
    page: include_str!("github.rs"),
};

fn check(provider: &Provider) -> Vec<Problem> {
    address::check_repository(provider, |repository| repository.parts::<2>().map(|_| ()))
}

struct GitHub {
    provider: String,
    api: Url,
    repository: String,
    login: Login,
}

enum Login {
    Token(HeaderValue),
    App(Box<GitHubApp>),
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
        let repository = GitRepository::parse(settings.address.expose())?;
        let [owner, name] = repository.parts()?;
        let api = api_of(&repository.host);
        let login = match settings.token_or_password() {
            Some(token) => {
                let bearer = format!("Bearer {}", token.expose());
                Login::Token(ProviderSettings::secret_header(&bearer)?)
            }
            None => match GitHubApp::from_settings(settings, &api)? {
                Some(app) => Login::App(Box::new(app)),
                None => {
                    return Err(ConfigError::new(
                        "github token or github app details must be specified",
                    ));
                }
            },
        };
        Ok(Self {
            provider: settings.provider.key.to_string(),
            repository: format!("{}/{}", segment(owner), segment(name)),
            api,
            login,
        })
    }

    /// Sends with what logs in. An App's token that stopped counting before its time, such as after a
    /// change of permissions, is minted anew, once.
    async fn send(
        &self,
        mut request: HttpRequest,
        context: &AttemptContext<'_>,
    ) -> Result<HttpResponse, Failure> {
        request.headers.extend(github_app::headers());
        let headers = &mut request.headers;
        let app = match &self.login {
            Login::Token(bearer) => {
                headers.insert(AUTHORIZATION, bearer.clone());
                return context.look_up(request).await;
            }
            Login::App(app) => app,
        };
        let token = app.token(context).await?;
        headers.insert(AUTHORIZATION, token.bearer);
        let response = context.look_up(request.clone()).await?;
        if response.status != StatusCode::UNAUTHORIZED || !token.is_from_cache {
            return Ok(response);
        }
        app.forget(context);
        let token = app.token(context).await?;
        request.headers.insert(AUTHORIZATION, token.bearer);
        context.look_up(request).await
    }

    fn url(&self, path: &str) -> Result<Url, Failure> {
        let path = format!("repos/{}/{path}", self.repository);
        self.api.join(&path).map_err(|error| misconfigured(&error))
    }

    async fn latest(
        &self,
        status: &Status,
        context: &AttemptContext<'_>,
    ) -> Result<Option<ListedStatus>, Failure> {
        let mut next = Some(self.url(&format!("commits/{}/statuses?per_page=50", status.commit))?);
        for _ in 0..MOST_PAGES {
            let Some(url) = next else {
                break;
            };
            let response = self
                .send(HttpRequest::new(Method::GET, url), context)
                .await?;
            let listed: Vec<ListedStatus> = commit_status::json(&response, context)?;
            // GitHub lists the newest first, and takes contexts that differ in case for the same.
            let is_ours = |one: &ListedStatus| {
                let context = one.context.as_deref().unwrap_or_default();
                context.eq_ignore_ascii_case(&status.id)
            };
            if let Some(found) = listed.into_iter().find(is_ours) {
                return Ok(Some(found));
            }
            next = pages::next(&response, &self.api);
        }
        Ok(None)
    }
}

impl StatusHost for GitHub {
    fn repository(&self) -> String {
        format!("{}{}", self.api, self.repository)
    }

    fn words(&self) -> Words {
        Words {
            success: "success",
            failure: "failure",
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
            let url = self.url(&format!("statuses/{}", status.commit))?;
            let mut request = HttpRequest::new(Method::POST, url);
            set_json_body(
                &mut request,
                &NewStatus {
                    state: status.state,
                    description: &status.description,
                    context: &status.id,
                },
            )?;
            commit_status::posted(self.send(request, context).await?, context)
        })
    }
}

impl Notifier for GitHub {
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

/// Where the API of a host is (`providers-git.md`, github).
fn api_of(host: &Url) -> Url {
    let name = host.host_str().unwrap_or_default();
    let mut api = host.clone();
    if matches!(name, "github.com" | "www.github.com" | "ssh.github.com") {
        api = Url::parse("https://api.github.com/").unwrap_or(api);
    } else if name.ends_with(".ghe.com") && !name.starts_with("api.") {
        // GitHub Enterprise Cloud with data residency.
        api = Url::parse(&format!("https://api.{name}/")).unwrap_or(api);
    } else if !name.starts_with("api.") && !name.contains(".api.") {
        api.set_path("/api/v3/");
    }
    api
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api(host: &str) -> String {
        api_of(&Url::parse(host).unwrap()).to_string()
    }

    /// T43.
    #[test]
    fn every_host_has_its_own_api() {
        assert_eq!(api("https://github.com/"), "https://api.github.com/");
        assert_eq!(api("https://www.github.com/"), "https://api.github.com/");
        assert_eq!(api("https://ssh.github.com/"), "https://api.github.com/");
        assert_eq!(api("http://github.com:80/"), "https://api.github.com/");
        assert_eq!(
            api("https://api.acme.ghe.com/"),
            "https://api.acme.ghe.com/"
        );
        assert_eq!(api("https://acme.ghe.com/"), "https://api.acme.ghe.com/");
        assert_eq!(
            api("https://ghe.example.com:8443/"),
            "https://ghe.example.com:8443/api/v3/"
        );
        assert_eq!(api("https://api.example.com/"), "https://api.example.com/");
        assert_eq!(
            api("https://x.api.example.com/"),
            "https://x.api.example.com/"
        );
    }
}
