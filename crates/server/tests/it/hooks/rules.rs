//! Differences that are a rule: they hold wherever their conditions do, in every recording.

use std::collections::BTreeSet;

use serde_json::Value;

/// One request of a case, as it was answered.
pub(crate) struct Played<'a> {
    pub(crate) case: &'a Value,
    pub(crate) request: &'a Value,
    pub(crate) recorded: &'a [u16],
    pub(crate) status: &'a [u16],
    pub(crate) wanted: &'a BTreeSet<String>,
    pub(crate) touched: &'a BTreeSet<String>,
    /// Requests of the case before this one.
    pub(crate) earlier: &'a [Value],
}

/// A rule and when it applies.
type Rule = (&'static str, fn(&Played<'_>) -> bool);

/// Kinds whose version the reference does not know.
const WITHOUT_DEFAULT: [&str; 5] = [
    "ExternalArtifact",
    "HelmRelease",
    "ImagePolicy",
    "ImageUpdateAutomation",
    "Kustomization",
];

/// All rules.
const RULES: [Rule; 10] = [
    ("filters-see-the-payload-of-forms", |played| {
        let headers = played.request["headers"].to_string();
        played.status == [200]
            && played.has_filters()
            && headers.contains("application/x-www-form-urlencoded")
    }),
    ("filtered-events-are-answered-200", |played| {
        played.is(&[400], &[200]) && played.same_objects() && !played.spec("events").is_null()
    }),
    ("what-filters-cannot-read-is-answered-400", |played| {
        played.is(&[500], &[400]) && played.same_objects() && played.has_filters()
    }),
    ("one-object-does-not-spoil-the-others", |played| {
        played.is(&[500], &[200]) && played.same_objects() && !played.wanted.is_empty()
    }),
    ("kinds-of-flux-have-default-versions", |played| {
        let resources = played
            .spec("resources")
            .as_array()
            .cloned()
            .unwrap_or_default();
        played.is(&[500], &[200])
            && played.touched.len() == 1
            && resources.iter().any(|entry| {
                let kind = entry["kind"].as_str().unwrap_or_default();
                entry["apiVersion"].is_null() && WITHOUT_DEFAULT.contains(&kind)
            })
    }),
    ("empty-tokens-authenticate-nobody", |played| {
        played.status == [404] && played.touched.is_empty() && played.token_is("")
    }),
    ("former-tokens-count-for-a-while", |played| {
        played.status == [200] && matches!(played.recorded, [400 | 404]) && played.changes("Secret")
    }),
    ("a-receiver-without-its-secret-answers-503", |played| {
        played.status == [503] && matches!(played.recorded, [400 | 404]) && played.changes("Secret")
    }),
    ("query-and-slash-do-not-matter", |played| {
        let target = played.request["target"].as_str().unwrap_or_default();
        let is_dressed = target.contains('?')
            || target.contains('#')
            || target.ends_with('/')
            || target.starts_with("http");
        played.recorded == [404] && is_dressed
    }),
    ("repeated-deliveries-are-recognised", |played| {
        played.is(&[200], &[200])
            && played.touched.is_empty()
            && played.earlier.iter().any(|earlier| {
                earlier["headers"] == played.request["headers"]
                    && earlier["body"] == played.request["body"]
            })
    }),
];

impl Played<'_> {
    /// The rule that explains why this differs, if one does.
    pub(crate) fn rule(&self) -> Option<&'static str> {
        let rule = RULES.iter().find(|(_, applies)| applies(self));
        rule.map(|(name, _)| *name)
    }

    fn is(&self, recorded: &[u16], status: &[u16]) -> bool {
        self.recorded == recorded && self.status == status
    }

    fn same_objects(&self) -> bool {
        self.wanted == self.touched
    }

    fn spec(&self, field: &str) -> &Value {
        let mut objects = self.case["objects"].as_array().unwrap().iter();
        let receiver = objects.find(|object| object["kind"] == "Receiver");
        receiver.map_or(&Value::Null, |receiver| &receiver["spec"][field])
    }

    fn has_filters(&self) -> bool {
        let resources = self
            .spec("resources")
            .as_array()
            .cloned()
            .unwrap_or_default();
        !self.spec("resourceFilter").is_null()
            || resources.iter().any(|entry| !entry["filter"].is_null())
    }

    fn token_is(&self, token: &str) -> bool {
        let mut objects = self.case["objects"].as_array().unwrap().iter();
        objects.any(|object| {
            object["kind"] == "Secret"
                && (object["stringData"]["token"] == token || object["data"]["token"] == token)
        })
    }

    /// Whether the case changes an object of a kind before it sends anything.
    fn changes(&self, kind: &str) -> bool {
        let mut steps = self.case["then"].as_array().into_iter().flatten();
        steps.any(|step| step["kind"] == kind || step["object"]["kind"] == kind)
    }
}

/// The names of all rules.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    RULES.iter().map(|(name, _)| *name)
}
