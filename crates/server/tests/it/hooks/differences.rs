//! What `conformance/differences.toml` says about the webhook port.

use std::collections::BTreeSet;

/// Cases by file, and rules.
#[derive(Default)]
pub(crate) struct Differences {
    cases: BTreeSet<(String, String)>,
    /// What holds wherever its conditions do.
    pub(crate) rules: BTreeSet<String>,
}

impl Differences {
    pub(crate) fn load() -> Self {
        let text = std::fs::read_to_string(testkit::corpus::path("differences.toml")).unwrap();
        let table: toml::Table = text.parse().unwrap();
        let mut listed = Self::default();
        for entry in table["difference"].as_array().unwrap() {
            if entry["area"].as_str() != Some("receivers") {
                continue;
            }
            if let Some(rule) = entry.get("rule") {
                listed.rules.insert(rule.as_str().unwrap().to_owned());
                continue;
            }
            let one = entry.get("case").and_then(toml::Value::as_str);
            let many = entry.get("cases").and_then(toml::Value::as_array);
            let many = many.into_iter().flatten().filter_map(toml::Value::as_str);
            let file = entry["type"].as_str().unwrap();
            for case in one.into_iter().chain(many) {
                assert!(
                    listed.cases.insert((file.to_owned(), case.to_owned())),
                    "{file}/{case} is listed twice"
                );
            }
        }
        listed
    }

    pub(crate) fn contains(&self, file: &str, case: &str) -> bool {
        self.cases.contains(&(file.to_owned(), case.to_owned()))
    }

    pub(crate) fn cases<'a>(&'a self, file: &'a str) -> impl Iterator<Item = &'a str> {
        self.cases
            .iter()
            .filter(move |(of, _)| of == file)
            .map(|(_, case)| case.as_str())
    }
}
