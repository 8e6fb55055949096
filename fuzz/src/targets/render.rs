//! Every provider type renders any event and judges any answer.
//!
//! An input is a type's name, a line break, the event as JSON, a zero byte, and the answer's body.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

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
use testkit::{Facts, MovableClock, Secrets};

use super::Target;
use crate::seeds;

pub(super) const TARGET: Target = Target {
    name: "render_every_kind",
    seeds: inputs,
    words: &[
        "@everyone",
        "@here",
        "<!channel>",
        "<@U1>",
        "<a|b>",
        "<at>",
        "```",
        "*",
        "_",
        "[a](b)",
        "\\n",
        "\\u202e",
        "\\ud83d\\ude00",
        "error",
        "info",
        "Progressing",
        "{\"ok\":false}",
        "\"metadata\":{",
        "commit",
        "sha1:",
        "event.toolkit.fluxcd.io/",
        "[]",
        "null",
        "{\"values\":",
    ],
    run,
};

fn inputs() -> Vec<Vec<u8>> {
    seeds::cases()
        .into_iter()
        .map(|case| format!("{}\n{}\0{{}}", case.kind, case.event).into_bytes())
        .collect()
}

/// The objects of the first recorded case of each type.
static OBJECTS: LazyLock<HashMap<String, Vec<Value>>> = LazyLock::new(|| {
    let mut objects = HashMap::new();
    for case in seeds::cases() {
        objects.entry(case.kind).or_insert(case.objects);
    }
    objects
});

/// Rendering never panics, and the same event gives the same bytes.
fn run(input: &[u8]) -> Result<(), String> {
    let Some(split) = input.iter().position(|byte| *byte == b'\n') else {
        return Ok(());
    };
    let (kind, rest) = input.split_at(split);
    let mut parts = rest
        .get(1..)
        .unwrap_or_default()
        .splitn(2, |byte| *byte == 0);
    let event = parts.next().unwrap_or_default();
    let answer = parts.next().unwrap_or_default();
    let Some(objects) = OBJECTS.get(String::from_utf8_lossy(kind).as_ref()) else {
        return Ok(());
    };
    let Ok(event) = api::event::decode(event) else {
        return Ok(());
    };
    let Ok((event, _)) = CleanEvent::from_wire(event) else {
        return Ok(());
    };
    let first = attempt(objects, &event, answer)?;
    if first != attempt(objects, &event, answer)? {
        return Err("two renderings of one event differ".to_owned());
    }
    Ok(())
}

/// One attempt; gives what was sent.
fn attempt(
    objects: &[Value],
    event: &CleanEvent,
    answer: &[u8],
) -> Result<Vec<HttpRequest>, String> {
    let of_kind = |kind| objects.iter().filter(move |object| object["kind"] == kind);
    let secrets = Arc::new(Secrets::new());
    for secret in of_kind("Secret") {
        secrets.apply(secret);
    }
    let Some(object) = of_kind("Provider").next() else {
        return Ok(Vec::new());
    };
    let provider = Provider::from_object(Arc::new(object.clone()));
    let Some(valid) = ValidProvider::validate(&provider, &Directory).value else {
        return Ok(Vec::new());
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
    let transport = Arc::new(Recorder {
        answer: Bytes::copy_from_slice(answer),
        sent: Mutex::default(),
    });
    let clock = Arc::new(MovableClock::default());
    let courier = Courier::new(CourierSettings {
        catalog: Arc::clone(&catalog),
        secrets,
        transport: Arc::clone(&transport) as _,
        memory: Arc::new(Facts::default()),
        clock: Arc::clone(&clock) as _,
        max_tokens: 10,
        longest_token_life: std::time::Duration::from_hours(1),
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
        return Ok(Vec::new());
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|error| error.to_string())?;
    let outcome = runtime.block_on(courier.deliver(&delivery, event, 1));
    if let Outcome::Failed(failure) = outcome
        && failure.detail.len() > 4096
    {
        return Err(format!("a detail of {} bytes", failure.detail.len()));
    }
    let sent = transport
        .sent
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    Ok(sent.clone())
}

/// Notes requests and always gives the same answer.
struct Recorder {
    answer: Bytes,
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
        Box::pin(async move {
            Ok(HttpResponse {
                status: StatusCode::OK,
                headers: HeaderMap::new(),
                body: self.answer.clone(),
                truncated: false,
            })
        })
    }
}
