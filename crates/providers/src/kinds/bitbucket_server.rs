//! Writes build statuses on Bitbucket Server and Data Center.
//!
//! | Field | Use |
//! |---|---|
//! | `address` | the HTTP clone URL, `https://host/scm/project/repository.git`, with a context path if there is one (required) |
//! | Secret `token` | an HTTP access token, or |
//! | Secret `username`, `password` | user name and password; the user name may also be `spec.username` |
//! | `commitStatusExpr` | CEL expression for the status' id; default `<kind>/<name>/<first group of the Provider's uid>` |
//! | `certSecretRef`, `proxySecretRef` | honoured |
//!
//! The status' key is the SHA-1 of its id. An `error` event is `FAILED`, any other `SUCCESSFUL`; the
//! description is the event's reason as words.
//! Events without `event.toolkit.fluxcd.io/commit` are skipped unless they are errors or refreshes.
//! A status that would change nothing is not posted again.
//!
//! API: <https://developer.atlassian.com/server/bitbucket/rest/v906/api-group-builds-and-deployments/>.
//!
//! ```yaml
//! apiVersion: notification.toolkit.fluxcd.io/v1beta3
//! kind: Provider
//! metadata:
//!   name: bitbucket-server
//!   namespace: flux-system
//! spec:
//!   type: bitbucketserver
//!   address: https://git.example.com:7990/scm/project/repository.git
//!   secretRef:
//!     name: bitbucket-server
//! ```

use api::{Problem, Provider};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::Notification;
use domain::delivery::Failure;
use futures::future::BoxFuture;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Method, StatusCode};
use outbound::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::kind::{Guarantee, Protocol};
use crate::shared::address;
use crate::shared::commit_status::{self, CAPABILITIES, Status, StatusHost, Words, misconfigured};
use crate::shared::json_post::set_json_body;
use crate::{AttemptContext, ConfigError, ProviderKind, ProviderSettings};

pub(crate) const KIND: ProviderKind = ProviderKind {
    name: "bitbucketserver",
    title: "Bitbucket Server build status",
    capabilities: CAPABILITIES,
    guarantee: Guarantee::ExactlyOnce,
    protocol: Protocol::Http,
    check,
    build: |settings| {
        Ok(commit_status::notifier(
            settings,
            BitbucketServer::new(settings)?,
        ))
    },
    page: include_str!("bitbucket_server.rs"),
};

const NO_LOGIN: &str = "invalid credentials, expected to be one of username/password or API Token";

/// Characters that a name may have.
const LONGEST_NAME: usize = 255;

fn check(provider: &Provider) -> Vec<Problem> {
    address::check_with_login(provider, NO_LOGIN, |address| {
        CloneUrl::parse(address).map(|_| ())
    })
}

/// An HTTP clone URL, taken apart.
#[derive(Debug, PartialEq, Eq)]
struct CloneUrl {
    /// The project's repository in the REST API, without a trailing slash.
    api: String,
    /// The address without what may be secret.
    link: String,
}

impl CloneUrl {
    /// What stands before the last `/scm/` is the context path, what stands behind it the project and
    /// the repository (`providers-git.md`, bitbucketserver).
    fn parse(address: &str) -> Result<Self, ConfigError> {
        let failed = |text: &str| ConfigError::new(format!("could not parse git address: {text}"));
        let mut url = Url::parse(address.trim())
            .map_err(|_| failed("supplied provider address is not http(s) git clone url"))?;
        if !matches!(url.scheme(), "http" | "https") {
            let text = format!(
                "unsupported scheme type in address: {}. Must be http or https",
                url.scheme()
            );
            return Err(failed(&text));
        }
        let path = url.path().trim_end_matches('/').to_owned();
        let path = path.strip_suffix(".git").unwrap_or(&path);
        let (context, id) = path
            .rsplit_once("/scm/")
            .ok_or_else(|| failed("supplied provider address is not http(s) git clone url"))?;
        let (project, repository) = id
            .split_once('/')
            .filter(|(project, repository)| {
                !project.is_empty() && !repository.is_empty() && !repository.contains('/')
            })
            .ok_or_else(|| failed("invalid repository id: expected /scm/project/repository"))?;
        let api_path = format!("{context}/rest/api/latest/projects/{project}/repos/{repository}");
        // Neither can fail for a URL with a host.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.set_query(None);
        url.set_fragment(None);
        let link = url.to_string();
        url.set_path(&api_path);
        Ok(Self {
            api: url.to_string(),
            link,
        })
    }
}

struct BitbucketServer {
    repository: CloneUrl,
    authorization: HeaderValue,
}

#[derive(Serialize)]
struct NewStatus<'a> {
    description: &'a str,
    key: &'a str,
    name: &'a str,
    state: &'a str,
    url: &'a str,
}

#[derive(Deserialize)]
struct FoundStatus {
    key: Option<String>,
    state: Option<String>,
    description: Option<String>,
    name: Option<String>,
}

impl BitbucketServer {
    fn new(settings: &ProviderSettings) -> Result<Self, ConfigError> {
        let authorization = match (&settings.token, &settings.password) {
            (Some(token), _) => format!("Bearer {}", token.expose()),
            (None, Some(password)) if !settings.username.is_empty() => {
                let pair = format!("{}:{}", settings.username, password.expose());
                format!("Basic {}", STANDARD.encode(pair))
            }
            _ => {
                return Err(ConfigError::new(NO_LOGIN));
            }
        };
        Ok(Self {
            repository: CloneUrl::parse(settings.address.expose())?,
            authorization: ProviderSettings::secret_header(&authorization)?,
        })
    }

    fn request(&self, method: Method, commit: &str, query: &str) -> Result<HttpRequest, Failure> {
        let url = format!("{}/commits/{commit}/builds{query}", self.repository.api);
        let url = Url::parse(&url).map_err(|error| misconfigured(&error))?;
        let mut request = HttpRequest::new(method, url);
        let headers = &mut request.headers;
        headers.insert(AUTHORIZATION, self.authorization.clone());
        headers.insert("x-atlassian-token", HeaderValue::from_static("no-check"));
        headers.insert(
            "x-requested-with",
            HeaderValue::from_static("XMLHttpRequest"),
        );
        Ok(request)
    }
}

/// The name that people see, with the description since it shows nowhere else.
fn name(status: &Status) -> String {
    let name = format!("{} [{}]", status.name, status.description);
    name.chars().take(LONGEST_NAME).collect()
}

impl StatusHost for BitbucketServer {
    fn repository(&self) -> String {
        self.repository.api.clone()
    }

    fn words(&self) -> Words {
        Words {
            success: "SUCCESSFUL",
            failure: "FAILED",
            pending: None,
            description: 255,
        }
    }

    fn fingerprint(&self, status: &Status) -> String {
        format!("{}\n{}\n{}", status.state, status.description, name(status))
    }

    fn has<'a>(
        &'a self,
        status: &'a Status,
        _: &'a Notification,
        context: &'a AttemptContext<'a>,
    ) -> BoxFuture<'a, Result<bool, Failure>> {
        Box::pin(async move {
            let key = status.key();
            let request = self.request(Method::GET, &status.commit, &format!("?key={key}"))?;
            let response = context.look_up(request).await?;
            if response.status == StatusCode::NOT_FOUND {
                return Ok(false);
            }
            let found: FoundStatus = commit_status::json(&response, context)?;
            Ok(found.key == Some(key)
                && found.state.as_deref() == Some(status.state)
                && found.description.as_deref() == Some(&status.description)
                && found.name == Some(name(status)))
        })
    }

    fn post<'a>(
        &'a self,
        status: &'a Status,
        _: &'a Notification,
        context: &'a AttemptContext<'a>,
    ) -> BoxFuture<'a, Result<HttpResponse, Failure>> {
        Box::pin(async move {
            let mut request = self.request(Method::POST, &status.commit, "")?;
            set_json_body(
                &mut request,
                &NewStatus {
                    description: &status.description,
                    key: &status.key(),
                    name: &name(status),
                    state: status.state,
                    url: &self.repository.link,
                },
            )?;
            commit_status::posted(context.send(request).await?, context)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clone_urls_are_taken_apart_at_the_last_scm() {
        let api = "/rest/api/latest/projects/projectfoo/repos/repobar";
        for (path, context) in [
            ("/scm/projectfoo/repobar.git", ""),
            ("/context1/scm/projectfoo/repobar.git", "/context1"),
            ("/c1/c2/c3/scm/projectfoo/repobar.git", "/c1/c2/c3"),
            ("/scm/scm/projectfoo/repobar.git", "/scm"),
            ("/scm/c2/scm/scm/projectfoo/repobar", "/scm/c2/scm"),
        ] {
            let host = "https://example.com:7990";
            let parsed = CloneUrl::parse(&format!("{host}{path}")).unwrap();
            assert_eq!(parsed.api, format!("{host}{context}{api}"));
        }
        for address in [
            "https://example.com/context1/projectfoo/repobar.git",
            "https://example.com/scm/projectfoo/repobar/invalid.git",
            "ssh://git@mybitbucket:2222/ap/fluxcd-sandbox.git",
        ] {
            assert!(CloneUrl::parse(address).is_err(), "{address}");
        }
    }

    #[test]
    fn credentials_in_the_address_are_not_posted() {
        let address = "https://user:pw@git.example.com/scm/p/r.git?token=secret#part";
        let parsed = CloneUrl::parse(address).unwrap();
        assert_eq!(parsed.link, "https://git.example.com/scm/p/r.git");
    }
}
