//! GitLab's REST API: where a project is, and how to log in.

use std::sync::OnceLock;

use api::{Problem, Provider};
use domain::delivery::Failure;
use http::header::ACCEPT;
use http::{HeaderValue, Method};
use outbound::HttpRequest;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use url::Url;

use crate::shared::address;
use crate::shared::commit_status::{during, json, misconfigured};
use crate::shared::git_repository::GitRepository;
use crate::{AttemptContext, ConfigError, ProviderSettings};

const NO_LOGIN: &str = "gitlab token cannot be empty";

/// A project's path is one segment of the URL: `/` and `.` are escaped as well.
const ONE_SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'~');

/// What shows without Secrets, for all types of this host.
pub(crate) fn check(provider: &Provider) -> Vec<Problem> {
    address::check_repository(provider, NO_LOGIN, |repository| {
        project(repository).map(|_| ())
    })
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

/// One project, and the token that logs in there.
pub(crate) struct GitLabApi {
    /// `https://host/api/v4/projects/<project>/`.
    project: Url,
    token: HeaderValue,
    author: OnceLock<String>,
}

#[derive(Deserialize)]
struct User {
    username: String,
}

impl GitLabApi {
    /// Reads address and credentials.
    pub(crate) fn new(settings: &ProviderSettings) -> Result<Self, ConfigError> {
        let repository = GitRepository::parse(settings.address.expose())?;
        let project = utf8_percent_encode(project(&repository)?, ONE_SEGMENT);
        let project = repository
            .host
            .join(&format!("api/v4/projects/{project}/"))
            .map_err(|error| ConfigError::new(format!("the address is no project URL: {error}")))?;
        let token = settings
            .token_or_password()
            .ok_or_else(|| ConfigError::new(NO_LOGIN))?;
        Ok(Self {
            project,
            token: ProviderSettings::secret_header(token.expose())?,
            author: OnceLock::new(),
        })
    }

    /// Says which project this is; holds no credentials.
    pub(crate) fn repository(&self) -> String {
        self.project.to_string()
    }

    /// The URL of something in the project.
    pub(crate) fn url(&self, path: &str) -> Result<Url, Failure> {
        let url = self.project.join(path);
        url.map_err(|error| misconfigured(&error))
    }

    /// A request that is logged in.
    pub(crate) fn request(&self, method: Method, url: Url) -> HttpRequest {
        let mut request = HttpRequest::new(method, url);
        let headers = &mut request.headers;
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert("private-token", self.token.clone());
        request
    }

    /// Whose token it is. Asked once.
    pub(crate) async fn author(&self, context: &AttemptContext<'_>) -> Result<String, Failure> {
        if let Some(author) = self.author.get() {
            return Ok(author.clone());
        }
        let request = self.request(Method::GET, self.url("/api/v4/user")?);
        let response = context.send(request).await?;
        let user: Result<User, Failure> = json(&response, context);
        let user = user.map_err(|failure| during("asking whose token it is", failure))?;
        Ok(self.author.get_or_init(|| user.username).clone())
    }
}
