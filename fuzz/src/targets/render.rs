//! Every provider type renders any event and judges any answer.
//!
//! An input is a type's name, a line break, the event as JSON, a zero byte, and the answer's body.

use super::Target;
use crate::bench::{Answer, CASES, attempt, event};
use crate::seeds;

pub(super) const TARGET: Target = Target {
    name: "render_every_kind",
    seeds: inputs,
    words: &[
        "@everyone",
        "@here",
        "<!channel>",
        "<@U1>",
        "<a|b>",
        "<at>",
        "```",
        "*",
        "_",
        "[a](b)",
        "\\n",
        "\\u202e",
        "\\ud83d\\ude00",
        "error",
        "info",
        "Progressing",
        "{\"ok\":false}",
        "\"metadata\":{",
        "commit",
        "sha1:",
        "event.toolkit.fluxcd.io/",
        "[]",
        "null",
        "{\"values\":",
    ],
    run,
};

fn inputs() -> Vec<Vec<u8>> {
    seeds::cases()
        .into_iter()
        .map(|case| format!("{}\n{}\0{{}}", case.kind, case.event).into_bytes())
        .collect()
}

/// Rendering never panics, and the same event gives the same bytes.
fn run(input: &[u8]) -> Result<(), String> {
    let Some(split) = input.iter().position(|byte| *byte == b'\n') else {
        return Ok(());
    };
    let (kind, rest) = input.split_at(split);
    let mut parts = rest
        .get(1..)
        .unwrap_or_default()
        .splitn(2, |byte| *byte == 0);
    let written = parts.next().unwrap_or_default();
    let body = parts.next().unwrap_or_default();
    let Some(case) = CASES.get(String::from_utf8_lossy(kind).as_ref()) else {
        return Ok(());
    };
    let Some(event) = event(written) else {
        return Ok(());
    };
    let answer = Answer {
        body: body.to_vec().into(),
        ..Answer::default()
    };
    let sent = || attempt(&case.objects, &event, answer.clone());
    let requests = |sent: Option<(Vec<_>, _)>| sent.map(|(requests, _)| requests);
    if requests(sent()?) != requests(sent()?) {
        return Err("two renderings of one event differ".to_owned());
    }
    Ok(())
}
