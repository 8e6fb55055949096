//! Third-party crates stay in one room, so that each can be exchanged by changing one place.

use std::collections::BTreeSet;

use super::Finding;
use super::layers::Package;
use crate::tree::Tree;

/// Which of our crates may use a third-party crate; those not listed may be used anywhere.
const ROOMS: [(&str, &[&str]); 24] = [
    ("anyhow", &["app", "xtask", "bench", "torture"]),
    ("aho-corasick", &["domain"]),
    ("aws-lc-rs", &["providers", "receivers"]),
    ("clap", &["app", "bench", "torture"]),
    (
        "hyper",
        &["outbound", "server", "app", "testkit", "bench", "torture"],
    ),
    (
        "hyper-util",
        &["outbound", "server", "app", "testkit", "bench", "torture"],
    ),
    ("jsonwebtoken", &["providers", "receivers"]),
    ("k8s-openapi", &["cluster"]),
    ("kube", &["cluster"]),
    ("mail-builder", &["providers"]),
    ("notify", &["standalone"]),
    ("opentelemetry-proto", &["testkit"]),
    (
        "prometheus-client",
        &["outbound", "receivers", "delivery", "server", "app"],
    ),
    ("prost", &["testkit"]),
    ("regex-automata", &["expr"]),
    ("regex-syntax", &["expr"]),
    // `torture` spoils records of a store whose process is stopped.
    ("rusqlite", &["delivery", "torture"]),
    ("rustls", &["outbound", "testkit", "bench"]),
    ("saphyr-parser", &["api", "providers", "testkit"]),
    ("tikv-jemallocator", &["app"]),
    (
        "tokio",
        &[
            "outbound",
            "providers",
            "receivers",
            "delivery",
            "standalone",
            "cluster",
            "server",
            "app",
            "testkit",
            "bench",
            "torture",
        ],
    ),
    ("tokio-rustls", &["outbound", "testkit", "bench"]),
    ("tokio-socks", &["outbound"]),
    ("tracing-subscriber", &["app"]),
];

/// Finds third-party crates outside their room.
pub(crate) fn check(packages: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages {
        for dependency in package
            .dependencies
            .iter()
            .filter(|found| !found.is_for_tests())
        {
            let room = ROOMS
                .iter()
                .find(|(name, _)| *name == dependency.name)
                .map(|(_, room)| *room);
            if room.is_some_and(|room| !room.contains(&package.name.as_str())) {
                findings.push(Finding::new(
                    "Cargo.toml",
                    format!(
                        "`{}` uses `{}`, which belongs to {} only",
                        package.name,
                        dependency.name,
                        room.unwrap_or_default().join(", ")
                    ),
                ));
            }
        }
    }
    findings
}

/// Finds third-party crates that are declared for the workspace and used by nobody.
pub(crate) fn check_unused(tree: &Tree, packages: &[Package]) -> Vec<Finding> {
    let used: BTreeSet<&str> = packages
        .iter()
        .flat_map(|package| &package.dependencies)
        .map(|dependency| dependency.name.as_str())
        .collect();
    let Ok(manifest) = tree.text("Cargo.toml").parse::<toml::Table>() else {
        return vec![Finding::new("Cargo.toml", "this is not TOML")];
    };
    let declared = manifest
        .get("workspace")
        .and_then(|workspace| workspace.get("dependencies"))
        .and_then(toml::Value::as_table);
    declared
        .into_iter()
        .flat_map(toml::Table::keys)
        .filter(|name| !used.contains(name.as_str()))
        .map(|name| Finding::new("Cargo.toml", format!("no crate uses `{name}`")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::layers::Dependency;
    use super::*;

    fn package(name: &str, dependency: &str, kind: Option<&str>) -> Package {
        Package {
            name: name.to_owned(),
            dependencies: vec![Dependency {
                name: dependency.to_owned(),
                kind: kind.map(str::to_owned),
            }],
        }
    }

    #[test]
    fn a_database_outside_its_room_is_found() {
        assert_eq!(check(&[package("delivery", "rusqlite", None)]), []);
        assert_eq!(check(&[package("domain", "rusqlite", None)]).len(), 1);
        assert_eq!(check(&[package("domain", "rusqlite", Some("dev"))]), []);
    }

    #[test]
    fn the_domain_has_no_runtime() {
        assert_eq!(check(&[package("domain", "tokio", None)]).len(), 1);
    }

    #[test]
    fn what_nobody_uses_is_found() {
        let tree = Tree::of(&[(
            "Cargo.toml",
            "[workspace.dependencies]\nserde = \"1\"\nleft-pad = \"1\"\n",
        )]);
        let findings = check_unused(&tree, &[package("api", "serde", None)]);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].message.contains("left-pad"));
    }
}
