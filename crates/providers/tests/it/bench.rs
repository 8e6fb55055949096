//! A Provider with its Secrets behind a courier, ready to be sent one event.

use std::collections::HashMap;
use std::sync::Arc;

use api::{Event, ObjectKey, Provider};
use domain::catalog::ProviderEntry;
use domain::delivery::DeliveryId;
use domain::plan::{self, Rules};
use domain::ports::{Clock, Courier as _, KindDirectory};
use domain::{
    Catalog, CatalogSnapshot, CleanEvent, Delivery, Outcome, Position, ValidAlert, ValidProvider,
};
use outbound::{Client, ClientSettings, HttpTransport, StreamTransport};
use prometheus_client::registry::Registry;
use providers::{Courier, CourierSettings, Directory, Identities, ObjectLevelDirectory};
use serde_json::{Value, json};
use testkit::{Facts, MovableClock, ScriptedStreams, Secrets};

/// Everything an attempt needs.
pub(crate) struct Bench {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) clock: Arc<MovableClock>,
    pub(crate) facts: Arc<Facts>,
    pub(crate) courier: Courier,
    alert: Arc<ValidAlert>,
    object_level: bool,
}

impl Bench {
    /// A bench for the Provider and Secrets among `objects`.
    pub(crate) fn new(
        objects: &[Value],
        transport: Arc<dyn HttpTransport>,
        clock: Arc<MovableClock>,
    ) -> Self {
        let streams = Arc::<ScriptedStreams>::default();
        Self::with(objects, transport, streams, clock, Identities::default())
    }

    /// The same in a process with these identities.
    pub(crate) fn with_identities(
        objects: &[Value],
        transport: Arc<dyn HttpTransport>,
        clock: Arc<MovableClock>,
        identities: Identities,
    ) -> Self {
        let streams = Arc::<ScriptedStreams>::default();
        Self::with(objects, transport, streams, clock, identities)
    }

    /// The same, with a way out for protocols other than HTTP.
    pub(crate) fn with_streams(
        objects: &[Value],
        transport: Arc<dyn HttpTransport>,
        streams: Arc<dyn StreamTransport>,
        clock: Arc<MovableClock>,
    ) -> Self {
        Self::with(objects, transport, streams, clock, Identities::default())
    }

    fn with(
        objects: &[Value],
        transport: Arc<dyn HttpTransport>,
        streams: Arc<dyn StreamTransport>,
        clock: Arc<MovableClock>,
        identities: Identities,
    ) -> Self {
        let object_level = identities.object_level;
        let secrets = Arc::new(Secrets::new());
        for secret in objects.iter().filter(|object| object["kind"] == "Secret") {
            secrets.apply(secret);
        }
        let object = objects.iter().find(|object| object["kind"] == "Provider");
        let object = object.expect("a Provider").clone();
        let alert = alert_for(&object);
        let catalog = Arc::new(Catalog::default());
        let facts = Arc::new(Facts::default());
        let courier = Courier::new(CourierSettings {
            catalog: Arc::clone(&catalog),
            secrets: Arc::clone(&secrets) as _,
            transport,
            streams,
            memory: Arc::clone(&facts) as _,
            clock: Arc::clone(&clock) as _,
            max_tokens: 10,
            longest_token_life: std::time::Duration::from_hours(1),
            identities,
            max_notifiers: 10,
        });
        let bench = Self {
            catalog,
            secrets,
            clock,
            facts,
            courier,
            alert,
            object_level,
        };
        bench.apply(&object);
        bench
    }

    /// Puts another version of the Provider in force.
    pub(crate) fn apply(&self, object: &Value) {
        let provider = Provider::from_object(Arc::new(object.clone()));
        let kinds: &dyn KindDirectory = if self.object_level {
            &ObjectLevelDirectory
        } else {
            &Directory
        };
        let validated = ValidProvider::validate(&provider, kinds);
        let entry = match validated.value {
            Some(value) => ProviderEntry::Valid(Arc::new(value)),
            None => ProviderEntry::Invalid(Arc::new(validated.problems)),
        };
        let providers = HashMap::from([(provider.meta.key, entry)]);
        let alerts = vec![Arc::clone(&self.alert)];
        self.catalog.swap(CatalogSnapshot::new(alerts, providers));
    }

    /// The delivery that an event leads to, if the Provider takes such events.
    pub(crate) fn try_plan(&self, event: &CleanEvent) -> Option<Delivery> {
        self.plan_for(&self.alert, event)
    }

    fn plan_for(&self, alert: &Arc<ValidAlert>, event: &CleanEvent) -> Option<Delivery> {
        let id = DeliveryId {
            position: Position(1),
            ordinal: 0,
        };
        let snapshot = self.catalog.snapshot();
        let now = self.clock.now();
        let planned = plan::address(id, event, now, alert, &snapshot, Rules::default());
        planned.ok().map(|(delivery, _)| delivery)
    }

    /// Puts another Provider in place of this one and sends it an event; caches stay.
    pub(crate) async fn send_through(&self, object: &Value, event: &Value) -> Outcome {
        self.apply(object);
        let event = clean(event);
        let delivery = self.plan_for(&alert_for(object), &event);
        let delivery = delivery.expect("a delivery");
        self.courier.deliver(&delivery, &event, 1).await
    }

    /// Plans an event and makes one attempt.
    pub(crate) async fn send(&self, event: &Value) -> Outcome {
        let event = clean(event);
        let delivery = self.try_plan(&event).expect("a delivery");
        self.courier.deliver(&delivery, &event, 1).await
    }

    /// The same, and keeps the facts, as settling the delivery does.
    pub(crate) async fn settle(&self, event: &Value) -> Outcome {
        let outcome = self.send(event).await;
        if let Outcome::Delivered(receipt) = &outcome {
            self.facts.remember(receipt.remember.clone());
        }
        outcome
    }
}

/// The client that the product sends with.
pub(crate) fn client() -> Arc<Client> {
    let settings = ClientSettings::new("fanfare/test".parse().unwrap());
    Arc::new(Client::new(settings, &mut Registry::default()))
}

/// An event as it is after intake.
pub(crate) fn clean(event: &Value) -> CleanEvent {
    let event: Event = api::event::decode(event.to_string().as_bytes()).unwrap();
    CleanEvent::from_wire(event).unwrap().0
}

/// An Alert that sends everything to the Provider.
fn alert_for(provider: &Value) -> Arc<ValidAlert> {
    let key = api::ObjectMeta::from_object(provider).key;
    Arc::new(ValidAlert {
        key: ObjectKey::new(&key.namespace, "alert"),
        uid: "e3a1c1de-0c5b-4b0a-8f0e-3d1f9a4c7b21".to_owned(),
        provider: key,
        object: Arc::new(json!({})),
        ..ValidAlert::default()
    })
}

/// Every outcome in a line, for people.
pub(crate) fn describe(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Delivered(receipt) if receipt.unchanged => "delivered before, unchanged".into(),
        Outcome::Delivered(_) => "delivered".to_owned(),
        Outcome::Dropped(reason) => format!("dropped: {}", reason.label()),
        Outcome::Failed(failure) => {
            let wait = failure
                .retry_after
                .map(|wait| format!(", again after {wait:?}"));
            let wait = wait.unwrap_or_default();
            format!("{}{wait}: {}", failure.class.label(), failure.detail)
        }
    }
}
