//! How Google Cloud trusts a Kubernetes ServiceAccount: what its annotations say, and what follows.

use std::collections::BTreeMap;

use api::ObjectKey;
use domain::delivery::Failure;
use url::Url;

use super::exchange::{self, Subject, TOKEN_SERVICE};
use super::{SCOPES, metadata};
use crate::identity::{issuer_failure, misconfigured};
use crate::notifier::AttemptContext;
use crate::shared::token_cache::Minted;

const PROVIDER: &str = "gcp.auth.fluxcd.io/workload-identity-provider";
const SERVICE_ACCOUNT: &str = "iam.gke.io/gcp-service-account";

const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// What annotations say.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Trust<'a> {
    /// A provider of a workload identity pool; without one the cluster is one of GKE.
    pool_provider: Option<&'a str>,
    /// A Google service account to pose as.
    email: Option<&'a str>,
}

impl<'a> Trust<'a> {
    /// Reads the annotations.
    pub(super) fn of(
        account: &ObjectKey,
        annotations: &'a BTreeMap<String, String>,
    ) -> Result<Self, Failure> {
        let annotation = |name: &str, is_valid: fn(&str) -> bool, example: &str| {
            let Some(value) = annotations.get(name) else {
                return Ok(None);
            };
            if is_valid(value) {
                return Ok(Some(value.as_str()));
            }
            Err(misconfigured(format!(
                "service account `{account}`: annotation {name} is invalid; expected {example}"
            )))
        };
        Ok(Self {
            pool_provider: annotation(
                PROVIDER,
                is_pool_provider,
                "projects/<number>/locations/global/workloadIdentityPools/<pool>/providers/<provider>",
            )?,
            email: annotation(
                SERVICE_ACCOUNT,
                is_email,
                "<name>@<project>.iam.gserviceaccount.com",
            )?,
        })
    }

    /// What tells this identity from others.
    pub(super) fn parts(&self, account: &'a ObjectKey) -> [&'a str; 4] {
        [
            &account.namespace,
            &account.name,
            self.pool_provider.unwrap_or_default(),
            self.email.unwrap_or_default(),
        ]
    }

    /// Exchanges a token of the cluster for one of Google.
    pub(super) async fn mint(
        &self,
        account: &ObjectKey,
        context: &AttemptContext<'_>,
    ) -> Result<Minted, Failure> {
        let (cluster_audience, audience) = self.audiences(context).await?;
        let issuer = &context.identities.issuer;
        let token = issuer.issue(account, &cluster_audience).await;
        let token = token.map_err(|error| issuer_failure(&error))?;
        let subject = Subject {
            token: &token,
            kind: JWT,
            audience: &audience,
        };
        let endpoint = url(TOKEN_SERVICE)?;
        let minted = exchange::exchange(&endpoint, &subject, &SCOPES, context).await?;
        let Some(email) = self.email else {
            return Ok(minted);
        };
        let endpoint = url(&format!(
            "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{email}:generateAccessToken"
        ))?;
        exchange::impersonate(&endpoint, &minted.token, &SCOPES, context).await
    }

    /// For whom the cluster's token is, and for whom it is exchanged.
    async fn audiences(&self, context: &AttemptContext<'_>) -> Result<(String, String), Failure> {
        if let Some(provider) = self.pool_provider {
            let audience = format!("//iam.googleapis.com/{provider}");
            return Ok((audience.clone(), audience));
        }
        let project = metadata("project/project-id", context).await?;
        let location = metadata("instance/attributes/cluster-location", context).await?;
        let name = metadata("instance/attributes/cluster-name", context).await?;
        let pool = format!("{project}.svc.id.goog");
        let cluster = format!(
            "https://container.googleapis.com/v1/projects/{project}/locations/{location}/clusters/{name}"
        );
        let audience = format!("identitynamespace:{pool}:{cluster}");
        Ok((pool, audience))
    }
}

fn url(text: &str) -> Result<Url, Failure> {
    Url::parse(text).map_err(|error| misconfigured(error.to_string()))
}

/// `projects/<digits>/locations/global/workloadIdentityPools/<any>/providers/<any>`.
fn is_pool_provider(text: &str) -> bool {
    let parts: Vec<&str> = text.split('/').collect();
    let [
        "projects",
        number,
        "locations",
        "global",
        "workloadIdentityPools",
        pool,
        "providers",
        provider,
    ] = parts.as_slice()
    else {
        return false;
    };
    let is_name = |name: &str| (1..=100).contains(&name.chars().count());
    (1..=30).contains(&number.len())
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && is_name(pool)
        && is_name(provider)
}

/// `<name>@<project>.iam.gserviceaccount.com`.
fn is_email(text: &str) -> bool {
    let is_name = |name: &str| {
        (1..=100).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    text.strip_suffix(".iam.gserviceaccount.com")
        .and_then(|rest| rest.split_once('@'))
        .is_some_and(|(name, project)| is_name(name) && is_name(project))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotations(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
        let entries = entries.iter();
        entries
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn annotations_are_read_or_named_when_they_are_wrong() {
        let account = ObjectKey::new("apps", "sender");
        let pool = "projects/123/locations/global/workloadIdentityPools/my-pool/providers/my-k8s";
        let email = "sender@my-project.iam.gserviceaccount.com";
        let valid = annotations(&[(PROVIDER, pool), (SERVICE_ACCOUNT, email)]);
        let trust = Trust::of(&account, &valid).unwrap();
        assert_eq!(
            (trust.pool_provider, trust.email),
            (Some(pool), Some(email))
        );
        for (name, value) in [
            (PROVIDER, ""),
            (
                PROVIDER,
                "projects/x/locations/global/workloadIdentityPools/p/providers/q",
            ),
            (
                PROVIDER,
                "projects/1/locations/eu/workloadIdentityPools/p/providers/q",
            ),
            (
                PROVIDER,
                "projects/1/locations/global/workloadIdentityPools//providers/q",
            ),
            (
                PROVIDER,
                "projects/1/locations/global/workloadIdentityPools/p/providers/q/r",
            ),
            (SERVICE_ACCOUNT, "sender@example.com"),
            (SERVICE_ACCOUNT, "a/../b@p.iam.gserviceaccount.com"),
            (SERVICE_ACCOUNT, "a@p.evil.iam.gserviceaccount.com"),
            (SERVICE_ACCOUNT, "@p.iam.gserviceaccount.com"),
        ] {
            let failure = Trust::of(&account, &annotations(&[(name, value)])).unwrap_err();
            let said = &failure.detail;
            assert!(
                said.contains("`apps/sender`") && said.contains(name),
                "{said}"
            );
        }
    }
}
