//! What differs from the recordings on purpose.

use serde::Deserialize;
use testkit::corpus;

/// Rules that the runner applies to every case: what it does not compare, and why, is listed.
pub(crate) const PARKED: &str = "parked-deliveries-are-tried-again";
pub(crate) const RETRIED: &str = "failures-of-a-service-are-tried-again";
pub(crate) const INERT: &str = "live-mentions-are-made-inert";
pub(crate) const CREDENTIALS: &str = "otel-credentials-go-to-the-collector";
pub(crate) const PUBSUB: &str = "pubsub-over-https";
pub(crate) const EVENT_HUBS: &str = "event-hubs-over-https";
pub(crate) const STABLE_LABELS: &str = "alert-labels-are-stable-and-valid";
pub(crate) const NETWORK: &str = "tls-and-proxies-are-honoured";
pub(crate) const UNASKED: &str = "nothing-is-asked-for-what-is-not-sent";
pub(crate) const NUMBERED: &str = "change-requests-are-numbered-from-one";
pub(crate) const MARKED: &str = "comments-of-ours-begin-with-their-marker";

/// Version 3 of the Matrix client API is tried before the recorded one.
pub(crate) const MATRIX_V3: &str = "matrix-speaks-version-3";

const RULES: [&str; 12] = [
    PARKED,
    RETRIED,
    INERT,
    CREDENTIALS,
    PUBSUB,
    EVENT_HUBS,
    STABLE_LABELS,
    NETWORK,
    UNASKED,
    NUMBERED,
    MARKED,
    MATRIX_V3,
];

/// `conformance/differences.toml`.
#[derive(Debug, Deserialize)]
pub(crate) struct Differences {
    difference: Vec<Difference>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    /// `outgoing` here; other areas belong to other runners.
    area: String,
    /// The recording: a provider type or `_dispatch-gate`.
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    case: Option<String>,
    #[serde(default)]
    cases: Vec<String>,
    #[serde(default)]
    rule: Option<String>,
    /// What differs where no recording shows it.
    #[serde(default)]
    unrecorded: Option<String>,
    reason: String,
}

impl Differences {
    pub(crate) fn load() -> Self {
        let path = corpus::path("differences.toml");
        let text = std::fs::read_to_string(path).unwrap();
        toml::from_str(&text).unwrap()
    }

    fn outgoing(&self) -> impl Iterator<Item = &Difference> {
        let all = self.difference.iter();
        all.filter(|difference| difference.area == "outgoing")
    }

    /// Why a case differs, if it is listed.
    pub(crate) fn reason(&self, kind: &str, case: &str) -> Option<&str> {
        self.outgoing()
            .find(|difference| {
                difference.kind.as_deref() == Some(kind)
                    && difference.names().any(|name| name == case)
            })
            .map(|difference| difference.reason.as_str())
    }

    /// All listed cases of a recording.
    pub(crate) fn cases(&self, kind: &str) -> Vec<&str> {
        self.outgoing()
            .filter(|difference| difference.kind.as_deref() == Some(kind))
            .flat_map(Difference::names)
            .collect()
    }

    pub(crate) fn has_rule(&self, rule: &str) -> bool {
        self.outgoing()
            .any(|difference| difference.rule.as_deref() == Some(rule))
    }

    /// All listed rules.
    pub(crate) fn rules(&self) -> impl Iterator<Item = &str> {
        self.outgoing()
            .filter_map(|difference| difference.rule.as_deref())
    }

    /// Entries that can never apply.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for difference in self.outgoing() {
            if difference.reason.len() < 20 {
                problems.push(format!("no real reason: {difference:?}"));
            }
            if let (Some(_), Some(kind)) = (&difference.unrecorded, &difference.kind) {
                if difference.names().next().is_some() || corpus::outgoing(kind).is_none() {
                    problems.push(format!("not a type alone: {difference:?}"));
                }
                continue;
            }
            match (&difference.rule, &difference.kind) {
                (Some(rule), None) if RULES.contains(&rule.as_str()) => {}
                (None, Some(kind)) if corpus::outgoing(kind).is_some() => {
                    if difference.names().next().is_none() {
                        problems.push(format!("no case: {difference:?}"));
                    }
                }
                _ => problems.push(format!("neither a known rule nor a type: {difference:?}")),
            }
        }
        problems
    }
}

impl Difference {
    fn names(&self) -> impl Iterator<Item = &str> {
        self.case.iter().chain(&self.cases).map(String::as_str)
    }
}
