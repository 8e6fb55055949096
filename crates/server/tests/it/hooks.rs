//! Plays the recordings of the reference's webhook port (`conformance/incoming/receivers`) over real
//! sockets against a world of objects in memory.
//!
//! What differs on purpose is listed in `conformance/differences.toml` with area `receivers`; what is
//! listed and does not differ fails, too. The cases about time-outs are left out: they take as long as
//! the time-outs, and the listener has tests of its own.

mod differences;
mod rules;
mod tokens;
pub(crate) mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt;
use serde_json::Value;

use self::differences::Differences;
use self::rules::Played;
use self::world::World;

const FILES: [&str; 16] = [
    "_filters",
    "_http",
    "_resources",
    "acr",
    "bitbucket",
    "cdevents",
    "dockerhub",
    "gcr",
    "generic",
    "generic-hmac",
    "generic-oidc",
    "github",
    "gitlab",
    "harbor",
    "nexus",
    "quay",
];

/// How many cases are played at once.
const AT_ONCE: usize = 16;

fn cases(file: &str) -> Vec<Value> {
    let path = testkit::corpus::path(&format!("incoming/receivers/{file}.json"));
    let text = std::fs::read_to_string(path).unwrap();
    let recording: Value = serde_json::from_str(&text).unwrap();
    recording["cases"].as_array().unwrap().clone()
}

/// What differs from the recording, and the rules that explain what else does.
async fn play(case: &Value) -> (Vec<String>, BTreeSet<&'static str>) {
    let world = World::of(case).await;
    let (mut found, mut applied) = (Vec::new(), BTreeSet::new());
    if let Some(path) = case["webhookPath"].as_str()
        && !world.first_paths.contains(path)
        && !world.first_paths.is_empty()
    {
        found.push(format!("path {:?} instead of {path}", world.first_paths));
    }
    let requests = case["requests"].as_array().unwrap();
    for (index, request) in requests.iter().enumerate() {
        let before = world.annotated();
        let status = world.send(request).await;
        let recorded = recorded_statuses(request);
        let wanted: BTreeSet<String> = request["annotated"]
            .as_object()
            .into_iter()
            .flat_map(|annotated| annotated.keys().cloned())
            .collect();
        // A request within the moment of another one goes out at its end.
        let deadline = tokio::time::Instant::now() + Duration::from_millis(1500);
        let touched = loop {
            let touched = world.touched_since(&before);
            let is_over = before.is_empty() || tokio::time::Instant::now() > deadline;
            if touched == wanted || is_over {
                break touched;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        if status == recorded && touched == wanted {
            continue;
        }
        let played = Played {
            case,
            request,
            recorded: &recorded,
            status: &status,
            wanted: &wanted,
            touched: &touched,
            earlier: requests.get(..index).unwrap(),
        };
        match played.rule() {
            Some(rule) => {
                applied.insert(rule);
            }
            None => found.push(format!(
                "status {status:?} instead of {recorded:?}, asked {touched:?} instead of {wanted:?}"
            )),
        }
    }
    world.stop();
    (found, applied)
}

fn recorded_statuses(request: &Value) -> Vec<u16> {
    let number = |status: &Value| u16::try_from(status.as_u64()?).ok();
    match &request["response"]["status"] {
        Value::Array(many) => many.iter().filter_map(number).collect(),
        status => number(status).into_iter().collect(),
    }
}

fn is_quick(case: &Value) -> bool {
    let mut requests = case["requests"].as_array().unwrap().iter();
    !requests.any(|request| request["response"]["after_s"].is_number())
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_answered_as_recorded_or_differ_as_listed() {
    let listed = Differences::load();
    let mut failures = Vec::new();
    let (mut played, mut rules) = (0, BTreeSet::new());
    for file in FILES {
        let cases = cases(file);
        let names: BTreeSet<&str> = cases
            .iter()
            .map(|case| case["name"].as_str().unwrap())
            .collect();
        for name in listed.cases(file) {
            if !names.contains(name) {
                failures.push(format!(
                    "{file}/{name}: listed as a difference, but no such case"
                ));
            }
        }
        let playing = cases.into_iter().filter(is_quick).map(|case| async move {
            let (found, applied) = play(&case).await;
            (case, found, applied)
        });
        let results: Vec<_> = futures::stream::iter(playing)
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        for (case, found, applied) in results {
            played += 1;
            rules.extend(applied);
            let name = case["name"].as_str().unwrap();
            match (found.is_empty(), listed.contains(file, name)) {
                (true, false) | (false, true) => {}
                (true, true) => {
                    failures.push(format!("{file}/{name}: listed as a difference, but equal"));
                }
                (false, false) => {
                    let (found, wart) = (found.join("; "), &case["wart"]);
                    failures.push(format!("{file}/{name}: {found} (wart: {wart})"));
                }
            }
        }
    }
    let known: BTreeSet<&str> = rules::names().collect();
    for rule in known.iter().filter(|rule| !listed.rules.contains(**rule)) {
        failures.push(format!("the rule `{rule}` is not listed"));
    }
    for rule in listed
        .rules
        .iter()
        .filter(|rule| !rules.contains(rule.as_str()))
    {
        failures.push(format!("the rule `{rule}` is listed and never applied"));
    }
    failures.sort();
    assert!(played > 700, "only {played} cases were played");
    assert!(
        failures.is_empty(),
        "{} of {played}:\n{}",
        failures.len(),
        failures.join("\n")
    );
}
