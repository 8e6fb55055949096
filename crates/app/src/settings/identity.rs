//! Flags about minted tokens, and what the environment says about identities in clouds.
//!
//! Flags and variables have the names that the reference and the clouds' own libraries use.

use std::path::PathBuf;
use std::time::Duration;

use api::Secret;
use clap::Args;
use providers::identity::{AzureEnvironment, GoogleEnvironment};

use super::duration;

/// How minted tokens are kept.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct TokenArguments {
    /// How many minted tokens are kept; 0 or less keeps none
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 100,
        allow_negative_numbers = true,
        help_heading = "Tokens"
    )]
    token_cache_max_size: i64,
    /// How long a minted token is kept at most; never longer than an hour, nor than 80 % of its life
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration,
          help_heading = "Tokens")]
    token_cache_max_duration: Duration,
}

impl TokenArguments {
    /// How many tokens are kept.
    pub(crate) fn most(self) -> usize {
        usize::try_from(self.token_cache_max_size).unwrap_or(0)
    }

    /// How long.
    pub(crate) fn longest_life(self) -> Duration {
        self.token_cache_max_duration
    }
}

/// The variables of Azure's libraries, read here and nowhere else.
pub(crate) fn azure_environment() -> AzureEnvironment {
    AzureEnvironment {
        tenant_id: variable("AZURE_TENANT_ID"),
        client_id: variable("AZURE_CLIENT_ID"),
        client_secret: variable("AZURE_CLIENT_SECRET").map(Secret::new),
        client_certificate: variable("AZURE_CLIENT_CERTIFICATE_PATH").map(PathBuf::from),
        federated_token_file: variable("AZURE_FEDERATED_TOKEN_FILE").map(PathBuf::from),
        authority_host: variable("AZURE_AUTHORITY_HOST"),
    }
}

/// The variables of Google's libraries, read here and nowhere else, and the file that `gcloud auth
/// application-default login` leaves behind.
pub(crate) fn google_environment() -> GoogleEnvironment {
    let left_by_gcloud = || {
        let folder = variable("CLOUDSDK_CONFIG").map_or_else(
            || Some(PathBuf::from(variable("HOME")?).join(".config/gcloud")),
            |folder| Some(PathBuf::from(folder)),
        )?;
        let file = folder.join("application_default_credentials.json");
        file.is_file().then_some(file)
    };
    GoogleEnvironment {
        credentials_file: variable("GOOGLE_APPLICATION_CREDENTIALS")
            .map(PathBuf::from)
            .or_else(left_by_gcloud),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "settings are where the environment is read"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
