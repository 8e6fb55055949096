//! When something that is wrong with an object begins and ends, for types that open and close.

use api::Event;
use domain::notification::commit_status;
use domain::{Capabilities, Family, Notification, provider::Progressing};
use outbound::Endpoint;
use url::Url;

use crate::ProviderSettings;
use crate::shared::digest;

/// What platforms take: everything but refreshes of commit statuses, late rather than never.
pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    family: Family::Incident,
    commit_status_updates: false,
    commit_status: false,
    change_request: false,
    progressing: Progressing::Sent,
    expires: false,
    skipped_kinds: &[],
};

/// What an event says about its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Something is wrong.
    Fails,
    /// Nothing is wrong any more.
    Recovers,
    /// Something is still under way, which ends no failure.
    Neither,
}

impl Turn {
    /// The turn that an event takes. Like in the reference, whatever is no error is good news, unless
    /// its reason says that it is no news at all.
    pub(crate) fn of(event: &Event) -> Self {
        if event.is_error() {
            Self::Fails
        } else if commit_status::is_unfinished(&event.reason) {
            Self::Neither
        } else {
            Self::Recovers
        }
    }
}

/// Where is remembered what is open: per Provider, service and object.
#[derive(Debug)]
pub(crate) struct Ledger {
    service: &'static str,
    provider: String,
    destination: String,
}

impl Ledger {
    /// The ledger of a Provider at this address; `account` tells apart what shares an address, and
    /// may be a secret.
    pub(crate) fn new(
        service: &'static str,
        settings: &ProviderSettings,
        url: &Url,
        account: &str,
    ) -> Self {
        // User information and queries are credentials; changing them changes no place.
        let destination = [&*Endpoint::of(url).to_string(), url.path(), account];
        Self {
            service,
            provider: settings.provider.key.to_string(),
            destination: digest::hexadecimal(&digest::of_parts(destination)),
        }
    }

    /// The key under which the facts about the object of a notification are found.
    pub(crate) fn key(&self, notification: &Notification) -> String {
        let object = &notification.event.involved_object;
        let parts = [
            &self.provider,
            &self.destination,
            &object.kind,
            &object.namespace,
            &object.name,
        ];
        let digest = digest::of_parts(parts.map(String::as_str));
        format!("{} {}", self.service, digest::hexadecimal(&digest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_event_that_is_final_ends_a_failure() {
        for (severity, reason, turn) in [
            ("error", "ReconciliationFailed", Turn::Fails),
            ("error", "DependencyNotReady", Turn::Fails),
            ("info", "ReconciliationSucceeded", Turn::Recovers),
            ("trace", "ArtifactUpToDate", Turn::Recovers),
            ("info", "Progressing", Turn::Neither),
            ("info", "DependencyNotReady", Turn::Neither),
            ("info", "HealthCheckCanceled", Turn::Neither),
        ] {
            let event = Event {
                severity: severity.to_owned(),
                reason: reason.to_owned(),
                ..Event::default()
            };
            assert_eq!(Turn::of(&event), turn, "{severity} {reason}");
        }
    }
}
