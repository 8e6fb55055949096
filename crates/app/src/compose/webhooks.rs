//! Keeps the table of Receivers in step with the configuration, and puts what answers them together.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use prometheus_client::registry::Registry;
use receivers::{Credentials, Hooks, HooksPorts, HooksSettings, SignaturePolicy, Table};
use standalone::Configuration;

use crate::settings::ReceiverArguments;

/// An empty table.
pub(crate) fn table(arguments: &ReceiverArguments) -> Arc<Table> {
    Arc::new(Table::new(arguments.receiver_rotation_overlap))
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

/// Puts a configuration in force.
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
