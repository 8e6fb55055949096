//! The bill of materials is complete, and nothing is in it that only tests need.

use super::*;

/// What cargo itself says is built into the program or used to build it.
fn tree_of_cargo(target: &str) -> BTreeSet<String> {
    let arguments = [
        "tree",
        "--locked",
        "--package",
        PRODUCT,
        "--edges=normal,build",
        "--target",
        target,
        "--prefix=none",
        "--format={p}",
    ];
    output("cargo", &arguments)
        .unwrap()
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            let name = words.next()?;
            let version = words.next()?.strip_prefix('v')?;
            Some(format!("pkg:cargo/{name}@{version}"))
        })
        .collect()
}

fn references(bill: &Value) -> BTreeSet<String> {
    let components = bill["components"].as_array().unwrap();
    components
        .iter()
        .map(|component| component["bom-ref"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn every_crate_of_the_program_is_listed_with_its_checksum_and_licence() {
    let target = host().unwrap();
    let bill = make(&target).unwrap();
    let listed = references(&bill);
    let product = bill["metadata"]["component"]["bom-ref"].as_str().unwrap();
    let expected = tree_of_cargo(&target);
    assert!(expected.len() > 100, "{} crates", expected.len());
    let missing: Vec<_> = expected
        .iter()
        .filter(|crate_| *crate_ != product && !listed.contains(*crate_))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");

    for component in bill["components"].as_array().unwrap() {
        let name = component["name"].as_str().unwrap();
        let is_ours = tree::root().join("crates").join(name).is_dir();
        assert_eq!(component["hashes"].is_null(), is_ours, "{name}");
        assert!(component["licenses"][0]["expression"].is_string(), "{name}");
    }
    for of_tests in ["proptest", "rcgen", "testkit", "opentelemetry-proto"] {
        assert!(
            !listed
                .iter()
                .any(|crate_| crate_.contains(&format!("/{of_tests}@"))),
            "{of_tests}"
        );
    }
}

#[test]
fn what_a_crate_needs_is_listed_too_and_the_bytes_repeat() {
    let target = host().unwrap();
    let bill = make(&target).unwrap();
    let mut listed = references(&bill);
    listed.insert(
        bill["metadata"]["component"]["bom-ref"]
            .as_str()
            .unwrap()
            .to_owned(),
    );
    for dependency in bill["dependencies"].as_array().unwrap() {
        assert!(listed.contains(dependency["ref"].as_str().unwrap()));
        for needed in dependency["dependsOn"].as_array().unwrap() {
            assert!(listed.contains(needed.as_str().unwrap()), "{needed}");
        }
    }
    assert_eq!(bill, make(&target).unwrap());
}

#[test]
fn what_only_builds_is_not_in_the_program() {
    let packages = ["app", "linked", "builds", "tests"].map(|name| {
        json!({
            "id": name, "name": name, "version": "1.0.0", "license": "MIT/Apache-2.0",
            "source": (name != "app").then_some("registry"),
        })
    });
    let needed = [
        ("linked", None),
        ("builds", Some("build")),
        ("tests", Some("dev")),
    ];
    let needed = needed.map(|(name, kind)| json!({"pkg": name, "dep_kinds": [{"kind": kind}]}));
    let metadata: Metadata = serde_json::from_value(json!({
        "packages": packages,
        "resolve": {"nodes": [{"id": "app", "deps": needed}]},
    }))
    .unwrap();
    let bill = bill(&metadata, &BTreeMap::new(), "here").unwrap();
    let scopes: Vec<(&str, &str)> = bill["components"]
        .as_array()
        .unwrap()
        .iter()
        .map(|component| {
            let text = |key: &str| component[key].as_str().unwrap();
            (text("name"), text("scope"))
        })
        .collect();
    assert_eq!(scopes, [("builds", "excluded"), ("linked", "required")]);
    assert_eq!(
        bill["components"][0]["licenses"][0]["expression"],
        "MIT OR Apache-2.0"
    );
}
