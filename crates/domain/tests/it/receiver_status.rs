//! Plays `conformance/incoming/receiver-status.json` through the functions that decide the status of
//! a Receiver: which objects exist is kept in a map, and a Receiver is looked at again when the
//! reference would.
//!
//! What differs on purpose is listed in `conformance/differences.toml` with area `receiver-status`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use api::{ObjectKey, Receiver, SecretData};
use domain::ValidReceiver;
use domain::receiver::status::{self, Decision, Facts, Notice, ReceiverStatus};
use domain::receiver::{PathDigest, ReceiverRules};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// How long everything is left alone behind a step.
const QUIET: Duration = Duration::from_secs(4);

type Key = (String, String, String);

fn conformance(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../conformance");
    fs::read_to_string(path.join(name)).unwrap()
}

/// Cases of area `receiver-status` that differ on purpose.
fn listed() -> BTreeSet<String> {
    let text = conformance("differences.toml");
    let table: toml::Table = text.parse().unwrap();
    let differences = table["difference"].as_array().unwrap();
    differences
        .iter()
        .filter(|entry| entry["area"].as_str() == Some("receiver-status"))
        .flat_map(|entry| {
            let one = entry.get("case").and_then(toml::Value::as_str);
            let many = entry.get("cases").and_then(toml::Value::as_array);
            let many = many.into_iter().flatten().filter_map(toml::Value::as_str);
            one.into_iter()
                .chain(many)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect()
}

fn expand(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            if let (Some(fill), Some(count)) = (map.get("fill"), map.get("count")) {
                let count = usize::try_from(count.as_u64().unwrap()).unwrap();
                return fill.as_str().unwrap().repeat(count).into();
            }
            map.iter()
                .map(|(key, value)| (key.clone(), expand(value)))
                .collect()
        }
        Value::Array(list) => list.iter().map(expand).collect(),
        other => other.clone(),
    }
}

fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let map = target.as_object_mut().unwrap();
    for (key, value) in patch {
        if value.is_null() {
            map.remove(key);
        } else {
            merge(map.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

fn key_of(object: &Value) -> Key {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (
        text(&object["kind"]),
        text(&object["metadata"]["namespace"]),
        text(&object["metadata"]["name"]),
    )
}

#[derive(Default)]
struct World {
    objects: BTreeMap<Key, Value>,
    statuses: BTreeMap<Key, ReceiverStatus>,
    /// Those that are tried again soon.
    retrying: BTreeSet<Key>,
    notices: Vec<(Key, Notice)>,
    time: i64,
}

impl World {
    fn put(&mut self, mut object: Value) {
        let key = key_of(&object);
        let before = self.objects.get(&key).cloned();
        let spec_changed = before
            .as_ref()
            .is_none_or(|old| old["spec"] != object["spec"]);
        let old_generation = before.as_ref().map_or(0, |old| {
            old["metadata"]["generation"].as_i64().unwrap_or_default()
        });
        object["metadata"]["generation"] = json!(old_generation + i64::from(spec_changed));
        let requested = |object: &Value| {
            object["metadata"]["annotations"][api::receiver::REQUESTED_AT]
                .as_str()
                .map(str::to_owned)
        };
        let asked = requested(&object).is_some()
            && requested(&object) != before.as_ref().and_then(requested);
        let is_watched = object["metadata"]["labels"]["reconcile.fluxcd.io/watch"] == "Enabled";
        self.objects.insert(key.clone(), object);
        match key.0.as_str() {
            "Receiver" if spec_changed || asked => self.look_at(&key),
            "Secret" if is_watched => self.secret_changed(&key),
            _ => {}
        }
    }

    fn secret_changed(&mut self, secret: &Key) {
        let receivers: Vec<Key> = self
            .objects
            .iter()
            .filter(|(key, object)| {
                key.0 == "Receiver"
                    && key.1 == secret.1
                    && object["spec"]["secretRef"]["name"] == secret.2.as_str()
            })
            .map(|(key, _)| key.clone())
            .collect();
        for key in receivers {
            self.look_at(&key);
        }
    }

    fn act(&mut self, step: &Value) {
        match step["op"].as_str().unwrap() {
            "apply" => {
                let mut object = expand(&step["object"]);
                // The schema's default.
                if object["kind"] == "Receiver" && object["spec"].is_object() {
                    let spec = object["spec"].as_object_mut().unwrap();
                    if spec.get("interval").is_none_or(Value::is_null) {
                        spec.insert("interval".to_owned(), json!("10m"));
                    }
                }
                self.put(object);
            }
            "patch" => {
                let key = named(step);
                let mut object = self.objects[&key].clone();
                merge(&mut object, &expand(&step["patch"]));
                let metadata = &object["metadata"];
                if metadata["deletionTimestamp"].is_string() && metadata["finalizers"].is_null() {
                    self.objects.remove(&key);
                    return;
                }
                self.put(object);
            }
            "delete" => {
                let key = named(step);
                if let Some(object) = self.objects.get_mut(&key)
                    && object["metadata"]["finalizers"].is_array()
                {
                    object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
                    let generation = object["metadata"]["generation"].as_i64().unwrap();
                    object["metadata"]["generation"] = json!(generation + 1);
                    return self.look_at(&key);
                }
                let object = self.objects.remove(&key);
                self.statuses.remove(&key);
                self.retrying.remove(&key);
                let watched = object.is_some_and(|object| {
                    object["metadata"]["labels"]["reconcile.fluxcd.io/watch"] == "Enabled"
                });
                if key.0 == "Secret" && watched {
                    self.secret_changed(&key);
                }
            }
            _ => {}
        }
    }

    /// What happens while everything is left alone: failed ones are tried again.
    fn settle(&mut self) {
        for key in self.retrying.clone() {
            self.look_at(&key);
        }
    }

    fn look_at(&mut self, key: &Key) {
        self.time += 1;
        let receiver = Receiver::from_object(Arc::new(self.objects[key].clone()));
        let checked = ValidReceiver::validate(&receiver, ReceiverRules::default());
        let own = &receiver.meta.key;
        let path = match &receiver.secret {
            None => Ok(PathDigest::of(b"", own)),
            Some(name) => {
                let secret = ObjectKey::new(&own.namespace, name);
                let stored = self.objects.get(&(
                    "Secret".to_owned(),
                    secret.namespace.clone(),
                    secret.name.clone(),
                ));
                let data = stored.map(data);
                status::path_from_secret(own, &secret, data.as_ref())
            }
        };
        let facts = Facts {
            generation: receiver.generation,
            requested_at: receiver
                .meta
                .annotations
                .get(api::receiver::REQUESTED_AT)
                .map(String::as_str),
            is_suspended: receiver.suspend,
            is_deleting: self.objects[key]["metadata"]["deletionTimestamp"].is_string(),
            fault: checked.fault.as_ref(),
            path,
            interval: checked
                .validated
                .value
                .map_or(domain::receiver::DEFAULT_INTERVAL, |valid| valid.interval),
            now: Timestamp::from_second(1_700_000_000 + self.time).unwrap(),
        };
        let previous = self.statuses.get(key).cloned().unwrap_or_default();
        let Decision {
            status,
            notice,
            next,
        } = status::decide(&previous, &facts);
        self.statuses.insert(key.clone(), status);
        self.notices
            .extend(notice.map(|notice| (key.clone(), notice)));
        let is_soon = match next {
            status::Next::Retry => true,
            status::Next::After(interval) => interval <= QUIET,
            status::Next::OnChange => false,
        };
        if is_soon {
            self.retrying.insert(key.clone());
        } else {
            self.retrying.remove(key);
        }
    }
}

fn named(step: &Value) -> Key {
    let text = |field: &str| step[field].as_str().unwrap().to_owned();
    (text("kind"), text("namespace"), text("name"))
}

fn data(secret: &Value) -> SecretData {
    let empty = Map::new();
    let entries = secret["stringData"].as_object().unwrap_or(&empty);
    entries
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str().unwrap()))
        .collect()
}

/// Texts of the expression library are informational.
fn comparable(message: &str) -> &str {
    [
        "failed to parse the CEL expression",
        "failed to create CEL program",
    ]
    .iter()
    .fold(message, |text, words| text.split(words).next().unwrap())
}

fn compare(world: &World, expected: &Value, step: usize, differences: &mut Vec<String>) {
    let title = expected["object"].as_str().unwrap();
    let mut parts = title.split('/').map(str::to_owned);
    let mut part = || parts.next().unwrap();
    let key: Key = (part(), part(), part());
    let mut differ = |what: &str, found: &Value, wanted: &Value| {
        if found != wanted {
            differences.push(format!(
                "step {step}, {title}, {what}: {found} instead of {wanted}"
            ));
        }
    };
    if expected["exists"] == false {
        return differ(
            "exists",
            &world.objects.contains_key(&key).into(),
            &json!(false),
        );
    }
    let found = world.statuses.get(&key).cloned().unwrap_or_default();
    let wanted = &expected["status"];
    let found_text = |text: &Option<String>| text.clone().map_or(Value::Null, Value::from);
    differ(
        "observedGeneration",
        &found.observed_generation.into(),
        &wanted["observedGeneration"],
    );
    differ(
        "webhookPath",
        &found_text(&found.webhook_path),
        &wanted["webhookPath"],
    );
    differ(
        "lastHandledReconcileAt",
        &found_text(&found.last_handled_reconcile_at),
        &wanted["lastHandledReconcileAt"],
    );
    let conditions: Vec<Value> = found
        .conditions
        .iter()
        .map(|condition| {
            json!([
                condition.kind,
                condition.status,
                condition.reason,
                condition.observed_generation,
                comparable(&condition.message)
            ])
        })
        .collect();
    let recorded: Vec<Value> = wanted["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|condition| {
            let message = match &condition["message"] {
                Value::String(text) => comparable(text).to_owned(),
                // Shown by its beginning.
                other => comparable(other["starts"].as_str().unwrap_or_default()).to_owned(),
            };
            json!([
                condition["type"],
                condition["status"],
                condition["reason"],
                condition["observedGeneration"],
                message
            ])
        })
        .collect();
    differ("conditions", &conditions.into(), &recorded.into());
    let (notices, recorded) = (notices_of(world, &key), recorded_notices(expected));
    // While a Secret is missing the reference repeats itself, and not in every step that was recorded.
    if !recorded.is_empty() || world.retrying.is_empty() {
        differ("events", &json!(notices), &json!(recorded));
    }
}

fn notices_of(world: &World, key: &Key) -> BTreeSet<String> {
    world
        .notices
        .iter()
        .filter(|(of, _)| of == key)
        .map(|(_, notice)| {
            let kind = if notice.is_warning {
                "Warning"
            } else {
                "Normal"
            };
            format!("{kind} {} {}", notice.reason, comparable(&notice.message))
        })
        .collect()
}

fn recorded_notices(expected: &Value) -> BTreeSet<String> {
    expected["events"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|event| {
            let text = |field: &str| {
                let whole = event[field].as_str();
                let start = event[field]["starts"].as_str();
                whole.or(start).unwrap_or_default().to_owned()
            };
            format!(
                "{} {} {}",
                text("type"),
                text("reason"),
                comparable(&text("message"))
            )
        })
        .collect()
}

fn play(case: &Value) -> Vec<String> {
    let mut world = World::default();
    let mut differences = Vec::new();
    for (index, step) in case["steps"].as_array().unwrap().iter().enumerate() {
        world.notices.clear();
        let actions = step["do"].as_array().unwrap();
        for action in actions {
            world.act(action);
        }
        world.settle();
        for expected in step["objects"].as_array().into_iter().flatten() {
            if expected["object"]
                .as_str()
                .unwrap()
                .starts_with("Receiver/")
            {
                compare(&world, expected, index, &mut differences);
            }
        }
    }
    differences
}

#[test]
fn statuses_are_as_recorded_or_differ_as_listed() {
    let recording: Value =
        serde_json::from_str(&conformance("incoming/receiver-status.json")).unwrap();
    let listed = listed();
    let (mut failures, mut played) = (Vec::new(), 0);
    let mut names = BTreeSet::new();
    for case in recording["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        names.insert(name.to_owned());
        if !case.to_string().contains("\"Receiver\"") {
            continue;
        }
        played += 1;
        let differences = play(case);
        match (differences.is_empty(), listed.contains(name)) {
            (true, true) => failures.push(format!("{name}: listed as a difference, but equal")),
            (false, false) => failures.push(format!("{name}:\n  {}", differences.join("\n  "))),
            _ => {}
        }
    }
    failures.extend(
        listed
            .difference(&names)
            .map(|name| format!("no such case: {name}")),
    );
    assert!(played > 50, "only {played} cases are about Receivers");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
