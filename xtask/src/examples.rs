//! `cargo xtask examples`: every manifest in documents and examples passes `fanfare check`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, bail};

use crate::fanfare::{Fanfare, Scratch};
use crate::tree::{Tree, extension, prefixed};

const OURS: &str = "notification.toolkit.fluxcd.io";

/// Where the types are; their module documentation is their page.
const PAGES: [&str; 2] = ["crates/providers/src/kinds/", "crates/receivers/src/kinds/"];

/// Whether a file holds a type.
fn is_page(path: &str) -> bool {
    PAGES.iter().any(|pages| path.starts_with(pages))
}

/// Checks them all.
pub(crate) fn run() -> Result<()> {
    let fanfare = Fanfare::build()?;
    let tree = Tree::read()?;
    let scratch = Scratch::new("examples")?;
    let mut failures = 0;
    let examples = collect(&tree);
    for (number, (source, blocks)) in examples.iter().enumerate() {
        let folder = scratch.path().join(number.to_string());
        write_blocks(&folder, blocks)?;
        let mut arguments = vec!["check".to_owned(), folder.to_string_lossy().into_owned()];
        let secrets = scratch.path().join(format!("{number}-secrets"));
        if is_page(source) && write_placeholders(&secrets, blocks)? {
            arguments.push(format!("--secrets-dir={}", secrets.display()));
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = fanfare.output(&arguments)?;
        if !output.status.success() {
            failures += 1;
            println!("error: the manifests in {source} do not pass `fanfare check`:");
            println!("{}", String::from_utf8_lossy(&output.stdout));
            println!("{}", String::from_utf8_lossy(&output.stderr));
        }
    }
    if failures > 0 {
        bail!(
            "{failures} of {} places have wrong examples",
            examples.len()
        );
    }
    println!(
        "examples: the manifests of {} places are valid",
        examples.len()
    );
    Ok(())
}

fn write_blocks(folder: &Path, blocks: &[String]) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    for (number, block) in blocks.iter().enumerate() {
        std::fs::write(folder.join(format!("{number}.yaml")), block)?;
    }
    Ok(())
}

/// Stand-ins for the Secrets that a type's page describes in its table instead of showing them.
/// Answers whether there are any.
fn write_placeholders(folder: &Path, blocks: &[String]) -> Result<bool> {
    for name in blocks.iter().flat_map(|block| secret_names(block)) {
        let secret = folder.join("flux-system").join(name);
        std::fs::create_dir_all(&secret)?;
        for (key, value) in [("address", "https://example.com/hook"), ("token", "token")] {
            std::fs::write(secret.join(key), value)?;
        }
    }
    Ok(folder.exists())
}

/// Names behind `secretRef`.
fn secret_names(block: &str) -> impl Iterator<Item = &str> {
    block
        .split("secretRef:\n")
        .skip(1)
        .filter_map(|rest| rest.lines().next()?.trim().strip_prefix("name: "))
}

/// Manifests by the place they are in: a document, a provider's user page, a folder of examples.
fn collect(tree: &Tree) -> BTreeMap<String, Vec<String>> {
    let mut examples: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (path, text) in &tree.texts {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        // Generated pages show what the sources say.
        let blocks = if extension(path) == Some("md") && !path.starts_with("docs/reference/") {
            yaml_blocks(text)
        } else if is_page(path) {
            yaml_blocks(&module_page(text))
        } else if path.starts_with("examples/") && extension(path) == Some("yaml") {
            examples
                .entry(folder.to_owned())
                .or_default()
                .push(text.clone());
            continue;
        } else {
            continue;
        };
        if !blocks.is_empty() {
            examples.insert(path.clone(), blocks);
        }
    }
    examples
}

/// The text of a module's own documentation.
pub(crate) fn module_page(source: &str) -> String {
    prefixed(
        source
            .lines()
            .map_while(|line| line.strip_prefix("//!"))
            .map(|line| line.strip_prefix(' ').unwrap_or(line)),
        "",
    )
}

/// Fenced YAML with our objects or Secrets in it.
fn yaml_blocks(markdown: &str) -> Vec<String> {
    markdown
        .split("```yaml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .filter(|block| block.contains(OURS) || block.contains("kind: Secret"))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_found() {
        let block = "spec:\n  type: acme\n  secretRef:\n    name: acme-token\n";
        assert_eq!(secret_names(block).collect::<Vec<_>>(), ["acme-token"]);
        assert_eq!(secret_names("spec:\n  type: acme\n").count(), 0);
    }

    #[test]
    fn manifests_are_found_in_documents_pages_and_folders() {
        let block = format!("apiVersion: {OURS}/v1beta3\nkind: Provider\n");
        let page = format!(
            "//! Acme.\n//!\n//! ```yaml\n{}//! ```\n\nuse a;\n",
            prefixed(block.lines(), "//! ")
        );
        let document = format!("Text\n\n```yaml\n{block}```\n\n```yaml\nother: true\n```\n");
        let tree = Tree::of(&[
            ("README.md", &document),
            ("crates/providers/src/kinds/acme.rs", &page),
            ("examples/quickstart/a.yaml", &block),
            ("examples/quickstart/b.yaml", &block),
        ]);
        let found = collect(&tree);
        assert_eq!(found["README.md"], std::slice::from_ref(&block));
        assert_eq!(
            found["crates/providers/src/kinds/acme.rs"],
            std::slice::from_ref(&block)
        );
        assert_eq!(found["examples/quickstart"].len(), 2);
    }
}
