//! The bill of materials of the released program: every crate that is built into it or used to build
//! it, in `CycloneDX` 1.5 (<https://cyclonedx.org/docs/1.5/json/>).
//!
//! The same `Cargo.lock` and target give the same bytes: there is neither a time nor a random number
//! in it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::tree;

/// The crate that the program is built from.
const PRODUCT: &str = "app";
/// What the program is called.
const PROGRAM: &str = "fanfare";

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    /// `None` for what is in this repository.
    source: Option<String>,
    license: Option<String>,
    repository: Option<String>,
    description: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Edge>,
}

#[derive(Deserialize)]
struct Edge {
    pkg: String,
    dep_kinds: Vec<EdgeKind>,
}

#[derive(Deserialize)]
struct EdgeKind {
    /// `None` for what is linked, otherwise `build` or `dev`.
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
    checksum: Option<String>,
}

/// Writes the bill of materials for a target, the host unless one is named, to a file.
pub(crate) fn run(target: Option<&str>, file: &Path) -> Result<()> {
    let target = match target {
        Some(target) => target.to_owned(),
        None => host()?,
    };
    let bill = make(&target)?;
    let count = bill
        .get("components")
        .and_then(Value::as_array)
        .map_or(0, Vec::len);
    let text = serde_json::to_string_pretty(&bill)? + "\n";
    std::fs::write(file, text).with_context(|| format!("writing {}", file.display()))?;
    println!("{count} crates for {target} in {}", file.display());
    Ok(())
}

/// The target that is built for when none is named.
fn host() -> Result<String> {
    let shown = output("rustc", &["--version", "--verbose"])?;
    let host = shown.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc names no host")?.to_owned())
}

/// The bill of materials.
fn make(target: &str) -> Result<Value> {
    let metadata: Metadata = serde_json::from_str(&output(
        "cargo",
        &[
            "metadata",
            "--locked",
            "--format-version=1",
            "--filter-platform",
            target,
        ],
    )?)?;
    let lock = std::fs::read_to_string(tree::root().join("Cargo.lock"))?;
    let lock: Lock = toml::from_str(&lock)?;
    let checksums: BTreeMap<(String, String), String> = lock
        .package
        .into_iter()
        .filter_map(|locked| Some(((locked.name, locked.version), locked.checksum?)))
        .collect();
    bill(&metadata, &checksums, target)
}

fn bill(
    metadata: &Metadata,
    checksums: &BTreeMap<(String, String), String>,
    target: &str,
) -> Result<Value> {
    let packages: BTreeMap<&str, &Package> = metadata
        .packages
        .iter()
        .map(|package| (package.id.as_str(), package))
        .collect();
    let nodes: BTreeMap<&str, &Node> = metadata
        .resolve
        .nodes
        .iter()
        .map(|node| (node.id.as_str(), node))
        .collect();
    let product = metadata
        .packages
        .iter()
        .find(|package| package.name == PRODUCT && package.source.is_none())
        .with_context(|| format!("there is no crate `{PRODUCT}`"))?;
    let linked = reachable(&product.id, &nodes, false);
    let all = reachable(&product.id, &nodes, true);
    let package = |id: &str| {
        packages
            .get(id)
            .copied()
            .context("a crate without a description")
    };

    let mut components = Vec::new();
    let mut dependencies = Vec::new();
    for id in &all {
        let known = package(id)?;
        let needed: Vec<String> = edges(id, &nodes, true)
            .map(|needed| package(needed).map(reference))
            .collect::<Result<BTreeSet<_>>>()?
            .into_iter()
            .collect();
        dependencies.push(json!({"ref": reference(known), "dependsOn": needed}));
        if *id != product.id {
            let checksum = checksums.get(&(known.name.clone(), known.version.clone()));
            components.push(component(known, checksum, linked.contains(id)));
        }
    }
    let by_reference = |key: &'static str| {
        move |value: &Value| {
            let text = value.get(key).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        }
    };
    components.sort_by_key(by_reference("bom-ref"));
    dependencies.sort_by_key(by_reference("ref"));
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": reference(product),
                "name": PROGRAM,
                "version": product.version,
                "licenses": licences(product),
                "purl": reference(product),
            },
            "properties": [{"name": "cargo:target", "value": target}],
        },
        "components": components,
        "dependencies": dependencies,
    }))
}

/// One crate. What is only used while building is `excluded`: it is not in the program.
fn component(package: &Package, checksum: Option<&String>, is_linked: bool) -> Value {
    let described = package.description.as_deref().map(|text| {
        let words: Vec<&str> = text.split_whitespace().collect();
        json!(words.join(" "))
    });
    let hashes = checksum.map(|checksum| json!([{"alg": "SHA-256", "content": checksum}]));
    let places = package
        .repository
        .as_ref()
        .map(|repository| json!([{"type": "vcs", "url": repository}]));
    let known = [
        ("type", Some(json!("library"))),
        ("bom-ref", Some(json!(reference(package)))),
        ("name", Some(json!(package.name))),
        ("version", Some(json!(package.version))),
        ("description", described),
        (
            "scope",
            Some(json!(if is_linked { "required" } else { "excluded" })),
        ),
        ("hashes", hashes),
        ("licenses", Some(licences(package))),
        ("purl", Some(json!(reference(package)))),
        ("externalReferences", places),
    ];
    known
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)))
        .collect()
}

/// The package URL, which names a crate everywhere.
fn reference(package: &Package) -> String {
    format!("pkg:cargo/{}@{}", package.name, package.version)
}

/// As an SPDX expression; some crates still separate alternatives by a slash.
fn licences(package: &Package) -> Value {
    match &package.license {
        Some(licence) => json!([{"expression": licence.replace('/', " OR ").replace("  ", " ")}]),
        None => json!([]),
    }
}

/// Everything that a crate needs, itself among it.
fn reachable(from: &str, nodes: &BTreeMap<&str, &Node>, with_build: bool) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut next = vec![from.to_owned()];
    while let Some(id) = next.pop() {
        if found.insert(id.clone()) {
            next.extend(edges(&id, nodes, with_build).map(str::to_owned));
        }
    }
    found
}

/// What a crate needs directly, but for its tests.
fn edges<'a>(
    id: &str,
    nodes: &BTreeMap<&str, &'a Node>,
    with_build: bool,
) -> impl Iterator<Item = &'a str> + use<'a> {
    let edges = nodes.get(id).map_or(&[][..], |node| node.deps.as_slice());
    edges
        .iter()
        .filter(move |edge| {
            edge.dep_kinds
                .iter()
                .any(|kind| match kind.kind.as_deref() {
                    None => true,
                    Some("build") => with_build,
                    Some(_) => false,
                })
        })
        .map(|edge| edge.pkg.as_str())
}

fn output(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(tree::root())
        .output()
        .with_context(|| format!("running {program}"))?;
    if !output.status.success() {
        bail!(
            "{program} {} failed: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests;
