//! The body of a request to the event port.

use domain::CleanEvent;

use super::Target;
use crate::features::feature;
use crate::seeds;

pub(super) const TARGET: Target = Target {
    name: "event_json",
    seeds: seeds::events,
    words: &[
        "null",
        "true",
        "{",
        "}",
        "[",
        "]",
        "\"",
        ":",
        ",",
        "\"metadata\":{",
        "\\u0000",
        "\\ud800",
        "\"involvedObject\":{",
        "\"kind\":\"\"",
        "\"timestamp\":\"",
        "\"INVOLVEDOBJECT\":null",
    ],
    run,
};

/// What is taken can be written and read again, and stays what it is.
fn run(input: &[u8]) -> Result<(), String> {
    let event = match api::event::decode(input) {
        Ok(event) => event,
        Err(error) => {
            feature(&error.to_string());
            return Ok(());
        }
    };
    let event = match CleanEvent::from_wire(event) {
        Ok((event, _)) => event,
        Err(error) => {
            feature(&error.to_string());
            return Ok(());
        }
    };
    feature("an event");
    let stored = api::to_wire_json(event.event()).map_err(|error| error.to_string())?;
    let read = api::event::decode(stored.as_ref())
        .map_err(|error| format!("what we wrote cannot be read: {error}"))?;
    if read != *event.event() {
        return Err("an event changed by being stored".to_owned());
    }
    Ok(())
}
