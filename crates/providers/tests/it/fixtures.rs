//! Every fixture folder of every type: the exact requests, and how the answers are judged.

use std::path::PathBuf;
use std::sync::Arc;

use providers::kind::Protocol;
use testkit::fixture::{self, Fixture};
use testkit::{MovableClock, ScriptedTransport};

use crate::bench::{Bench, describe};
use crate::every_kind::streams;

/// What each type must have.
const REQUIRED: [&str; 3] = ["delivered", "throttled", "rejected"];

/// The fixtures of a type.
pub(crate) fn of(kind: &str) -> Vec<Fixture> {
    fixture::all(&folder().join(kind))
}

/// The fixture of a type in which everything goes well.
pub(crate) fn delivered(kind: &str) -> Fixture {
    Fixture::load(&folder().join(kind).join("delivered"))
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

#[tokio::test]
async fn every_fixture_is_what_happens() {
    let mut failures = Vec::new();
    for kind in providers::kinds::ALL {
        let fixtures = of(kind.name);
        for name in REQUIRED {
            if !fixtures.iter().any(|fixture| fixture.name == name) {
                failures.push(format!("{} has no fixture `{name}`", kind.name));
            }
        }
        for fixture in fixtures {
            if kind.protocol != Protocol::Http {
                let (dialogue, outcome) = streams::exchange(&fixture, &fixture.event).await;
                let checked = fixture.check_dialogue(&dialogue, &describe(&outcome));
                failures.extend(checked.err());
                continue;
            }
            let clock = Arc::new(MovableClock::default());
            let transport = ScriptedTransport::new(Arc::clone(&clock), fixture.responses.clone());
            let transport = Arc::new(transport);
            let bench = Bench::new(&fixture.objects, Arc::clone(&transport) as _, clock);
            let outcome = bench.send(&fixture.event).await;
            let sent = transport.sent();
            let requests: Vec<_> = sent.into_iter().map(|sent| sent.request).collect();
            failures.extend(fixture.check(&requests, &describe(&outcome)).err());
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_folder_of_fixtures_belongs_to_a_type() {
    for entry in std::fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(providers::kinds::find(&name).is_some(), "{name}");
    }
}
