//! Objects that nobody can use, or read, appear in the configuration under load.

use std::fmt::Write as _;

use anyhow::Context as _;
use serde_json::json;

use super::{Card, Fault, Needs, Work};
use crate::plan::{Rhythm, Strike};
use crate::round::Round;
use crate::target::fanfare::{NAMESPACE, manifest};
use crate::target::write_whole;

/// The fault.
pub(crate) struct PoisonObject;

/// Name and content of files that are poison.
fn files() -> Vec<(&'static str, String)> {
    let alert = |name: &str, spec| manifest("Alert", NAMESPACE, name, &spec).to_string();
    let provider = |name: &str, spec| manifest("Provider", NAMESPACE, name, &spec).to_string();
    let sources = json!([{"kind": "Kustomization", "name": "*"}]);
    let mut laughs = String::from("l0: &l0 [ha]\n");
    for level in 1..12 {
        let ten = vec![format!("*l{}", level - 1); 10].join(",");
        // Writing to a string cannot fail.
        let _ = writeln!(laughs, "l{level}: &l{level} [{ten}]");
    }
    vec![
        (
            "regex",
            alert(
                "poison-regex",
                json!({
                    "providerRef": {"name": "steady"}, "eventSources": sources,
                    "inclusionList": ["(((((", "(a{1000}){1000}"],
                }),
            ),
        ),
        (
            "expression",
            alert(
                "poison-expression",
                json!({
                    "providerRef": {"name": "nobody"}, "eventSources": sources,
                    "summary": "x".repeat(100_000),
                }),
            ),
        ),
        (
            "sources",
            alert(
                "poison-sources",
                json!({
                    "providerRef": {"name": "nobody"}, "eventSeverity": "loud",
                    "eventSources": [{"kind": "", "name": ""}, 7, null],
                }),
            ),
        ),
        (
            "duration",
            provider(
                "poison-duration",
                json!({
                    "type": "generic", "address": "http://127.0.0.1:1/", "timeout": "99999999999999h",
                }),
            ),
        ),
        (
            "type",
            provider(
                "poison-type",
                json!({"type": "carrier-pigeon", "address": 7}),
            ),
        ),
        (
            "address",
            provider(
                "poison-address",
                json!({
                    "type": "slack", "address": "http://[::1", "proxy": "gopher://x",
                }),
            ),
        ),
        ("no-object", "just a text".to_owned()),
        ("no-yaml", "{[:\u{0}\u{1b}&*!".to_owned()),
        ("deep", "[".repeat(200_000)),
        ("laughs", laughs),
        (
            "twice",
            provider("steady-twin", json!({"type": "generic"})).repeat(2),
        ),
        ("large", format!("# {}\n", "large ".repeat(2_000_000))),
    ]
}

impl Fault for PoisonObject {
    fn card(&self) -> Card {
        Card::new(
            "poison-object",
            "manifests that nobody can use or read come and go under load",
            Rhythm::millis(300..1000, 1500..3000, 2),
        )
        .needs(Needs::Fanfare("has one file for all of its configuration"))
    }

    fn strike<'a>(&'a self, round: &'a Round, strike: &'a Strike) -> Work<'a> {
        Box::pin(async move {
            let Some(place) = round.place(0) else {
                return Ok(());
            };
            let folder = place.configuration();
            let files = files();
            let share = strike.lasts / u32::try_from(files.len()).unwrap_or(1);
            for (name, content) in &files {
                write_whole(&folder.join(format!("poison-{name}.yaml")), content)?;
                tokio::time::sleep(share).await;
            }
            for (name, _) in &files {
                let file = folder.join(format!("poison-{name}.yaml"));
                std::fs::remove_file(&file)
                    .with_context(|| format!("removing {}", file.display()))?;
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
