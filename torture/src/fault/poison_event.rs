//! Events that are none, or that are meant to hurt.

use super::{Card, Fault, Work};
use crate::client::Client;
use crate::dice::Dice;
use crate::plan::{Rhythm, Strike};
use crate::round::Round;
use bytes::Bytes;

/// A body and whether it may be accepted; what is an event, however odd, may.
struct Poison {
    what: &'static str,
    body: fn(&mut Dice) -> Vec<u8>,
    may_be_accepted: bool,
}

/// An event with more JSON at its end.
fn event_with(more: &str) -> Vec<u8> {
    format!(
        r#"{{"involvedObject":{{"kind":"Kustomization","namespace":"apps","name":"poison"}},"severity":"info","timestamp":"2026-08-07T16:01:35Z","message":"poison","reason":"Poison","reportingController":"torture"{more}}}"#
    )
    .into_bytes()
}

fn metadata(keys: u64, length: usize) -> Vec<u8> {
    let value = "v".repeat(length);
    let fields: Vec<String> = (0..keys)
        .map(|key| format!("\"key-{key}\":\"{value}\""))
        .collect();
    event_with(&format!(",\"metadata\":{{{}}}", fields.join(",")))
}

const POISONS: [Poison; 11] = [
    Poison {
        what: "nested 100,000 deep",
        body: |_| {
            let depth = 100_000;
            let nested = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            event_with(&format!(",\"metadata\":{nested}"))
        },
        may_be_accepted: false,
    },
    Poison {
        what: "40 MB of metadata",
        body: |_| metadata(40, 1_000_000),
        may_be_accepted: false,
    },
    Poison {
        what: "20,000 metadata keys",
        body: |_| metadata(20_000, 8),
        may_be_accepted: true,
    },
    Poison {
        what: "bytes that are no UTF-8",
        body: |_| {
            let mut body = event_with(",\"x\":\"\u{1}\"");
            for byte in &mut body {
                if *byte == 1 {
                    *byte = 0xff;
                }
            }
            body
        },
        may_be_accepted: true,
    },
    Poison {
        what: "random bytes",
        body: |dice| {
            (0..512)
                .map(|_| dice.number().to_le_bytes()[0] | 0x80)
                .collect()
        },
        may_be_accepted: false,
    },
    Poison {
        what: "half an event",
        body: |_| {
            let mut body = event_with("");
            body.truncate(body.len() / 2);
            body
        },
        may_be_accepted: false,
    },
    Poison {
        what: "nothing",
        body: |_| Vec::new(),
        may_be_accepted: false,
    },
    Poison {
        what: "null",
        body: |_| b"null".to_vec(),
        may_be_accepted: false,
    },
    Poison {
        what: "numbers where texts belong",
        body: |_| br#"{"involvedObject":7,"message":1e999,"severity":[]}"#.to_vec(),
        may_be_accepted: false,
    },
    Poison {
        what: "control characters and ten thousand combining marks",
        body: |_| {
            let marks = "\u{301}".repeat(10_000);
            event_with(&format!(
                ",\"metadata\":{{\"a\\u0000\\u202e\":\"{marks}\"}}"
            ))
        },
        may_be_accepted: true,
    },
    Poison {
        what: "a time that does not exist",
        body: |_| {
            let event = String::from_utf8_lossy(&event_with("")).into_owned();
            event.replace("2026-08-07", "9999999-99-99").into_bytes()
        },
        may_be_accepted: true,
    },
];

/// The fault.
pub(crate) struct PoisonEvent;

impl Fault for PoisonEvent {
    fn card(&self) -> Card {
        Card::new(
            "poison-event",
            "events that are none, or too deep, too large, not text: refused, and nothing else suffers",
            Rhythm::millis(100..600, 100..400, 6),
        )
    }

    fn strike<'a>(&'a self, round: &'a Round, strike: &'a Strike) -> Work<'a> {
        Box::pin(async move {
            let mut dice = strike.dice();
            let Some(place) = round.place(0) else {
                return Ok(());
            };
            let path = round
                .target
                .request(crate::stamp::Stamp { lane: 0, number: 0 })
                .path;
            // All of them, from another one on each time.
            let start = usize::try_from(dice.below(POISONS.len() as u64)).unwrap_or(0);
            for poison in POISONS.iter().cycle().skip(start).take(POISONS.len()) {
                let body = Bytes::from((poison.body)(&mut dice));
                let Ok(mut client) = Client::connect(place.events).await else {
                    // It is being restarted.
                    continue;
                };
                // A connection that is closed on such a body is an answer, too.
                let Ok((status, _)) = client.send("POST", path, body).await else {
                    continue;
                };
                // Whose 200 promises nothing may give it to anybody.
                let is_promised = (200..300).contains(&status) && round.target.promise().is_durable;
                if is_promised && !poison.may_be_accepted {
                    round.complain(format!(
                        "an event that is none ({}) got {status}",
                        poison.what
                    ));
                }
                if status == 500 || status == 502 {
                    round.complain(format!("an odd event ({}) got {status}", poison.what));
                }
            }
            Ok(())
        })
    }

    fn judge<'a>(&'a self, round: &'a Round) -> Work<'a> {
        Box::pin(async move {
            round.complain_if_late();
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_accepted_is_json_and_the_rest_is_mostly_not() {
        let mut dice = Dice::of(1);
        for poison in POISONS {
            let body = (poison.body)(&mut dice);
            // Go, and so the reference, reads over what is no UTF-8.
            let text = String::from_utf8_lossy(&body);
            let parsed = serde_json::from_str::<serde_json::Value>(&text);
            if poison.may_be_accepted {
                assert!(parsed.is_ok(), "{}", poison.what);
            }
        }
    }
}
