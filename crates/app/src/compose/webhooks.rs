//! Keeps the table of Receivers in step with the configuration, and puts what answers them together.

use std::collections::BTreeSet;
use std::sync::Arc;

use cluster::ReceiverUpdate;
use jiff::Timestamp;
use prometheus_client::registry::Registry;
use receivers::{Credentials, Hooks, HooksPorts, HooksSettings, SignaturePolicy, Table};
use standalone::Configuration;

use crate::settings::ReceiverArguments;

/// An empty table that is filled before anybody calls.
pub(crate) fn table(arguments: &ReceiverArguments) -> Arc<Table> {
    Arc::new(Table::new(arguments.receiver_rotation_overlap))
}

/// An empty table that is filled while people may call already.
pub(crate) fn table_to_be_filled(arguments: &ReceiverArguments) -> Arc<Table> {
    Arc::new(Table::to_be_filled(arguments.receiver_rotation_overlap))
}

/// What answers webhooks.
pub(crate) fn hooks(
    ports: HooksPorts,
    arguments: &ReceiverArguments,
    registry: &mut Registry,
) -> Arc<Hooks> {
    let settings = HooksSettings {
        signatures: SignaturePolicy {
            refuse_sha1: arguments.receiver_refuse_sha1,
        },
    };
    Arc::new(Hooks::new(ports, settings, registry))
}

/// Puts the configuration of a folder in force.
pub(crate) fn update(table: &Table, configuration: &Configuration, now: Timestamp) {
    let known: BTreeSet<_> = configuration.receivers().map(|(key, _)| key).collect();
    for gone in table.keys().iter().filter(|key| !known.contains(key)) {
        table.remove(gone);
    }
    for (key, receiver) in configuration.receivers() {
        let Some(receiver) = receiver else {
            table.hold(key);
            continue;
        };
        let credentials = match &receiver.secret {
            None => Some(Credentials::without_secret(key)),
            Some(secret) => configuration
                .secret(secret)
                .and_then(|data| Credentials::from_secret(key, data.clone())),
        };
        match credentials {
            Some(credentials) => table.serve(receiver.clone(), credentials, now),
            None => table.lose_token(key, now),
        }
    }
}

/// Puts what changed in a cluster in force.
pub(crate) fn apply(table: &Table, updates: Vec<ReceiverUpdate>, now: Timestamp) {
    for update in updates {
        match update {
            ReceiverUpdate::Serve { receiver, secret } => {
                let credentials = match secret {
                    None => Some(Credentials::without_secret(&receiver.key)),
                    Some(data) => Credentials::from_secret(&receiver.key, data),
                };
                match credentials {
                    Some(credentials) => table.serve(receiver, credentials, now),
                    None => table.lose_token(&receiver.key, now),
                }
            }
            ReceiverUpdate::Hold(key) => table.hold(&key),
            ReceiverUpdate::LoseToken(key) => table.lose_token(&key, now),
            ReceiverUpdate::Remove(key) => table.remove(&key),
            ReceiverUpdate::AllKnown => {
                table.all_are_known();
                tracing::info!(
                    logger = "setup",
                    receivers = table.keys().len(),
                    "receivers in force"
                );
            }
        }
    }
}
