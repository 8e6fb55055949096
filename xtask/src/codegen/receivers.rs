//! The receiver reference: one page per type and an overview, from the table of types itself.

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
    proof: String,
    events: String,
    source: String,
}

/// Makes the pages.
pub(super) fn render() -> Result<Documents> {
    let kinds: Vec<Kind> = super::run_example("receiver_table")?;
    let mut documents = Documents::new();
    documents.insert(reference("receivers.md"), overview(&kinds)?);
    for kind in &kinds {
        let page = format!(
            "# {} (`{}`)\n\n{}",
            kind.title,
            kind.name,
            module_page(&kind.source)
        );
        documents.insert(reference(&format!("receivers/{}.md", kind.name)), page);
    }
    Ok(documents)
}

fn overview(kinds: &[Kind]) -> Result<String> {
    let mut text = String::from(
        "# Receiver types\n\n\
         What `spec.type` of a Receiver can be.\n\
         [The guide](../guides/receivers.md) shows how to set one up.\n\n\
         | Type | Who calls | What proves that it is genuine | `spec.events` |\n|---|---|---|---|\n",
    );
    for kind in kinds {
        writeln!(
            text,
            "| [`{name}`](receivers/{name}.md) | {} | {} | {} |",
            kind.title,
            kind.proof,
            kind.events,
            name = kind.name
        )?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_overview_links_every_type() {
        let kind = Kind {
            name: "acme".to_owned(),
            title: "Acme".to_owned(),
            proof: "a signature".to_owned(),
            events: "ignored".to_owned(),
            source: "//! Called by Acme.\n".to_owned(),
        };
        assert!(
            overview(&[kind])
                .unwrap()
                .contains("| [`acme`](receivers/acme.md) | Acme | a signature | ignored |\n")
        );
    }
}
