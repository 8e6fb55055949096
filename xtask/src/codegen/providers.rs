//! The provider reference: one page per type and an overview, from the table of types itself.
//!
//! An example target links `providers` and prints the table, so that everyday commands of this crate
//! do not have to build all of it.

use std::fmt::Write as _;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use super::Documents;
use crate::examples::module_page;
use crate::tree;

/// What the example target prints.
#[derive(Deserialize)]
struct Kind {
    name: String,
    title: String,
    family: String,
    guarantee: String,
    source: String,
}

/// Makes the pages.
pub(super) fn render() -> Result<Documents> {
    let output = Command::new("cargo")
        .args([
            "run",
            "--quiet",
            "--package",
            "xtask",
            "--example",
            "provider_table",
        ])
        .current_dir(tree::root())
        .output()
        .context("running the provider_table example")?;
    if !output.status.success() {
        bail!(
            "printing the table of types failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let kinds: Vec<Kind> =
        serde_json::from_slice(&output.stdout).context("parsing the table of types")?;
    let mut documents = Documents::new();
    documents.insert("providers.md".to_owned(), overview(&kinds)?);
    for kind in &kinds {
        documents.insert(format!("providers/{}.md", kind.name), page(kind));
    }
    Ok(documents)
}

fn overview(kinds: &[Kind]) -> Result<String> {
    let mut text = String::from(
        "# Provider types\n\n\
         What `spec.type` of a Provider can be.\n\
         How often a message can arrive is explained in [delivery guarantees](../concepts/delivery.md).\n\n\
         | Type | Service | What it does | A message arrives |\n|---|---|---|---|\n",
    );
    for kind in kinds {
        writeln!(
            text,
            "| [`{name}`](providers/{name}.md) | {} | {} | {} |",
            kind.title,
            kind.family,
            kind.guarantee,
            name = kind.name
        )?;
    }
    Ok(text)
}

fn page(kind: &Kind) -> String {
    format!(
        "# {} (`{}`)\n\nA message arrives {}.\n\n{}",
        kind.title,
        kind.name,
        kind.guarantee,
        module_page(&kind.source)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind() -> Kind {
        Kind {
            name: "acme".to_owned(),
            title: "Acme".to_owned(),
            family: "messages for people".to_owned(),
            guarantee: "at least once".to_owned(),
            source: "//! Tells Acme.\n//!\n//! More.\n\nuse a;\n".to_owned(),
        }
    }

    #[test]
    fn a_page_is_the_documentation_of_the_module() {
        assert_eq!(
            page(&kind()),
            "# Acme (`acme`)\n\nA message arrives at least once.\n\nTells Acme.\n\nMore.\n"
        );
    }

    #[test]
    fn the_overview_links_every_type() {
        assert!(overview(&[kind()]).unwrap().contains(
            "| [`acme`](providers/acme.md) | Acme | messages for people | at least once |\n"
        ));
    }
}
