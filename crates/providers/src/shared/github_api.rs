//! GitHub's REST API: where it is, and how to log in, with a token or as an App.
//!
//! A token that an App was given is never shared between Providers.

use std::sync::OnceLock;

use api::{Problem, Provider};
use domain::delivery::Failure;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Method, StatusCode};
use outbound::{HttpRequest, HttpResponse};
use serde::Deserialize;
use url::Url;

use crate::shared::address;
use crate::shared::commit_status::{during, json, misconfigured};
use crate::shared::git_repository::{GitRepository, segment};
use crate::shared::github_app::{self, GitHubApp};
use crate::{AttemptContext, ConfigError, ProviderSettings};

const NO_LOGIN: &str = "github token or github app details must be specified";

/// What shows without Secrets, for all types of this host.
pub(crate) fn check(provider: &Provider) -> Vec<Problem> {
    address::check_owner_and_name(provider, NO_LOGIN)
}

/// One repository, and what logs in there.
pub(crate) struct GitHubApi {
    base: Url,
    /// `owner/repository`.
    repository: String,
    login: Login,
    author: OnceLock<String>,
}

enum Login {
    Token(HeaderValue),
    App(Box<GitHubApp>),
}

#[derive(Deserialize)]
struct User {
    login: String,
}

impl GitHubApi {
    /// Reads address and credentials.
    pub(crate) fn new(settings: &ProviderSettings) -> Result<Self, ConfigError> {
        let repository = GitRepository::parse(settings.address.expose())?;
        let [owner, name] = repository.parts()?;
        let base = base_of(&repository.host);
        let login = match settings.token_or_password() {
            Some(token) => {
                let bearer = format!("Bearer {}", token.expose());
                Login::Token(ProviderSettings::secret_header(&bearer)?)
            }
            None => match GitHubApp::from_settings(settings, &base)? {
                Some(app) => Login::App(Box::new(app)),
                None => return Err(ConfigError::new(NO_LOGIN)),
            },
        };
        Ok(Self {
            repository: format!("{}/{}", segment(owner), segment(name)),
            base,
            login,
            author: OnceLock::new(),
        })
    }

    /// Where the API is.
    pub(crate) fn base(&self) -> &Url {
        &self.base
    }

    /// Says which repository this is; holds no credentials.
    pub(crate) fn repository(&self) -> String {
        format!("{}{}", self.base, self.repository)
    }

    /// The URL of something in the repository.
    pub(crate) fn url(&self, path: &str) -> Result<Url, Failure> {
        self.join(&format!("repos/{}/{path}", self.repository))
    }

    fn join(&self, path: &str) -> Result<Url, Failure> {
        self.base.join(path).map_err(|error| misconfigured(&error))
    }

    /// Sends with what logs in. An App's token that stopped counting before its time, such as after a
    /// change of permissions, is minted anew, once.
    pub(crate) async fn send(
        &self,
        mut request: HttpRequest,
        context: &AttemptContext<'_>,
    ) -> Result<HttpResponse, Failure> {
        for (name, value) in &github_app::headers() {
            request.headers.entry(name).or_insert_with(|| value.clone());
        }
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

    /// Who writes with these credentials: the token's user, or the App's bot. Asked once.
    pub(crate) async fn author(&self, context: &AttemptContext<'_>) -> Result<String, Failure> {
        if let Some(author) = self.author.get() {
            return Ok(author.clone());
        }
        let author = match &self.login {
            Login::Token(_) => {
                let request = HttpRequest::new(Method::GET, self.join("user")?);
                let response = self.send(request, context).await?;
                let user: Result<User, Failure> = json(&response, context);
                user.map_err(|failure| during("asking whose token it is", failure))?
                    .login
            }
            Login::App(app) => {
                let slug = app.slug(context).await;
                let slug = slug.map_err(|failure| during("asking for the app's name", failure))?;
                format!("{slug}[bot]")
            }
        };
        Ok(self.author.get_or_init(|| author).clone())
    }
}

/// Where the API of a host is (`providers-git.md`, github).
fn base_of(host: &Url) -> Url {
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
        base_of(&Url::parse(host).unwrap()).to_string()
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
