//! One attempt to deliver one event to a made-up destination, from objects to outcome.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use api::{ObjectKey, Provider};
use bytes::Bytes;
use domain::catalog::ProviderEntry;
use domain::delivery::DeliveryId;
use domain::plan::{self, Rules};
use domain::ports::{Clock as _, Courier as _};
use domain::{Catalog, CatalogSnapshot, CleanEvent, Outcome, Position, ValidAlert, ValidProvider};
use futures::future::BoxFuture;
use http::{HeaderMap, StatusCode};
use outbound::{HttpError, HttpRequest, HttpResponse, HttpTransport, Route, SendOptions};
use providers::{Courier, CourierSettings, Directory, Identities};
use serde_json::Value;
use testkit::secrets::marked;
use testkit::streams::Turns;
use testkit::{Facts, MovableClock, ScriptedStreams, Secrets};

use crate::features::feature;
use crate::seeds;

/// The longest detail that anybody should have to read, in bytes.
const LONGEST_DETAIL: usize = 4096;

/// The first recorded case of each type.
pub(crate) static CASES: LazyLock<HashMap<String, seeds::Case>> = LazyLock::new(|| {
    let mut cases = HashMap::new();
    for case in seeds::cases() {
        cases.entry(case.kind.clone()).or_insert(case);
    }
    cases
});

/// What a destination answers to every request.
#[derive(Clone, Default)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// What it says on connections that are not HTTP.
    pub(crate) turns: Vec<Turns>,
}

/// What was sent, and what came of it; `None` if the objects or the event lead to no attempt.
pub(crate) fn attempt(
    objects: &[Value],
    event: &CleanEvent,
    answer: Answer,
) -> Result<Option<(Vec<HttpRequest>, Outcome)>, String> {
    let of_kind = |kind| objects.iter().filter(move |object| object["kind"] == kind);
    let secrets = Arc::new(Secrets::new());
    for secret in of_kind("Secret") {
        secrets.apply(secret);
    }
    let Some(object) = of_kind("Provider").next() else {
        return Ok(None);
    };
    let provider = Provider::from_object(Arc::new(object.clone()));
    let Some(valid) = ValidProvider::validate(&provider, &Directory).value else {
        return Ok(None);
    };
    let key = provider.meta.key.clone();
    let alert = Arc::new(ValidAlert {
        key: ObjectKey::new(&key.namespace, "alert"),
        provider: key.clone(),
        ..ValidAlert::default()
    });
    let entry = ProviderEntry::Valid(Arc::new(valid));
    let snapshot = CatalogSnapshot::new(vec![Arc::clone(&alert)], HashMap::from([(key, entry)]));
    let catalog = Arc::new(Catalog::default());
    catalog.swap(snapshot);
    let streams = Arc::new(ScriptedStreams::new(answer.turns.clone()));
    let transport = Arc::new(Recorder {
        answer,
        sent: Mutex::default(),
    });
    let clock = Arc::new(MovableClock::default());
    let courier = Courier::new(CourierSettings {
        catalog: Arc::clone(&catalog),
        secrets,
        transport: Arc::clone(&transport) as _,
        streams,
        memory: Arc::new(Facts::default()),
        clock: Arc::clone(&clock) as _,
        max_tokens: 10,
        longest_token_life: Duration::from_hours(1),
        identities: Identities::default(),
        max_notifiers: 10,
    });
    let id = DeliveryId {
        position: Position(1),
        ordinal: 0,
    };
    let snapshot = catalog.snapshot();
    let rules = Rules::default();
    let Ok((delivery, _)) = plan::address(id, event, clock.now(), &alert, &snapshot, rules) else {
        return Ok(None);
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|error| error.to_string())?;
    let outcome = runtime.block_on(courier.deliver(&delivery, event, 1));
    judge(&outcome)?;
    let sent = transport
        .sent
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    Ok(Some((sent.clone(), outcome)))
}

/// Details are short, on one line, and hold no planted secret.
fn judge(outcome: &Outcome) -> Result<(), String> {
    let Outcome::Failed(failure) = outcome else {
        feature("delivered or skipped");
        return Ok(());
    };
    feature(&format!("{:?} {}", failure.class, failure.detail));
    if failure.detail.len() > LONGEST_DETAIL {
        return Err(format!("a detail of {} bytes", failure.detail.len()));
    }
    if failure.detail.chars().any(char::is_control) {
        return Err(format!(
            "a detail with control characters: {:?}",
            failure.detail
        ));
    }
    // Whole ones only: mutations make fragments that nobody planted.
    let planted = ["token", "password", "value", "user", "other"].map(marked);
    match planted.iter().find(|mark| failure.detail.contains(*mark)) {
        Some(_) => Err(format!("a detail with a secret: {}", failure.detail)),
        None => Ok(()),
    }
}

/// The event of a recorded case, or the one that stands there as JSON.
pub(crate) fn event(value: &[u8]) -> Option<CleanEvent> {
    let event = api::event::decode(value).ok()?;
    CleanEvent::from_wire(event).ok().map(|(event, _)| event)
}

/// Notes requests and always gives the same answer.
struct Recorder {
    answer: Answer,
    sent: Mutex<Vec<HttpRequest>>,
}

impl HttpTransport for Recorder {
    fn send<'a>(
        &'a self,
        request: HttpRequest,
        _: &'a Route,
        _: &'a SendOptions,
    ) -> BoxFuture<'a, Result<HttpResponse, HttpError>> {
        self.sent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(request);
        let answer = self.answer.clone();
        Box::pin(async move {
            Ok(HttpResponse {
                status: answer.status,
                headers: answer.headers,
                body: answer.body,
                truncated: false,
            })
        })
    }
}
