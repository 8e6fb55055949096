//! Gitea's and Forgejo's REST API: where it is, how to log in, and whether it is recent enough.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use api::{Problem, Provider};
use domain::delivery::{Failure, FailureClass};
use http::header::AUTHORIZATION;
use http::{HeaderValue, Method};
use outbound::HttpRequest;
use serde::Deserialize;
use url::Url;

use crate::shared::address;
use crate::shared::commit_status::{during, json, misconfigured};
use crate::shared::git_repository::{GitRepository, segment};
use crate::{AttemptContext, ConfigError, ProviderSettings};

const NO_LOGIN: &str = "gitea token cannot be empty";

/// Major and minor version of the oldest server that the reference's client talks to.
const OLDEST: (u32, u32) = (1, 11);

/// What shows without Secrets, for all types of this host.
pub(crate) fn check(provider: &Provider) -> Vec<Problem> {
    address::check_owner_and_name(provider, NO_LOGIN)
}

/// One repository, and the token that logs in there.
pub(crate) struct GiteaApi {
    /// `https://host/api/v1/`.
    base: Url,
    /// `owner/repository`.
    repository: String,
    token: HeaderValue,
    /// Whether the server was seen to be recent enough.
    is_known: AtomicBool,
    author: OnceLock<String>,
}

#[derive(Deserialize)]
struct Version {
    version: String,
}

#[derive(Deserialize)]
struct User {
    login: String,
}

impl GiteaApi {
    /// Reads address and credentials.
    pub(crate) fn new(settings: &ProviderSettings) -> Result<Self, ConfigError> {
        let repository = GitRepository::parse(settings.address.expose())?;
        let [owner, name] = repository.parts()?;
        let base = repository.host.join("api/v1/");
        let base = base.map_err(|error| {
            ConfigError::new(format!("the address is no repository URL: {error}"))
        })?;
        let token = settings
            .token_or_password()
            .ok_or_else(|| ConfigError::new(NO_LOGIN))?;
        Ok(Self {
            repository: format!("{}/{}", segment(owner), segment(name)),
            base,
            token: ProviderSettings::secret_header(&format!("token {}", token.expose()))?,
            is_known: AtomicBool::new(false),
            author: OnceLock::new(),
        })
    }

    /// Says which repository this is; holds no credentials.
    pub(crate) fn repository(&self) -> String {
        format!("{}{}", self.base, self.repository)
    }

    /// A logged-in request for something in the repository.
    pub(crate) fn request(&self, method: Method, path: &str) -> Result<HttpRequest, Failure> {
        self.logged_in(method, &format!("repos/{}/{path}", self.repository))
    }

    fn logged_in(&self, method: Method, path: &str) -> Result<HttpRequest, Failure> {
        let url = self.base.join(path);
        let url = url.map_err(|error| misconfigured(&error))?;
        let mut request = HttpRequest::new(method, url);
        request.headers.insert(AUTHORIZATION, self.token.clone());
        Ok(request)
    }

    /// Makes sure that the server is one that we can talk to. Asked until it was told once.
    pub(crate) async fn probe(&self, context: &AttemptContext<'_>) -> Result<(), Failure> {
        if self.is_known.load(Ordering::Relaxed) {
            return Ok(());
        }
        let request = self.logged_in(Method::GET, "version")?;
        let response = context.send(request).await?;
        let answer: Result<Version, Failure> = json(&response, context);
        let answer =
            answer.map_err(|failure| during("asking for the server's version", failure))?;
        judge(&answer.version)?;
        self.is_known.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Whose token it is. Asked once.
    pub(crate) async fn author(&self, context: &AttemptContext<'_>) -> Result<String, Failure> {
        if let Some(author) = self.author.get() {
            return Ok(author.clone());
        }
        let response = context.send(self.logged_in(Method::GET, "user")?).await?;
        let user: Result<User, Failure> = json(&response, context);
        let user = user.map_err(|failure| during("asking whose token it is", failure))?;
        Ok(self.author.get_or_init(|| user.login).clone())
    }
}

/// A version that says nothing is refused, as the reference does.
fn judge(version: &str) -> Result<(), Failure> {
    let refused = |text: String| Failure::new(FailureClass::Misconfigured, text);
    // Forgejo: `7.0.3+gitea-1.22.0`; builds of one's own: `1.23.0+dev-12-gabcdef`.
    let plain = version.trim().trim_start_matches('v');
    let mut parts = plain.split(['.', '-', '+']).map(str::parse::<u32>);
    let (Some(Ok(major)), minor) = (parts.next(), parts.next()) else {
        let shown: String = version.chars().take(64).collect();
        return Err(refused(format!(
            "the server's version `{shown}` is no version of Gitea or Forgejo; does the address name one?"
        )));
    };
    let minor = minor.and_then(Result::ok).unwrap_or(0);
    if (major, minor) < OLDEST {
        let (major, minor) = OLDEST;
        return Err(refused(format!(
            "the gitea server is older than {major}.{minor}.0; upgrade it"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_from_1_11_on_are_taken_and_what_is_no_version_is_refused() {
        for good in [
            "1.11.0",
            "1.21.4",
            "v1.22",
            "7.0.3+gitea-1.22.0",
            "1.23.0+dev-12-gabcdef",
            "1.21.11-1",
            "10",
        ] {
            assert_eq!(judge(good), Ok(()), "{good}");
        }
        for bad in ["1.10.9", "0.99.0", "1", "", "development", "<html>", "-1.2"] {
            let failure = judge(bad).unwrap_err();
            assert_eq!(failure.class, FailureClass::Misconfigured, "{bad}");
        }
    }
}
