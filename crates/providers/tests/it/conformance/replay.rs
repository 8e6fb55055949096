//! One recorded case through the real pieces: validation, catalog, plan, courier, retry rules.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use api::{Alert, ObjectKey, Provider};
use domain::alert::matching::Labels;
use domain::catalog::ProviderEntry;
use domain::delivery::retry::{self, NextStep, Policy};
use domain::plan::Rules;
use domain::ports::{Clock, Courier as _};
use domain::{
    Catalog, CatalogSnapshot, CleanEvent, Delivery, Outcome, Position, ValidAlert, ValidProvider,
};
use providers::{Courier, CourierSettings, Directory, kinds};
use serde_json::Value;
use testkit::corpus::Case;
use testkit::{Authority, Facts, MovableClock, Pair, ScriptedTransport, Secrets, SentRequest};

use super::differences::PARKED;
use super::protocols;

/// Hosts whose certificates only the CA in a case's Secret verifies.
const PRIVATE_HOSTS: [&str; 3] = [
    "private.example.com",
    "mtls.example.com",
    "git.private.example.com",
];

/// What a case led to.
pub(crate) struct Replayed {
    /// The requests, in order.
    pub(crate) sent: Vec<SentRequest>,
    /// The event server's answers.
    pub(crate) statuses: Vec<u16>,
    /// What went wrong, for people.
    pub(crate) failures: Vec<String>,
    /// Rules that were applied.
    pub(crate) rules: Vec<&'static str>,
}

/// A provider type of the case that is not built.
pub(crate) fn missing_kind(case: &Case) -> Option<String> {
    case.objects_of("Provider")
        .map(|object| Provider::from_object(Arc::new(object.clone())).kind)
        .find(|kind| kinds::find(kind).is_none())
}

struct Bench {
    clock: Arc<MovableClock>,
    transport: Arc<ScriptedTransport>,
    facts: Arc<Facts>,
    catalog: Arc<Catalog>,
    courier: Courier,
}

impl Bench {
    fn new(case: &Case) -> Self {
        let objects: Vec<Value> = case.objects.iter().map(with_certificates).collect();
        let of = |kind: &str| {
            let objects = objects.iter();
            let found = objects.filter(|object| object["kind"] == kind).cloned();
            found.collect::<Vec<_>>()
        };
        let secrets = Secrets::new();
        for secret in of("Secret") {
            secrets.apply(&secret);
        }
        let clock = Arc::new(MovableClock::default());
        let mut responses = case.responses.clone();
        responses.extend(protocols::answers(case));
        let transport = ScriptedTransport::new(Arc::clone(&clock), responses)
            .with_private_hosts(&PRIVATE_HOSTS);
        let transport = Arc::new(transport);
        let facts = Arc::new(Facts::default());
        let catalog = Arc::new(Catalog::new(snapshot(&of("Provider"), &of("Alert"))));
        let courier = Courier::new(CourierSettings {
            catalog: Arc::clone(&catalog),
            secrets: Arc::new(secrets),
            transport: Arc::clone(&transport) as _,
            memory: Arc::clone(&facts) as _,
            clock: Arc::clone(&clock) as _,
            max_tokens: 100,
            longest_token_life: std::time::Duration::from_hours(1),
            identities: protocols::identities(case, &clock),
            max_notifiers: 100,
        });
        Self {
            clock,
            transport,
            facts,
            catalog,
            courier,
        }
    }

    /// Attempts until it is settled, parked, or has made more requests than were recorded.
    async fn deliver(
        &self,
        delivery: &Delivery,
        event: &CleanEvent,
        most_requests: usize,
        replayed: &mut Replayed,
    ) {
        for attempt in 1..=20 {
            let failure = match self.courier.deliver(delivery, event, attempt).await {
                Outcome::Delivered(receipt) => {
                    self.facts.remember(receipt.remember);
                    return;
                }
                Outcome::Dropped(reason) => {
                    replayed.failures.push(format!("dropped: {reason:?}"));
                    return;
                }
                Outcome::Failed(failure) => failure,
            };
            replayed
                .failures
                .push(format!("{:?}: {}", failure.class, failure.detail));
            let policy = Policy::default();
            let accepted_at = delivery.accepted_at;
            match retry::next(
                policy,
                &failure,
                attempt,
                accepted_at,
                self.clock.now(),
                0.0,
            ) {
                NextStep::Again(at) => self.clock.set(at),
                NextStep::Park(_) => {
                    replayed.rules.push(PARKED);
                    return;
                }
                NextStep::Fail(_) => return,
            }
            if self.transport.sent().len() > most_requests {
                return;
            }
        }
    }
}

/// Plays a case.
pub(crate) async fn replay(case: &Case) -> Replayed {
    let bench = Bench::new(case);
    let rules = Rules {
        no_cross_namespace_references: case
            .flags
            .iter()
            .any(|flag| flag == "--no-cross-namespace-refs=true"),
    };
    let mut replayed = Replayed {
        sent: Vec::new(),
        statuses: Vec::new(),
        failures: Vec::new(),
        rules: Vec::new(),
    };
    // The reference was recorded after its events happened.
    let times = case.all_events().filter_map(|event| {
        let time = event.get("timestamp")?.as_str()?;
        time.parse::<jiff::Timestamp>().ok()
    });
    if let Some(latest) = times.max().filter(|time| *time > bench.clock.now()) {
        bench.clock.set(latest);
    }
    let mut seen = HashSet::new();
    for (position, event) in (1..).map(Position).zip(case.all_events()) {
        let event = api::event::decode(event.to_string().as_bytes()).unwrap();
        let (event, key) = match CleanEvent::from_wire(event) {
            Ok(clean) => clean,
            Err(refused) => {
                replayed.failures.push(refused.to_string());
                replayed.statuses.push(400);
                continue;
            }
        };
        // The clock stands still within a case, so every repeat is within the interval.
        if !seen.insert(key) {
            replayed.statuses.push(429);
            continue;
        }
        replayed.statuses.push(202);
        let snapshot = bench.catalog.snapshot();
        let labels = labels_of(case, &event);
        let now = bench.clock.now();
        let plan = domain::plan::plan(position, &event, now, &snapshot, &labels, rules);
        for (label, count) in &plan.dispositions.counts {
            replayed.failures.push(format!("{count} x {label}"));
        }
        for delivery in &plan.deliveries {
            bench
                .deliver(delivery, &event, case.requests.len(), &mut replayed)
                .await;
        }
    }
    replayed.sent = protocols::without_logins(case, bench.transport.sent());
    replayed
}

fn snapshot(providers: &[Value], alerts: &[Value]) -> CatalogSnapshot {
    let alerts = alerts
        .iter()
        .filter_map(|object| {
            let alert = Alert::from_object(Arc::new(object.clone()));
            ValidAlert::validate(&alert).value.map(Arc::new)
        })
        .collect();
    let mut entries = HashMap::new();
    for object in providers {
        let provider = Provider::from_object(Arc::new(object.clone()));
        let validated = ValidProvider::validate(&provider, &Directory);
        let entry = match validated.value {
            Some(value) => ProviderEntry::Valid(Arc::new(value)),
            None => ProviderEntry::Invalid(Arc::new(validated.problems)),
        };
        entries.insert(provider.meta.key, entry);
    }
    CatalogSnapshot::new(alerts, entries)
}

/// The labels of the event's object, which must be among the case's objects.
fn labels_of(case: &Case, event: &CleanEvent) -> Labels {
    let wanted = &event.event().involved_object;
    let key = ObjectKey::new(&wanted.namespace, &wanted.name);
    let found = case.objects_of(&wanted.kind).find(|object| {
        object["apiVersion"] == wanted.api_version.as_str()
            && api::ObjectMeta::from_object(object).key == key
    });
    found.map_or(Labels::Unknown, |object| {
        Labels::Known(api::ObjectMeta::from_object(object).labels)
    })
}

/// The object with real PEM texts in place of the placeholders.
fn with_certificates(object: &Value) -> Value {
    static MADE: OnceLock<(String, Pair)> = OnceLock::new();
    let (authority, pair) = MADE.get_or_init(|| {
        let authority = Authority::new();
        let pair = authority.issue(&["flux-test-client"]);
        (authority.pem, pair)
    });
    let texts = BTreeMap::from([
        ("<<ca-pem>>", authority),
        ("<<client-cert-pem>>", &pair.certificate),
        ("<<client-key-pem>>", &pair.key),
    ]);
    let mut text = object.to_string();
    for (placeholder, pem) in texts {
        let escaped = Value::String(pem.clone()).to_string();
        text = text.replace(placeholder, escaped.trim_matches('"'));
    }
    serde_json::from_str(&text).unwrap()
}
