//! A file of manifests, from text to valid objects or problems.

use std::sync::Arc;

use api::{Alert, Provider};
use domain::{ValidAlert, ValidProvider};
use providers::Directory;

use super::Target;
use crate::features::feature;
use crate::seeds;

pub(super) const TARGET: Target = Target {
    name: "manifest",
    seeds: manifests,
    words: &[
        "\n---\n",
        "\n...\n",
        "- ",
        ": ",
        "&a ",
        "*a",
        "<<: ",
        "!!binary ",
        "|\n",
        ">-\n",
        "{",
        "}",
        "[",
        "]",
        "'",
        "\"",
        "# ",
        "\t",
        "  ",
        "? ",
        "kind: List\nitems:\n",
        "spec:",
        "%YAML 1.2\n",
        "yes",
        "~",
        "0o17",
        "metadata:",
    ],
    run,
};

fn manifests() -> Vec<Vec<u8>> {
    let quickstart = [
        include_str!("../../../examples/quickstart/webhook.yaml"),
        include_str!("../../../examples/quickstart/slack.yaml"),
    ];
    let recorded = seeds::cases()
        .into_iter()
        .flat_map(|case| case.objects)
        .map(|object| object.to_string());
    quickstart
        .into_iter()
        .map(str::to_owned)
        .chain(recorded)
        .map(String::into_bytes)
        .collect()
}

/// Reading and validating never panics, and a problem always says something.
fn run(input: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(input);
    for parsed in api::manifest::parse(&text) {
        let manifest = match parsed {
            Ok(manifest) => manifest,
            Err(broken) => {
                feature(&format!("{broken:?}"));
                continue;
            }
        };
        let object = Arc::new(manifest.object);
        let provider = Provider::from_object(Arc::clone(&object));
        let alert = Alert::from_object(object);
        let provider = ValidProvider::validate(&provider, &Directory);
        let alert = ValidAlert::validate(&alert);
        for problem in provider.problems.iter().chain(&alert.problems) {
            feature(&problem.message);
        }
        if provider.value.is_none() && provider.problems.is_empty() {
            return Err("a Provider is refused without a problem".to_owned());
        }
        if alert.value.is_none() && alert.problems.is_empty() {
            return Err("an Alert is refused without a problem".to_owned());
        }
    }
    Ok(())
}
