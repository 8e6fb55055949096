//! What servers say that do not speak HTTP: the type's name, then lines; an empty line ends a turn.

use std::fs;
use std::path::Path;

use providers::kind::Protocol;
use testkit::fixture;

use super::{Target, first_line};
use crate::bench::{Answer, CASES, attempt, event};

pub(super) const TARGET: Target = Target {
    name: "stream",
    seeds: dialogues,
    words: &[
        "INFO {\"max_payload\":1}",
        "INFO {",
        "\"tls_required\":true",
        "\"auth_required\":true,\"nonce\":\"abc\"",
        "PING",
        "PONG",
        "+OK",
        "-ERR '",
        "MSG a 1 2",
        "HMSG a 1 12 14",
        "220 ",
        "250-",
        "250 AUTH PLAIN LOGIN",
        "250-STARTTLS",
        "334 ",
        "354 ",
        "421 ",
        "535 ",
        "552 ",
        "999 ",
        "{{echo}}",
        "\n\n",
        "\n",
        "-",
    ],
    run,
};

/// Everything that servers say in fixtures.
fn dialogues() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/providers/fixtures");
    let mut dialogues = Vec::new();
    for kind in providers::kinds::ALL {
        if kind.protocol == Protocol::Http || fs::metadata(folder.join(kind.name)).is_err() {
            continue;
        }
        for case in fixture::all(&folder.join(kind.name)) {
            let turns: Vec<String> = case.turns.concat();
            let turns = turns.join("\n").replace("\r\n", "\n");
            dialogues.push(format!("{}\n{turns}", kind.name).into_bytes());
        }
    }
    dialogues
}

/// A session ends, and what is said about it is short and on one line.
fn run(input: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(input);
    let (kind, said) = first_line(&text);
    let Some(case) = CASES.get(kind) else {
        return Ok(());
    };
    let turns: Vec<String> = said
        .split("\n\n")
        .map(|turn| turn.replace('\n', "\r\n") + "\r\n")
        .collect();
    let Some(event) = event(case.event.to_string().as_bytes()) else {
        return Ok(());
    };
    let answer = Answer {
        turns: vec![turns.clone(), turns],
        ..Answer::default()
    };
    attempt(&case.objects, &event, answer).map(drop)
}
