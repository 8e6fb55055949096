//! The provider reference: one page per type and an overview, from the table of types itself.

use std::fmt::Write as _;

use anyhow::Result;
use serde::Deserialize;

use super::{Documents, reference};
use crate::examples::module_page;

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
    let kinds: Vec<Kind> = super::run_example("provider_table")?;
    let mut documents = Documents::new();
    documents.insert(reference("providers.md"), overview(&kinds)?);
    for kind in &kinds {
        documents.insert(
            reference(&format!("providers/{}.md", kind.name)),
            page(kind),
        );
    }
    Ok(documents)
}

fn overview(kinds: &[Kind]) -> Result<String> {
    let mut text = String::from(
        "# Provider types\n\n\
         What `spec.type` of a Provider can be.\n\
         How often a message can arrive is explained in [delivery guarantees](../concepts/delivery.md), \
         and [choose a type](../guides/which-type.md) helps to find the right one.\n\n\
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
    text.push_str(
        "\n## What they need and what they can do\n\n\
         Keys are those of the Secret in `secretRef`; not every type needs all of its keys.\n\n\
         | Type | Keys | `certSecretRef`, `proxySecretRef` | Largest message | Threads |\n\
         |---|---|---|---|---|\n",
    );
    for kind in kinds {
        let facts = Facts::of(&module_page(&kind.source));
        writeln!(
            text,
            "| [`{name}`](providers/{name}.md) | {} | {} | {} | {} |",
            facts.keys,
            facts.network,
            facts.largest,
            facts.threads,
            name = kind.name
        )?;
    }
    Ok(text)
}

/// Stands where a page says nothing.
const NOTHING: &str = "–";

/// What the overview says about a type, as its page has it.
#[derive(Debug, PartialEq, Eq)]
struct Facts {
    /// Keys of the Secret: from the table of fields.
    keys: String,
    /// What becomes of TLS material and proxies: from the same table.
    network: String,
    /// The line `Largest message: …`, up to what happens to longer ones.
    largest: String,
    /// The line `Threads: …`.
    threads: String,
}

impl Facts {
    fn of(page: &str) -> Self {
        let mut keys: Vec<&str> = Vec::new();
        let mut network = NOTHING;
        for (field, usage) in rows(page) {
            if let Some(named) = field.strip_prefix("Secret ") {
                for key in named.split('`').skip(1).step_by(2) {
                    if !keys.contains(&key) {
                        keys.push(key);
                    }
                }
            } else if field == "`address`" && usage.contains("in the Secret") {
                keys.push("address");
            } else if field.contains("`certSecretRef`") {
                network = usage;
            }
        }
        let keys: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
        Self {
            keys: if keys.is_empty() {
                NOTHING.to_owned()
            } else {
                keys.join(", ")
            },
            network: network.to_owned(),
            largest: line(page, "Largest message: "),
            threads: line(page, "Threads: "),
        }
    }
}

/// The rows of two cells in a page's tables.
fn rows(page: &str) -> impl Iterator<Item = (&str, &str)> {
    page.lines().filter_map(|line| {
        let (field, usage) = line
            .strip_prefix("| ")?
            .strip_suffix(" |")?
            .split_once(" | ")?;
        Some((field, usage))
    })
}

/// What follows a beginning of a line, up to the first semicolon or the end of the sentence.
fn line(page: &str, beginning: &str) -> String {
    let found = page.lines().find_map(|line| line.strip_prefix(beginning));
    let value = found.and_then(|value| value.split(';').next());
    value
        .map_or(NOTHING, |value| value.trim_end_matches('.'))
        .to_owned()
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
    fn facts_are_read_from_the_page() {
        let page = "Tells Acme.\n\n\
                    | Field | Use |\n|---|---|\n\
                    | `address` | the hook (required; here or in the Secret) |\n\
                    | Secret `token` (or `password`) | a token \\| or not |\n\
                    | Secret `username`, `password` | instead |\n\
                    | `certSecretRef`, `proxySecretRef` | honoured |\n\n\
                    Threads: one per object.\n\
                    Largest message: 1,000 bytes, fields included; what is longer is cut.\n";
        let facts = Facts::of(page);
        assert_eq!(facts.keys, "`address`, `token`, `password`, `username`");
        assert_eq!(facts.network, "honoured");
        assert_eq!(facts.largest, "1,000 bytes, fields included");
        assert_eq!(facts.threads, "one per object");
        let nothing = Facts::of("Tells Acme.\n");
        assert!(
            [
                nothing.keys,
                nothing.network,
                nothing.largest,
                nothing.threads
            ]
            .iter()
            .all(|fact| fact == NOTHING)
        );
    }

    #[test]
    fn the_overview_links_every_type() {
        assert!(overview(&[kind()]).unwrap().contains(
            "| [`acme`](providers/acme.md) | Acme | messages for people | at least once |\n"
        ));
    }
}
