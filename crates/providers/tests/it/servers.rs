//! Types against the real servers of their services, where those can be installed
//! (`testing/install-servers`).

mod email;
mod matrix;
mod nats;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::{Delivery, Outcome};
use outbound::{Client, ClientSettings, EgressPolicy};
use prometheus_client::registry::Registry;
use serde_json::Value;
use testkit::MovableClock;

use crate::bench::{Bench, clean};

/// Where the build puts its results.
fn target() -> PathBuf {
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    temporary.parent().unwrap().to_owned()
}

/// A bench with the real client.
fn bench(objects: &[Value], egress: EgressPolicy) -> Bench {
    let mut settings = ClientSettings::new("fanfare/test".parse().unwrap());
    settings.egress = egress;
    let client = Arc::new(Client::new(settings, &mut Registry::default()));
    let clock = Arc::new(MovableClock::default());
    Bench::with_streams(objects, Arc::clone(&client) as _, client, clock)
}

/// Makes one attempt at a delivery of an event; `change` may make it another delivery.
async fn attempt(
    bench: &Bench,
    event: &Value,
    attempt: u32,
    change: impl FnOnce(&mut Delivery),
) -> Outcome {
    let event = clean(event);
    let mut delivery = bench.try_plan(&event).expect("a delivery");
    change(&mut delivery);
    domain::ports::Courier::deliver(&bench.courier, &delivery, &event, attempt).await
}
