//! The provider reference: one page per type and an overview, from the table of types itself.

use std::fmt::Write as _;

use anyhow::Result;
use serde::Deserialize;

use super::{Documents, table};
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
    let kinds: Vec<Kind> = table::read("provider_table")?;
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
