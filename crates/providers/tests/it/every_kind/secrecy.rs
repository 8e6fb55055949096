//! No marked secret in any detail or debug output, even when a service sends back all it got.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::Outcome;
use futures::FutureExt;
use futures::future::BoxFuture;
use outbound::{HttpError, HttpRequest, HttpResponse, HttpTransport, Route, SendOptions};
use providers::kind::Protocol;
use serde_json::{Value, json};
use testkit::MovableClock;
use testkit::secrets::{leaks, marked};

use super::http_kinds;
use crate::bench::{Bench, describe};
use crate::fixtures;

/// A service, or a proxy before it, that answers with everything it was sent.
struct Echo {
    status: u16,
}

impl HttpTransport for Echo {
    fn send<'a>(
        &'a self,
        request: HttpRequest,
        route: &'a Route,
        _options: &'a SendOptions,
    ) -> BoxFuture<'a, Result<HttpResponse, HttpError>> {
        let shown = format!("{request:?} {route:?}");
        assert_eq!(leaks(&shown), Vec::<String>::new());
        let headers: Vec<String> = request
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
            .collect();
        let body = json!({
            "url": request.url.as_str(),
            "encoded": STANDARD.encode(request.url.as_str()),
            "headers": headers,
        });
        let response = HttpResponse {
            status: self.status.try_into().unwrap(),
            headers: http::HeaderMap::new(),
            body: body.to_string().into(),
            truncated: false,
        };
        async move { Ok(response) }.boxed()
    }
}

/// The fixture's objects with marks in everything that is secret and may hold any text.
pub(crate) fn marked_objects(kind: &str) -> Vec<Value> {
    let mut objects = fixtures::delivered(kind).objects;
    // A query may be secret; repositories of Git hosts have none, and other protocols than HTTP know
    // their own options only.
    let has_query =
        providers::kinds::find(kind).is_some_and(|kind| kind.protocol == Protocol::Http);
    for object in &mut objects {
        if object["kind"] == "Provider" {
            object["spec"]["proxy"] = json!(format!(
                "http://{}:{}@proxy.example.com:3128",
                marked("proxyuser"),
                marked("proxypassword")
            ));
            if let Some(address) = object["spec"]["address"].as_str()
                && has_query
            {
                let marked = marked_address(address);
                object["spec"]["address"] = json!(marked);
            }
            continue;
        }
        let Some(data) = object["stringData"].as_object_mut() else {
            continue;
        };
        for (key, value) in data.iter_mut() {
            *value = match key.as_str() {
                "address" if has_query => json!(marked_address(value.as_str().unwrap())),
                // Credentials of Google Cloud: the members that are secret.
                "token" if value.as_str().unwrap().starts_with('{') => {
                    let mut members: Value = serde_json::from_str(value.as_str().unwrap()).unwrap();
                    for name in ["client_secret", "refresh_token"] {
                        members[name] = json!(marked(name));
                    }
                    json!(members.to_string())
                }
                // Bitbucket's token is a pair.
                "token" if value.as_str().unwrap().contains(':') => {
                    json!(format!("octo:{}", marked(key)))
                }
                "token" | "password" => json!(marked(key)),
                "headers" => json!(format!("Authorization: Bearer {}\n", marked("headers"))),
                _ => continue,
            };
        }
        data.insert("unused".to_owned(), json!(marked("unused")));
    }
    objects
}

/// A mark in a query or a key; what is neither a URL nor a connection string holds no secret.
fn marked_address(address: &str) -> String {
    if let Some((before, rest)) = address.split_once("SharedAccessKey=") {
        let after = rest.split_once(';').map_or("", |(_, after)| after);
        return format!("{before}SharedAccessKey={};{after}", marked("key"));
    }
    let Ok(mut url) = url::Url::parse(address) else {
        return address.to_owned();
    };
    url.query_pairs_mut().append_pair("sig", &marked("query"));
    url.into()
}

#[tokio::test]
async fn marked_secrets_leak_nowhere() {
    for kind in http_kinds() {
        let objects = marked_objects(kind.name);
        let event = fixtures::delivered(kind.name).event;
        for status in [200, 301, 400, 401, 404, 429, 500] {
            let clock = Arc::new(MovableClock::default());
            let bench = Bench::new(&objects, Arc::new(Echo { status }), clock);
            let outcome = bench.send(&event).await;
            if status >= 300 {
                assert!(matches!(outcome, Outcome::Failed(_)), "{}", kind.name);
            }
            let shown = format!("{} {outcome:?}", describe(&outcome));
            assert_eq!(leaks(&shown), Vec::<String>::new(), "{}", kind.name);
            if let Outcome::Failed(failure) = outcome {
                assert!(failure.detail.len() <= 1024, "{}", kind.name);
            }
        }
    }
}

#[tokio::test]
async fn broken_credentials_are_named_and_never_shown() {
    for kind in http_kinds() {
        for (key, value) in [
            ("headers", format!("- {}", marked("list"))),
            ("proxy", format!("ftp://{}", marked("host"))),
            (
                "address",
                format!("https://x/{}", marked("path").repeat(200)),
            ),
        ] {
            let mut objects = marked_objects(kind.name);
            let spec = &mut objects[0]["spec"];
            spec["secretRef"]["name"] = json!("broken");
            objects.push(json!({
                "kind": "Secret",
                "metadata": {"name": "broken", "namespace": "apps"},
                "stringData": {key: value, "token": marked("token")},
            }));
            let clock = Arc::new(MovableClock::default());
            let bench = Bench::new(&objects, Arc::new(Echo { status: 200 }), clock);
            let said = describe(&bench.send(&fixtures::delivered(kind.name).event).await);
            let names_it = said.contains("secret `apps/broken`") && said.contains(key);
            assert!(names_it, "{} {key}: {said}", kind.name);
            assert_eq!(leaks(&said), Vec::<String>::new(), "{}", kind.name);
        }
    }
}
