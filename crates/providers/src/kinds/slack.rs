//! Sends messages to a Slack channel, through an incoming webhook or as a bot.
//!
//! | Field | Use |
//! |---|---|
//! | `address` | incoming webhook, `https://slack.com/api/chat.postMessage`, or a compatible service (required; here or in the Secret) |
//! | `channel` | channel, for bots; webhooks have their own |
//! | `username` | name to post as; default: the reporting controller |
//! | Secret `token` | bot token with the scope `chat:write`, sent as `Authorization: Bearer` |
//! | `certSecretRef`, `proxySecretRef` | honoured |
//!
//! The message is one attachment: green, or red for errors, with the metadata as fields.
//! Largest message: 40,000 characters; longer ones are cut in the middle.
//! `<!channel>`, `<@user>` and links with a label in event texts are shown as text, so that an event
//! cannot page people or disguise a link.
//!
//! Slack's Web API says no with status 200 and `"ok": false`; any answer of that form is a failure.
//! Wrong tokens, missing scopes and unknown channels wait for a change of Provider or Secret,
//! rate limits are waited for.
//!
//! Slack's documentation: <https://docs.slack.dev/reference/methods/chat.postMessage>.
//!
//! ```yaml
//! apiVersion: notification.toolkit.fluxcd.io/v1beta3
//! kind: Provider
//! metadata:
//!   name: slack
//!   namespace: flux-system
//! spec:
//!   type: slack
//!   channel: deployments
//!   address: https://slack.com/api/chat.postMessage
//!   secretRef:
//!     name: slack-bot
//! ```

use std::time::Duration;

use api::{Problem, Provider};
use domain::delivery::{Failure, FailureClass};
use domain::ports::Clock;
use domain::provider::Progressing;
use domain::{Capabilities, Family, Notification};
use http::HeaderValue;
use http::header::AUTHORIZATION;
use outbound::{HttpRequest, HttpResponse};
use serde::Deserialize;
use url::Url;

use crate::classify;
use crate::kind::{Guarantee, Protocol};
use crate::shared::address;
use crate::shared::fit::Limits;
use crate::shared::json_post::json_post;
use crate::shared::mentions;
use crate::shared::slack_message::{Colors, Dialect, SlackMessage};
use crate::shared::truncate::Unit;
use crate::{ConfigError, Notifier, OneRequest, ProviderKind, ProviderSettings};

/// What chat types take: everything but refreshes of commit statuses, and nothing hours late.
pub(super) const CHAT: Capabilities = Capabilities {
    family: Family::Chat,
    commit_status_updates: false,
    commit_status: false,
    change_request: false,
    progressing: Progressing::Sent,
    expires: true,
    skipped_kinds: &[],
};

pub(crate) const KIND: ProviderKind = ProviderKind {
    name: "slack",
    title: "Slack",
    capabilities: CHAT,
    guarantee: Guarantee::AtLeastOnce,
    protocol: Protocol::Http,
    check,
    build: |settings| Ok(Box::new(Slack::new(settings)?) as Box<dyn Notifier>),
    page: include_str!("slack.rs"),
};

const DIALECT: Dialect = Dialect {
    colors: Colors {
        error: "danger",
        other: "good",
    },
    // Shown on lock screens, where nobody reads more.
    fallback: Some(3_000),
    neutralise: mentions::slack,
    author: 1_000,
    // <https://docs.slack.dev/changelog/2018-truncating-really-long-messages>
    limits: Limits {
        unit: Unit::Characters,
        total: 40_000,
        text: 40_000,
        name: 1_000,
        value: 8_000,
        fields: 100,
        field_overhead: 0,
    },
};

/// Addresses of Slack's Web API; everything else is an incoming webhook or a compatible service.
const WEB_API: &str = "https://slack.com/api/";

fn check(provider: &Provider) -> Vec<Problem> {
    let mut problems = address::check_url(provider);
    if provider.address.starts_with(WEB_API) {
        if provider.channel.is_empty() {
            let problem = Problem::warning("spec.channel", "Slack's Web API needs a channel");
            problems.push(problem.with_hint("name the channel, or use an incoming webhook"));
        }
        if provider.secret.is_none() {
            let problem = Problem::warning("spec.secretRef", "Slack's Web API needs a token");
            problems
                .push(problem.with_hint("put the bot's token into the key `token` of a Secret"));
        }
    }
    problems
}

struct Slack {
    url: Url,
    channel: String,
    username: String,
    authorization: Option<HeaderValue>,
}

impl Slack {
    fn new(settings: &ProviderSettings) -> Result<Self, ConfigError> {
        let authorization = settings
            .token
            .as_ref()
            .map(|token| ProviderSettings::secret_header(&format!("Bearer {}", token.expose())));
        Ok(Self {
            url: settings.url()?,
            channel: settings.provider.spec.channel.clone(),
            username: settings.username.clone(),
            authorization: authorization.transpose()?,
        })
    }

    /// The Web API answers every call in JSON with `ok`.
    fn is_web_api(&self) -> bool {
        self.url.as_str().starts_with(WEB_API)
    }
}

impl OneRequest for Slack {
    fn request(&self, notification: &Notification) -> Result<HttpRequest, Failure> {
        let username = or_controller(&self.username, notification);
        let message = SlackMessage::render(notification, &self.channel, username, &DIALECT);
        let mut request = json_post(&self.url, &message)?;
        if let Some(authorization) = &self.authorization {
            request.headers.insert(AUTHORIZATION, authorization.clone());
        }
        Ok(request)
    }

    fn judge(&self, response: &HttpResponse, clock: &dyn Clock) -> Result<(), Failure> {
        let now = clock.now();
        let answer: Option<Answer> = serde_json::from_slice(&response.body).ok();
        if !response.status.is_success() {
            let failure = classify::failure(response, now);
            let said = answer.and_then(|answer| answer.retry_after());
            return Err(Failure {
                retry_after: failure.retry_after.or(said),
                ..failure
            });
        }
        match answer {
            Some(Answer { ok: true, .. }) => Ok(()),
            Some(answer) => Err(answer.failure(response, now)),
            None if self.is_web_api() => Err(Failure {
                status: Some(response.status.as_u16()),
                ..Failure::new(
                    FailureClass::ServerFault,
                    "the service did not answer in the form of Slack's Web API",
                )
            }),
            None => Ok(()),
        }
    }
}

/// The name to post as.
pub(super) fn or_controller<'a>(username: &'a str, notification: &'a Notification) -> &'a str {
    if username.is_empty() {
        &notification.event.reporting_controller
    } else {
        username
    }
}

/// An answer of Slack's Web API.
#[derive(Debug, Deserialize)]
struct Answer {
    ok: bool,
    #[serde(default)]
    error: String,
    #[serde(default)]
    retry_after: Option<f64>,
}

impl Answer {
    fn retry_after(&self) -> Option<Duration> {
        Duration::try_from_secs_f64(self.retry_after?).ok()
    }

    fn failure(&self, response: &HttpResponse, now: jiff::Timestamp) -> Failure {
        let class = class_of(&self.error);
        let asked = outbound::retry_after(&response.headers, now.into());
        Failure {
            class,
            status: Some(response.status.as_u16()),
            retry_after: match class {
                FailureClass::Throttled => asked.or_else(|| self.retry_after()),
                _ => None,
            },
            detail: format!("Slack answered with the error `{}`", self.error),
        }
    }
}

/// Source: the list of errors at <https://docs.slack.dev/reference/methods/chat.postMessage>.
fn class_of(error: &str) -> FailureClass {
    match error {
        "ratelimited" | "rate_limited" | "message_limit_exceeded" => FailureClass::Throttled,
        "fatal_error"
        | "internal_error"
        | "service_unavailable"
        | "request_timeout"
        | "team_added_to_org" => FailureClass::ServerFault,
        "access_denied"
        | "accesslimited"
        | "account_inactive"
        | "channel_not_found"
        | "ekm_access_denied"
        | "enterprise_is_restricted"
        | "invalid_auth"
        | "is_archived"
        | "is_inactive"
        | "missing_scope"
        | "no_permission"
        | "not_allowed_token_type"
        | "not_authed"
        | "not_in_channel"
        | "org_login_required"
        | "restricted_action"
        | "restricted_action_read_only_channel"
        | "restricted_action_thread_only_channel"
        | "restricted_action_non_threadable_channel"
        | "team_access_not_granted"
        | "team_not_found"
        | "token_expired"
        | "token_revoked"
        | "two_factor_setup_required" => FailureClass::Misconfigured,
        _ => FailureClass::Rejected,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    #[test]
    fn the_web_api_wants_a_channel_and_a_token() {
        let problems = |address: &str| {
            let object = json!({"spec": {"type": "slack", "address": address}});
            check(&Provider::from_object(Arc::new(object)))
        };
        let found = problems("https://slack.com/api/chat.postMessage");
        let paths: Vec<&str> = found.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(paths, ["spec.channel", "spec.secretRef"]);
        assert!(!found.iter().any(Problem::is_error));
        assert!(problems("https://hooks.slack.com/services/T/B/X").is_empty());
    }

    #[test]
    fn errors_of_the_web_api_are_sorted_by_what_heals_them() {
        use FailureClass::{Misconfigured, Rejected, ServerFault, Throttled};
        for (class, errors) in [
            (Throttled, &["ratelimited", "rate_limited"][..]),
            (
                ServerFault,
                &["internal_error", "fatal_error", "service_unavailable"],
            ),
            (
                Misconfigured,
                &[
                    "invalid_auth",
                    "not_authed",
                    "account_inactive",
                    "token_revoked",
                    "channel_not_found",
                    "not_in_channel",
                    "is_archived",
                    "missing_scope",
                ],
            ),
            (
                Rejected,
                &["too_many_attachments", "msg_too_long", "no_text", ""],
            ),
        ] {
            for error in errors {
                assert_eq!(class_of(error), class, "{error}");
            }
        }
    }
}
