//! Where a repository is in Azure DevOps, from the many forms of its address.

use crate::ConfigError;
use crate::shared::git_repository::{GitRepository, segment};

/// Where a repository is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Location {
    /// `https://dev.azure.com/organisation`, in lower case.
    pub(super) organisation: String,
    /// Escaped for URLs.
    pub(super) project: String,
    /// Escaped for URLs.
    pub(super) repository: String,
}

impl Location {
    /// Whether it is Microsoft's service, reached safely, and not a server of somebody's own.
    pub(super) fn is_of_the_service(&self) -> bool {
        let rest = self.organisation.strip_prefix("https://");
        let host = rest.and_then(|rest| rest.split('/').next());
        host.is_some_and(|host| host == "dev.azure.com" || host.ends_with(".visualstudio.com"))
    }

    /// Reads every form that Azure DevOps and its servers have had.
    pub(super) fn of(address: &GitRepository) -> Result<Self, ConfigError> {
        let host = address.host.as_str().trim_end_matches('/');
        let name = address.host.host_str().unwrap_or_default();
        let parts: Vec<&str> = address.path.split('/').collect();
        if parts.contains(&"") {
            return Err(invalid());
        }
        let is_ssh = matches!(name, "ssh.dev.azure.com" | "vs-ssh.visualstudio.com");
        let names_organisation = !name.ends_with(".visualstudio.com");
        let (host, before, project, repository) = match parts.as_slice() {
            [_version, organisation, project, repository] if is_ssh => {
                let before = std::slice::from_ref(organisation);
                ("https://dev.azure.com", before, *project, *repository)
            }
            _ if is_ssh => return Err(invalid()),
            // The repository that has its project's name.
            ["_git", repository] if !names_organisation => {
                (host, &[][..], *repository, *repository)
            }
            [organisation, "_git", repository] if names_organisation => {
                let before = std::slice::from_ref(organisation);
                (host, before, *repository, *repository)
            }
            // Servers of one's own have a path and a collection where the service has the organisation.
            [before @ .., project, "_git", repository] => (host, before, *project, *repository),
            // The reference looks at the number of parts only.
            [organisation, project, _, repository] if names_organisation => {
                let before = std::slice::from_ref(organisation);
                (host, before, *project, *repository)
            }
            _ => return Err(invalid()),
        };
        let mut organisation = host.to_owned();
        for part in before {
            organisation.push('/');
            organisation.push_str(&segment(part));
        }
        Ok(Self {
            organisation: organisation.to_lowercase(),
            project: segment(project),
            repository: segment(repository),
        })
    }
}

fn invalid() -> ConfigError {
    ConfigError::new(
        "invalid repository id: expected https://dev.azure.com/organisation/project/_git/repository",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(address: &str) -> Option<String> {
        let location = Location::of(&GitRepository::parse(address).ok()?).ok()?;
        Some(format!(
            "{} {} {}",
            location.organisation, location.project, location.repository
        ))
    }

    #[test]
    fn every_spelling_of_an_address_is_read() {
        for (address, expected) in [
            (
                "https://dev.azure.com/Foo/Bar/_git/baz",
                "https://dev.azure.com/foo Bar baz",
            ),
            (
                "git@ssh.dev.azure.com:v3/org/proj/repo",
                "https://dev.azure.com/org proj repo",
            ),
            (
                "https://org.visualstudio.com/proj/_git/repo",
                "https://org.visualstudio.com proj repo",
            ),
            (
                "https://org.visualstudio.com/DefaultCollection/proj/_git/repo",
                "https://org.visualstudio.com/defaultcollection proj repo",
            ),
            (
                "https://org.visualstudio.com/_git/repo",
                "https://org.visualstudio.com repo repo",
            ),
            (
                "https://dev.azure.com/org/_git/repo",
                "https://dev.azure.com/org repo repo",
            ),
            (
                "org@vs-ssh.visualstudio.com:v3/org/proj/repo",
                "https://dev.azure.com/org proj repo",
            ),
            (
                "https://tfs.example.com:8443/tfs/Main/Proj/_git/Repo",
                "https://tfs.example.com:8443/tfs/main Proj Repo",
            ),
            (
                "https://dev.azure.com/org/p/anything/r.git",
                "https://dev.azure.com/org p r",
            ),
            (
                "https://dev.azure.com/org/my%20proj/_git/repo",
                "https://dev.azure.com/org my%20proj repo",
            ),
        ] {
            assert_eq!(location(address).as_deref(), Some(expected), "{address}");
        }
        for address in [
            "https://dev.azure.com/foo/bar/baz",
            "https://dev.azure.com/foo",
            "https://org.visualstudio.com/foo/bar/baz/qux",
            "git@ssh.dev.azure.com:org/proj/repo",
            "https://dev.azure.com/org//_git/repo",
        ] {
            assert_eq!(location(address), None, "{address}");
        }
    }
}
