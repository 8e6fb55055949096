//! What the store may find when it reads back what it wrote, or what became of it on a bad disk: the
//! first line says what it is taken for.

use domain::delivery::{Content, DeliveryId};
use domain::plan::Dispositions;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Target, first_line};
use crate::features::feature;

pub(super) const TARGET: Target = Target {
    name: "records",
    seeds: || {
        let content = serde_json::to_string(&Content::default()).unwrap_or_default();
        let dispositions = serde_json::to_string(&Dispositions::default()).unwrap_or_default();
        vec![
            format!("content\n{content}").into_bytes(),
            format!("dispositions\n{dispositions}").into_bytes(),
            b"id\n12.3".to_vec(),
            b"event\n{\"involvedObject\":{\"kind\":\"K\",\"name\":\"n\"},\"message\":\"m\"}"
                .to_vec(),
        ]
    },
    words: &[
        "content\n",
        "dispositions\n",
        "id\n",
        "event\n",
        "null",
        "{",
        "}",
        "[",
        "]",
        "\"",
        ":",
        ",",
        ".",
        "-",
        "18446744073709551616",
        "4294967296",
        "\"metadata\":{",
        "\"kind\":",
    ],
    run,
};

/// What can be read is written and read again as the same.
fn run(input: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(input);
    let (kind, body) = first_line(&text);
    match kind {
        "content" => repeat::<Content>(body),
        "dispositions" => repeat::<Dispositions>(body),
        "id" => match body.parse::<DeliveryId>() {
            Ok(id) if id.to_string().parse() == Ok(id) => {
                feature("an id");
                Ok(())
            }
            Ok(id) => Err(format!("the id {id} cannot be read again")),
            Err(_) => Ok(()),
        },
        _ => Ok(()),
    }
}

fn repeat<T: Serialize + DeserializeOwned + PartialEq>(body: &str) -> Result<(), String> {
    let value = match serde_json::from_str::<T>(body) {
        Ok(value) => value,
        Err(error) => {
            feature(&format!("{:?}", error.classify()));
            return Ok(());
        }
    };
    feature("a record");
    let written = serde_json::to_string(&value).map_err(|error| error.to_string())?;
    match serde_json::from_str::<T>(&written) {
        Ok(again) if again == value => Ok(()),
        _ => Err(format!("a record changed by being stored: {written}")),
    }
}
