//! What comes over the control socket, carried out on a real store.

use std::sync::{Arc, LazyLock};

use api::{Event, ObjectKey, ObjectReference};
use delivery::Store;
use delivery::store::{NewEvent, PlannedEvent};
use domain::CleanEvent;
use domain::delivery::{Content, Delivery, DeliveryId, Lane};
use domain::plan::Dispositions;
use futures::executor::block_on;
use jiff::Timestamp;
use server::control::{self, Command, CommandError, Reply};
use tempfile::TempDir;

use super::{Target, stores};
use crate::features::feature;

pub(super) const TARGET: Target = Target {
    name: "command",
    seeds: || {
        [
            r#""summary""#,
            r#"{"list":{"selection":{"states":["pending"]},"before":"2.0","limit":5}}"#,
            r#"{"event":{"position":1}}"#,
            r#"{"replay":{"provider":{"namespace":"apps","name":"chat"}}}"#,
            r#"{"drop":{"alert":{"namespace":"apps","name":"all"},"ids":["1.0","1.1"]}}"#,
        ]
        .map(|seed| seed.as_bytes().to_vec())
        .to_vec()
    },
    words: &[
        "\"summary\"",
        "{\"list\":",
        "{\"event\":{\"position\":",
        "{\"replay\":",
        "{\"drop\":",
        "\"selection\":{",
        "\"states\":[\"delivered\"]",
        "\"dropped\"",
        "\"failed\"",
        "\"before\":",
        "\"limit\":",
        "\"ids\":[",
        "\"1.0\"",
        "\"18446744073709551615.4294967295\"",
        "18446744073709551615",
        "null",
        "{",
        "}",
        "[",
        "]",
        ",",
    ],
    run,
};

/// The directory goes when the process ends.
static STORE: LazyLock<(Arc<dyn Store>, TempDir)> = LazyLock::new(|| {
    let directory = stores::directory();
    let store = stores::open(directory.path()).expect("a new store can be opened");
    let event = Event {
        involved_object: ObjectReference {
            kind: "Kustomization".to_owned(),
            namespace: "apps".to_owned(),
            name: "shop".to_owned(),
            ..ObjectReference::default()
        },
        message: "something happened".to_owned(),
        ..Event::default()
    };
    let (event, key) = CleanEvent::from_wire(event).expect("an event");
    let position = stores::append(
        &*store,
        NewEvent {
            event: Arc::new(event),
            key,
            interval_start: Timestamp::UNIX_EPOCH,
            received_at: Timestamp::UNIX_EPOCH,
        },
    );
    let position = position.expect("an empty store has room");
    let delivery = |ordinal| Delivery {
        id: DeliveryId { position, ordinal },
        lane: Lane(u64::from(ordinal)),
        provider: ObjectKey::new("apps", "chat"),
        alert: ObjectKey::new("apps", "all"),
        accepted_at: Timestamp::UNIX_EPOCH,
        supersede_key: None,
        content: Content::default(),
    };
    let plan = PlannedEvent {
        position,
        event: None,
        deliveries: (0..3).map(delivery).collect(),
        dispositions: Dispositions::default(),
    };
    block_on(store.commit(vec![plan])).expect("a plan can be stored");
    (store, directory)
});

/// A command is answered or malformed, and both it and its answer are read as they were written.
fn run(input: &[u8]) -> Result<(), String> {
    let command = match serde_json::from_slice::<Command>(input) {
        Ok(command) => command,
        Err(error) => {
            feature(&format!("{:?}", error.classify()));
            return Ok(());
        }
    };
    let written = write(&command)?;
    let again: Command = serde_json::from_str(&written).map_err(|error| error.to_string())?;
    if write(&again)? != written {
        return Err(format!("a command changed by being written: {written}"));
    }
    let (store, _) = &*STORE;
    let reply = match block_on(control::execute(&**store, &command, Timestamp::UNIX_EPOCH)) {
        Ok(reply) => reply,
        Err(CommandError::Malformed(_)) => {
            feature("malformed");
            return Ok(());
        }
        Err(CommandError::Store(error)) => return Err(format!("the store failed: {error}")),
    };
    feature(match &reply {
        Reply::Summary { .. } => "counts",
        Reply::List(views) if views.is_empty() => "an empty list",
        Reply::List(_) => "a list",
        Reply::Event(None) => "no event",
        Reply::Event(Some(_)) => "an event",
        Reply::Changed(0) => "nothing changed",
        Reply::Changed(_) => "a change",
        Reply::Failed(_) => "a failure",
    });
    let written = write(&reply)?;
    let again: Reply = serde_json::from_str(&written).map_err(|error| error.to_string())?;
    if write(&again)? != written {
        return Err(format!("an answer changed by being written: {written}"));
    }
    Ok(())
}

fn write(value: &impl serde::Serialize) -> Result<String, String> {
    serde_json::to_string(value).map_err(|error| error.to_string())
}
