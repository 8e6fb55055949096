//! Who may import whom: crates import lower layers only.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use super::Finding;
use crate::tree::Tree;

/// Which of our crates each of them may import. `ARCHITECTURE.md` shows the same table.
const ALLOWED: [(&str, &[&str]); 16] = [
    ("api", &[]),
    ("expr", &[]),
    ("domain", &["api", "expr"]),
    ("outbound", &["api"]),
    ("providers", &["api", "expr", "domain", "outbound"]),
    ("receivers", &["api", "expr", "domain", "outbound"]),
    ("delivery", &["api", "domain"]),
    ("standalone", &["api", "domain"]),
    ("cluster", &["api", "domain"]),
    ("server", &["api", "domain", "delivery", "receivers"]),
    (
        "app",
        &[
            "api",
            "expr",
            "domain",
            "outbound",
            "providers",
            "receivers",
            "delivery",
            "standalone",
            "cluster",
            "server",
        ],
    ),
    ("testkit", &["api", "domain", "outbound"]),
    ("xtask", &[]),
    ("bench", &["api", "testkit"]),
    ("e2e", &["api", "testkit"]),
    ("torture", &["testkit"]),
];

/// Development dependencies beyond [`ALLOWED`] and `testkit`.
const ALLOWED_IN_TESTS: [(&str, &[&str]); 2] = [
    ("server", &["outbound"]),
    ("xtask", &["api", "domain", "providers", "receivers"]),
];

/// A crate of the workspace.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) dependencies: Vec<Dependency>,
}

/// What it depends on.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// `None`, `dev` or `build`.
    pub(crate) kind: Option<String>,
}

impl Dependency {
    pub(crate) fn is_for_tests(&self) -> bool {
        self.kind.as_deref() == Some("dev")
    }
}

/// Asks cargo for the crates of the workspace.
pub(crate) fn read_packages() -> Result<Vec<Package>> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Package>,
    }
    let output = Command::new("cargo")
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(crate::tree::root())
        .output()
        .context("running cargo metadata")?;
    if !output.status.success() {
        bail!(
            "cargo metadata failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let metadata: Metadata =
        serde_json::from_slice(&output.stdout).context("parsing cargo metadata")?;
    Ok(metadata.packages)
}

/// Compares what crates import with the table.
pub(crate) fn check(packages: &[Package]) -> Vec<Finding> {
    let ours: BTreeSet<&str> = packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.into_iter().collect();
    let in_tests: BTreeMap<&str, &[&str]> = ALLOWED_IN_TESTS.into_iter().collect();
    let mut findings = Vec::new();
    for package in packages {
        let name = package.name.as_str();
        let manifest = manifest(name);
        let Some(may) = allowed.get(name) else {
            findings.push(Finding::new(
                &manifest,
                "this crate has no place in the table of layers (xtask/src/tidy/layers.rs)",
            ));
            continue;
        };
        for dependency in &package.dependencies {
            let other = dependency.name.as_str();
            if !ours.contains(other) || may.contains(&other) {
                continue;
            }
            let is_test_exception = dependency.is_for_tests()
                && (other == "testkit"
                    || in_tests
                        .get(name)
                        .is_some_and(|extra| extra.contains(&other)));
            if !is_test_exception {
                findings.push(Finding::new(
                    &manifest,
                    format!("`{name}` may not import `{other}`: see the layers in ARCHITECTURE.md"),
                ));
            }
        }
    }
    findings
}

fn manifest(name: &str) -> String {
    match name {
        "xtask" | "bench" | "e2e" | "torture" => format!("{name}/Cargo.toml"),
        _ => format!("crates/{name}/Cargo.toml"),
    }
}

/// Compares the table with the one in `ARCHITECTURE.md`, whose rows read
/// `` | `crate` | `may`, `import` | … ``.
pub(crate) fn check_document(tree: &Tree) -> Vec<Finding> {
    const DOCUMENT: &str = "ARCHITECTURE.md";
    let documented = documented_table(tree.text(DOCUMENT));
    let mut findings = Vec::new();
    for (name, may) in ALLOWED {
        let expected: BTreeSet<String> = may.iter().map(|name| (*name).to_owned()).collect();
        match documented.get(name) {
            None => findings.push(Finding::new(
                DOCUMENT,
                format!("the table of layers has no row for `{name}`"),
            )),
            Some(found) if *found != expected => findings.push(Finding::new(
                DOCUMENT,
                format!("the row for `{name}` differs from the table that is checked"),
            )),
            Some(_) => {}
        }
    }
    findings
}

fn documented_table(document: &str) -> BTreeMap<String, BTreeSet<String>> {
    let section = document
        .split("\n## ")
        .find(|section| section.starts_with("Who may import whom"))
        .unwrap_or_default();
    section
        .lines()
        .filter(|line| line.starts_with("| `"))
        .filter_map(|line| {
            let mut cells = line.split('|').skip(1);
            let name = code_words(cells.next()?).into_iter().next()?;
            Some((name, code_words(cells.next()?)))
        })
        .collect()
}

fn code_words(cell: &str) -> BTreeSet<String> {
    cell.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    fn package(name: &str, dependencies: &[(&str, Option<&str>)]) -> Package {
        Package {
            name: name.to_owned(),
            dependencies: dependencies
                .iter()
                .map(|(name, kind)| Dependency {
                    name: (*name).to_owned(),
                    kind: kind.map(str::to_owned),
                })
                .collect(),
        }
    }

    fn workspace(domain: &[(&str, Option<&str>)]) -> Vec<Package> {
        vec![
            package("api", &[]),
            package("testkit", &[("api", None)]),
            package("server", &[]),
            package("domain", domain),
        ]
    }

    #[test]
    fn importing_downwards_is_allowed_and_upwards_is_not() {
        assert_eq!(check(&workspace(&[("api", None), ("serde", None)])), []);
        let findings = check(&workspace(&[("server", None)]));
        assert_eq!(findings.len(), 1);
        assert!(
            findings[0]
                .message
                .contains("`domain` may not import `server`")
        );
    }

    #[test]
    fn testkit_is_for_tests_only() {
        assert_eq!(check(&workspace(&[("testkit", Some("dev"))])), []);
        assert_eq!(check(&workspace(&[("testkit", None)])).len(), 1);
    }

    #[test]
    fn a_new_crate_needs_a_place() {
        assert_eq!(check(&[package("surprise", &[])]).len(), 1);
    }

    #[test]
    fn the_document_must_show_the_same_table() {
        let mut rows = String::from("# X\n\n## Who may import whom\n\n| Crate | may import |\n");
        for (name, may) in ALLOWED {
            let may: Vec<_> = may.iter().map(|name| format!("`{name}`")).collect();
            writeln!(rows, "| `{name}` | {} | x |", may.join(", ")).unwrap();
        }
        assert_eq!(check_document(&Tree::of(&[("ARCHITECTURE.md", &rows)])), []);
        let wrong = rows.replace("| `domain` | `api`, `expr` |", "| `domain` | `api` |");
        assert_eq!(
            check_document(&Tree::of(&[("ARCHITECTURE.md", &wrong)])).len(),
            1
        );
        assert_eq!(check_document(&Tree::default()).len(), ALLOWED.len());
    }
}
