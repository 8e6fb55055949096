//! Publishes the event itself, as JSON, to a topic of Google Cloud Pub/Sub.
//!
//! | Field | Use |
//! |---|---|
//! | `address` | id of the Google Cloud project (required; here or in the Secret) |
//! | `channel` | id of the topic (required) |
//! | Secret `token` | JSON credentials: a service account's key, an authorized user's, or an external account's with a `url` to get its token from |
//! | Secret `headers` | YAML map of message attributes, at most 100 |
//! | `serviceAccountName` | `ServiceAccount` whose identity is used when there is no `token`; needs the feature gate `ObjectLevelWorkloadIdentity` |
//! | `certSecretRef`, `proxySecretRef` | honoured, for getting tokens too |
//!
//! Without `token` and `serviceAccountName` the controller's own identity is used (Application Default
//! Credentials); the Provider must not bring certificates then, since whoever chooses whom to trust
//! could read the controller's token.
//! A message counts as delivered when Pub/Sub answers with its id.
//! Tokens for the credentials of a Secret are good for Pub/Sub only, and are asked for at Google's own
//! hosts only.
//!
//! API: <https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.topics/publish>.
//! Limits: <https://cloud.google.com/pubsub/quotas#resource_limits>.
//!
//! ```yaml
//! apiVersion: notification.toolkit.fluxcd.io/v1beta3
//! kind: Provider
//! metadata:
//!   name: pubsub
//!   namespace: flux-system
//! spec:
//!   type: googlepubsub
//!   address: my-project
//!   channel: flux-events
//!   secretRef:
//!     name: pubsub-credentials
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use api::{Problem, Provider, Secret, to_wire_json};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::delivery::{Failure, FailureClass, Receipt};
use domain::provider::Progressing;
use domain::{Capabilities, Family, Notification};
use futures::future::BoxFuture;
use outbound::HttpRequest;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::identity::google::credentials::{Credentials, Origin};
use crate::identity::{AccessToken, Identified, google, send_authorized};
use crate::kind::{Guarantee, Protocol};
use crate::shared::git_repository::segment;
use crate::shared::json_post::json_post;
use crate::{AttemptContext, ConfigError, Notifier, ProviderKind, ProviderSettings, classify};

pub(crate) const KIND: ProviderKind = ProviderKind {
    name: "googlepubsub",
    title: "Google Cloud Pub/Sub",
    capabilities: Capabilities {
        family: Family::Stream,
        commit_status_updates: false,
        commit_status: false,
        change_request: false,
        progressing: Progressing::Sent,
        expires: false,
        skipped_kinds: &[],
    },
    guarantee: Guarantee::AtLeastOnce,
    protocol: Protocol::Http,
    check,
    build: |settings| Ok(Box::new(GooglePubSub::new(settings)?) as Box<dyn Notifier>),
    page: include_str!("google_pubsub.rs"),
};

/// What a token for the credentials of a Secret is good for: the least that publishing needs.
const SCOPES: [&str; 1] = ["https://www.googleapis.com/auth/pubsub"];

/// Limits of a message's attributes: how many, and bytes of names and values.
const MOST_ATTRIBUTES: usize = 100;
const LONGEST_NAME: usize = 256;
const LONGEST_VALUE: usize = 1024;

const NO_PROJECT: &str = "GCP project ID cannot be empty";
const INVALID_PROJECT: &str = "is no id of a Google Cloud project";
const NO_TOPIC: &str = "GCP Pub/Sub topic ID cannot be empty";

fn check(provider: &Provider) -> Vec<Problem> {
    let mut problems = Vec::new();
    let hint = "the project's id, for example my-project";
    if provider.address.is_empty() && provider.secret.is_none() {
        problems.push(Problem::error("spec.address", NO_PROJECT).with_hint(hint));
    } else if !provider.address.is_empty() && !is_project(&provider.address) {
        problems.push(Problem::error("spec.address", INVALID_PROJECT).with_hint(hint));
    }
    if provider.channel.is_empty() {
        problems.push(
            Problem::error("spec.channel", NO_TOPIC)
                .with_hint("the topic's id, for example flux-events"),
        );
    }
    problems
}

/// Ids of projects have letters, digits and dashes; older ones begin with a domain and a colon.
fn is_project(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b':' | b'_'))
}

struct GooglePubSub {
    url: Url,
    attributes: Arc<BTreeMap<String, Secret<String>>>,
    provider: Identified,
    identity: Identity,
}

enum Identity {
    Credentials(Box<Credentials>),
    Provider,
}

#[derive(Serialize)]
struct Publish<'a> {
    messages: [Message<'a>; 1],
}

#[derive(Serialize)]
struct Message<'a> {
    data: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<&'a str, &'a str>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Published {
    message_ids: Vec<String>,
}

impl GooglePubSub {
    fn new(settings: &ProviderSettings) -> Result<Self, ConfigError> {
        let project = settings.address.expose();
        if project.is_empty() {
            return Err(ConfigError::new(NO_PROJECT));
        }
        if !is_project(project) {
            return Err(ConfigError::new(format!("the address {INVALID_PROJECT}")));
        }
        let topic = settings.provider.spec.channel.as_str();
        if topic.is_empty() {
            return Err(ConfigError::new(NO_TOPIC));
        }
        let url = format!(
            "https://pubsub.googleapis.com/v1/projects/{project}/topics/{}:publish",
            segment(topic)
        );
        let url = Url::parse(&url).map_err(|error| ConfigError::new(error.to_string()))?;
        check_attributes(&settings.headers)?;
        let identity = match &settings.token {
            Some(token) => {
                let credentials = Credentials::parse(token.expose(), Origin::Secret)?;
                Identity::Credentials(Box::new(credentials))
            }
            None => Identity::Provider,
        };
        Ok(Self {
            url,
            attributes: Arc::clone(&settings.headers),
            provider: Identified::new(settings),
            identity,
        })
    }

    fn request(&self, notification: &Notification) -> Result<HttpRequest, Failure> {
        let data = to_wire_json(&notification.event).map_err(|error| {
            Failure::new(
                FailureClass::Rejected,
                format!("rendering the event: {error}"),
            )
        })?;
        let attributes = self.attributes.iter();
        let attributes = attributes.map(|(name, value)| (name.as_str(), value.expose().as_str()));
        let body = Publish {
            messages: [Message {
                data: STANDARD.encode(data),
                attributes: attributes.collect(),
            }],
        };
        json_post(&self.url, &body)
    }

    async fn token(&self, context: &AttemptContext<'_>) -> Result<AccessToken, Failure> {
        match &self.identity {
            Identity::Credentials(credentials) => {
                let provider = &self.provider.provider;
                google::token_of_credentials(provider, credentials, &SCOPES, context).await
            }
            Identity::Provider => google::token(&self.provider, context).await,
        }
    }
}

impl Notifier for GooglePubSub {
    fn notify<'a>(
        &'a self,
        notification: &'a Notification,
        context: &'a AttemptContext<'a>,
    ) -> BoxFuture<'a, Result<Receipt, Failure>> {
        Box::pin(async move {
            let request = self.request(notification)?;
            let response = send_authorized(request, context, || self.token(context)).await?;
            classify::by_status(&response, context.clock.now())?;
            let status = Some(response.status.as_u16());
            let published: Published = serde_json::from_slice(&response.body).unwrap_or_default();
            if published.message_ids.iter().all(String::is_empty) {
                return Err(Failure {
                    status,
                    ..Failure::new(
                        FailureClass::ServerFault,
                        "the answer names no message id, so nothing proves that the message was taken",
                    )
                });
            }
            Ok(Receipt {
                status,
                ..Receipt::default()
            })
        })
    }
}

fn check_attributes(attributes: &BTreeMap<String, Secret<String>>) -> Result<(), ConfigError> {
    let wrong = |text: String| Err(ConfigError::new(format!("`headers` in the Secret: {text}")));
    if attributes.len() > MOST_ATTRIBUTES {
        return wrong(format!(
            "a message has at most {MOST_ATTRIBUTES} attributes"
        ));
    }
    for (name, value) in attributes {
        if name.is_empty() || name.len() > LONGEST_NAME || name.starts_with("goog") {
            return wrong(format!(
                "names of attributes have 1 to {LONGEST_NAME} bytes and do not begin with `goog`"
            ));
        }
        if value.expose().len() > LONGEST_VALUE {
            return wrong(format!(
                "the value of `{name}` has more than {LONGEST_VALUE} bytes"
            ));
        }
    }
    Ok(())
}
