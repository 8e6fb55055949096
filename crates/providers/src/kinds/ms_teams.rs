//! Sends cards to a Microsoft Teams channel, through a workflow or a legacy connector.
//!
//! | Field | Use |
//! |---|---|
//! | `address` | the workflow's or connector's URL (required; here or in the Secret) |
//! | `certSecretRef`, `proxySecretRef` | honoured |
//!
//! Addresses whose host ends in `.webhook.office.com` get the legacy connector format, all others an
//! Adaptive Card. Errors are red; the metadata are facts, with `summary` first.
//! Largest message: about 28 KB; what is longer is cut in the middle.
//! `<at>…</at>` in event texts is made inert.
//! Legacy connectors report failures in the text of a successful answer; that text is read.
//!
//! Microsoft's documentation:
//! <https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using>.
//!
//! ```yaml
//! apiVersion: notification.toolkit.fluxcd.io/v1beta3
//! kind: Provider
//! metadata:
//!   name: teams
//!   namespace: flux-system
//! spec:
//!   type: msteams
//!   secretRef:
//!     name: teams-workflow
//! ```

use domain::Notification;
use domain::delivery::{Failure, FailureClass};
use domain::ports::Clock;
use outbound::{HttpRequest, HttpResponse};
use url::Url;

use self::cards::{AdaptiveCard, ConnectorCard};
use super::slack::CHAT;
use crate::classify;
use crate::kind::{Guarantee, Protocol};
use crate::shared::address;
use crate::shared::json_post::json_post;
use crate::{ConfigError, Notifier, OneRequest, ProviderKind, ProviderSettings};

mod cards;

pub(crate) const KIND: ProviderKind = ProviderKind {
    name: "msteams",
    title: "Microsoft Teams",
    capabilities: CHAT,
    guarantee: Guarantee::AtLeastOnce,
    protocol: Protocol::Http,
    check: address::check_url,
    build: |settings| Ok(Box::new(MsTeams::new(settings)?) as Box<dyn Notifier>),
    page: include_str!("ms_teams.rs"),
};

struct MsTeams {
    url: Url,
    is_connector: bool,
}

impl MsTeams {
    fn new(settings: &ProviderSettings) -> Result<Self, ConfigError> {
        let url = settings.url()?;
        let is_connector = url
            .host_str()
            .is_some_and(|host| host.ends_with(".webhook.office.com"));
        Ok(Self { url, is_connector })
    }
}

impl OneRequest for MsTeams {
    fn request(&self, notification: &Notification) -> Result<HttpRequest, Failure> {
        if self.is_connector {
            json_post(&self.url, &ConnectorCard::render(notification))
        } else {
            json_post(&self.url, &AdaptiveCard::render(notification))
        }
    }

    fn judge(&self, response: &HttpResponse, clock: &dyn Clock) -> Result<(), Failure> {
        classify::by_status(response, clock.now())?;
        // Source: the section on rate limits of the page above.
        let said = String::from_utf8_lossy(&response.body);
        if !self.is_connector || !said.starts_with("Webhook message delivery failed") {
            return Ok(());
        }
        let class = if said.contains("HTTP error 429") {
            FailureClass::Throttled
        } else if said.contains("HTTP error 413") || said.contains("HTTP error 400") {
            FailureClass::Rejected
        } else {
            FailureClass::ServerFault
        };
        Err(Failure {
            class,
            ..classify::refused(response.status, &said)
        })
    }
}
