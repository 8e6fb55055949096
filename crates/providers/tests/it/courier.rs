//! What the courier makes of configuration that is missing, broken or changing, and of notifiers
//! that misbehave.

use std::sync::Arc;
use std::time::Duration;

use api::{ObjectKey, SecretData};
use domain::Outcome;
use domain::delivery::{FailureClass, Receipt};
use domain::ports::Courier as _;
use futures::FutureExt;
use futures::future::BoxFuture;
use outbound::{HttpError, HttpRequest, HttpResponse, HttpTransport, Proxy, Route, SendOptions};
use serde_json::{Value, json};
use testkit::{MovableClock, ScriptedTransport};

use crate::bench::{Bench, clean, describe};

fn event() -> Value {
    json!({
        "involvedObject": {
            "kind": "Kustomization", "namespace": "apps", "name": "webapp",
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        },
        "severity": "info",
        "timestamp": "2022-10-28T07:26:19Z",
        "message": "done",
        "reason": "ReconciliationSucceeded",
        "reportingController": "kustomize-controller",
    })
}

fn provider(spec: &Value) -> Value {
    json!({
        "apiVersion": "notification.toolkit.fluxcd.io/v1beta3",
        "kind": "Provider",
        "metadata": {"namespace": "apps", "name": "target"},
        "spec": spec,
    })
}

fn secret(name: &str, data: &Value) -> Value {
    json!({"kind": "Secret", "metadata": {"namespace": "apps", "name": name}, "stringData": data})
}

fn slack() -> Value {
    json!({
        "type": "slack",
        "address": "https://slack.example.com/hook",
        "secretRef": {"name": "credentials"},
    })
}

struct Scripted {
    bench: Bench,
    transport: Arc<ScriptedTransport>,
}

impl Scripted {
    fn new(objects: &[Value]) -> Self {
        let clock = Arc::new(MovableClock::default());
        let transport = Arc::new(ScriptedTransport::new(Arc::clone(&clock), Vec::new()));
        let bench = Bench::new(objects, Arc::clone(&transport) as _, clock);
        Self { bench, transport }
    }

    async fn send(&self) -> String {
        describe(&self.bench.send(&event()).await)
    }

    /// The `Authorization` of the last request.
    fn authorization(&self) -> Option<String> {
        let sent = self.transport.sent();
        let value = sent.last()?.request.headers.get("authorization")?;
        Some(value.to_str().unwrap().to_owned())
    }

    fn route(&self) -> Route {
        self.transport
            .sent()
            .last()
            .expect("a request")
            .route
            .clone()
    }
}

#[tokio::test]
async fn a_provider_that_is_gone_broken_or_suspended_is_named_and_waited_for() {
    let scripted = Scripted::new(&[provider(&slack()), secret("credentials", &json!({}))]);
    let event = clean(&event());
    let delivery = scripted.bench.try_plan(&event).unwrap();
    for (object, said) in [
        (
            json!({"kind": "Provider", "metadata": {"namespace": "x", "name": "y"}, "spec": {}}),
            "misconfigured: provider `apps/target` does not exist",
        ),
        (
            provider(&json!({"type": "slack", "address": "nonsense"})),
            "misconfigured: provider `apps/target` cannot be used: spec.address: \
             the address is no valid URL: relative URL without a base",
        ),
        (
            provider(&json!({"type": "telegraph"})),
            "misconfigured: provider `apps/target` cannot be used: spec.type: \
             provider type `telegraph` is not supported",
        ),
        (
            provider(&json!({
                "type": "slack", "address": "https://slack.example.com/", "suspend": true,
            })),
            "misconfigured: provider `apps/target` is suspended",
        ),
    ] {
        scripted.bench.apply(&object);
        let courier = &scripted.bench.courier;
        let outcome = courier.deliver(&delivery, &event, 1).await;
        assert_eq!(describe(&outcome), said);
    }
    assert!(scripted.transport.sent().is_empty());
}

#[tokio::test]
async fn missing_secrets_are_named_with_the_field_that_wants_them() {
    for field in ["secretRef", "certSecretRef", "proxySecretRef"] {
        let mut spec = json!({"type": "slack", "address": "https://slack.example.com/hook"});
        spec[field]["name"] = json!("absent");
        let said = Scripted::new(&[provider(&spec)]).send().await;
        let expected = format!(
            "misconfigured: secret `apps/absent`, which spec.{field} of provider `apps/target` \
             names, does not exist"
        );
        assert_eq!(said, expected);
    }
}

#[tokio::test]
async fn a_rotated_secret_and_a_changed_provider_count_at_once() {
    let scripted = Scripted::new(&[
        provider(&slack()),
        secret("credentials", &json!({"token": "first\n"})),
    ]);
    assert_eq!(scripted.send().await, "delivered");
    assert_eq!(scripted.authorization().unwrap(), "Bearer first");

    let key = ObjectKey::new("apps", "credentials");
    let data: SecretData = [("token", "second")].into_iter().collect();
    scripted.bench.secrets.set(key.clone(), data);
    assert_eq!(scripted.send().await, "delivered");
    assert_eq!(scripted.authorization().unwrap(), "Bearer second");

    let mut spec = slack();
    spec["address"] = json!("https://other.example.com/hook");
    scripted.bench.apply(&provider(&spec));
    assert_eq!(scripted.send().await, "delivered");
    let sent = scripted.transport.sent();
    let hosts: Vec<_> = sent
        .iter()
        .map(|sent| sent.request.url.host_str())
        .collect();
    assert_eq!(hosts.last().unwrap(), &Some("other.example.com"));

    scripted.bench.secrets.remove(&key);
    let said = scripted.send().await;
    assert!(
        said.starts_with("misconfigured: secret `apps/credentials`"),
        "{said}"
    );
}

#[tokio::test]
async fn the_rules_of_a_type_that_was_not_known_when_planned_are_applied() {
    let scripted = Scripted::new(&[provider(&json!({"type": "slack", "address": "nonsense"}))]);
    let mut update = event();
    update["metadata"] = json!({"kustomize.toolkit.fluxcd.io/commit_status": "update"});
    let update = clean(&update);
    // While the Provider is invalid nobody knows whether it takes updates.
    let delivery = scripted.bench.try_plan(&update).unwrap();
    assert_eq!(delivery.content.kind, "");
    let spec = json!({"type": "slack", "address": "https://slack.example.com/hook"});
    scripted.bench.apply(&provider(&spec));
    let outcome = scripted.bench.courier.deliver(&delivery, &update, 2).await;
    assert_eq!(describe(&outcome), "dropped: commit_status_update");

    let spec = json!({"type": "generic", "address": "https://hooks.example.com/"});
    scripted.bench.apply(&provider(&spec));
    let outcome = scripted.bench.courier.deliver(&delivery, &update, 3).await;
    assert_eq!(describe(&outcome), "delivered");
}

#[tokio::test]
async fn addresses_are_measured_before_they_are_trimmed() {
    let spec = json!({"type": "generic", "secretRef": {"name": "credentials"}});
    for (length, said) in [(2048, "delivered"), (2049, "misconfigured")] {
        let base = "https://example.org/";
        let address = format!("{base}{}\n", "a".repeat(length - base.len() - 1));
        assert_eq!(address.len(), length);
        let objects = [
            provider(&spec),
            secret("credentials", &json!({"address": address})),
        ];
        let scripted = Scripted::new(&objects);
        assert!(scripted.send().await.starts_with(said), "{length}");
    }
}

#[tokio::test]
async fn the_proxy_secret_wins_over_the_key_and_the_key_over_the_specification() {
    let proxy_of = |url: &str| Proxy::Explicit(outbound::ProxyUrl::parse(url).unwrap());
    let mut spec = slack();
    spec["proxy"] = json!("http://spec.example.com:1");
    let plain = secret("credentials", &json!({}));
    let scripted = Scripted::new(&[provider(&spec), plain]);
    scripted.send().await;
    assert_eq!(
        scripted.route().proxy,
        proxy_of("http://spec.example.com:1")
    );

    let with_proxy = secret(
        "credentials",
        &json!({"proxy": "socks5://key.example.com:2\n"}),
    );
    let scripted = Scripted::new(&[provider(&spec), with_proxy.clone()]);
    scripted.send().await;
    assert_eq!(
        scripted.route().proxy,
        proxy_of("socks5://key.example.com:2")
    );

    spec["proxySecretRef"]["name"] = json!("proxy");
    for (data, expected) in [
        (
            json!({"address": "http://secret.example.com:3", "username": "bob", "password": "p@ss"}),
            "http://bob:p%40ss@secret.example.com:3",
        ),
        (
            json!({"address": "http://secret.example.com:3", "username": "bob"}),
            "http://bob@secret.example.com:3",
        ),
        (
            json!({"address": "http://secret.example.com:3", "password": "alone"}),
            "http://secret.example.com:3",
        ),
    ] {
        let objects = [provider(&spec), with_proxy.clone(), secret("proxy", &data)];
        let scripted = Scripted::new(&objects);
        scripted.send().await;
        assert_eq!(scripted.route().proxy, proxy_of(expected));
    }
    for (data, said) in [
        (json!({}), "key `address` is missing or empty"),
        (
            json!({"address": "gopher://x"}),
            "key `address` is no proxy URL",
        ),
        (
            json!({"address": format!("http://{}", "a".repeat(2048))}),
            "exceeds the maximum length of 2048 bytes",
        ),
    ] {
        let objects = [provider(&spec), with_proxy.clone(), secret("proxy", &data)];
        let answer = Scripted::new(&objects).send().await;
        assert!(
            answer.starts_with("misconfigured: secret `apps/proxy`"),
            "{answer}"
        );
        assert!(answer.contains(said), "{answer}");
    }
}

#[tokio::test]
async fn tls_material_is_checked_and_older_key_names_are_taken() {
    let authority = testkit::Authority::new();
    let pair = authority.issue(&["fanfare"]);
    let (ca, certificate, key) = (&authority.pem, &pair.certificate, &pair.key);
    let mut spec = slack();
    spec["certSecretRef"]["name"] = json!("tls");
    for (data, expected) in [
        (json!({"ca.crt": ca}), None),
        (json!({"caFile": ca}), None),
        (json!({"ca.crt": ca, "caFile": "garbage"}), None),
        (json!({"certFile": certificate, "keyFile": key}), None),
        (
            json!({"ca.crt": "aaaaa"}),
            Some("`ca.crt` holds no certificate"),
        ),
        (
            json!({"tls.crt": certificate}),
            Some("`tls.key` is missing"),
        ),
        (json!({"tls.key": key}), Some("`tls.crt` is missing")),
        (json!({"aaa": "bbb"}), Some("neither `ca.crt` nor")),
    ] {
        let objects = [
            provider(&spec),
            secret("credentials", &json!({"ca.crt": "ignored for this type"})),
            secret("tls", &data),
        ];
        let scripted = Scripted::new(&objects);
        let said = scripted.send().await;
        match expected {
            None => {
                assert_eq!(said, "delivered");
                assert!(scripted.route().tls.is_some());
            }
            Some(expected) => {
                let names_it = said.contains("secret `apps/tls`") && said.contains(expected);
                assert!(names_it, "{said}");
            }
        }
    }
}

/// A transport that does something unusual.
struct Odd(fn() -> BoxFuture<'static, Result<HttpResponse, HttpError>>);

impl HttpTransport for Odd {
    fn send<'a>(
        &'a self,
        _: HttpRequest,
        _: &'a Route,
        _: &'a SendOptions,
    ) -> BoxFuture<'a, Result<HttpResponse, HttpError>> {
        (self.0)()
    }
}

fn odd(odd: Odd) -> Bench {
    let objects = [
        provider(&slack()),
        secret("credentials", &json!({"token": "xoxb-do-not-show"})),
    ];
    Bench::new(&objects, Arc::new(odd), Arc::default())
}

#[tokio::test]
async fn a_panic_is_a_failure_and_none_of_its_words_are_told() {
    // Half a token is what the standard library quotes of one that it was asked to cut in two.
    let bench = odd(Odd(|| {
        async { panic!("byte index 9 is out of bounds of `xoxb-do-not`[...]") }.boxed()
    }));
    for _ in 0..2 {
        let outcome = bench.send(&event()).await;
        let Outcome::Failed(failure) = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(failure.class, FailureClass::Rejected);
        assert_eq!(
            failure.detail,
            "an attempt for provider `apps/target` panicked, which is a bug; the log says where"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_ends_when_the_timeout_of_its_provider_does() {
    let bench = odd(Odd(|| std::future::pending().boxed()));
    let mut spec = slack();
    spec["timeout"] = json!("3s");
    for (spec, limit) in [(slack(), 15), (spec, 3)] {
        bench.apply(&provider(&spec));
        let started = tokio::time::Instant::now();
        let said = describe(&bench.send(&event()).await);
        assert_eq!(
            said,
            format!("unreachable: no complete answer within {limit}s")
        );
        assert_eq!(
            started.elapsed().as_secs(),
            Duration::from_secs(limit).as_secs()
        );
    }
}

#[tokio::test]
async fn a_receipt_carries_the_status() {
    let scripted = Scripted::new(&[provider(&slack()), secret("credentials", &json!({}))]);
    let outcome = scripted.bench.send(&event()).await;
    let expected = Receipt {
        status: Some(200),
        ..Receipt::default()
    };
    assert!(matches!(outcome, Outcome::Delivered(receipt) if receipt == expected));
}

#[tokio::test]
async fn a_user_name_of_the_secret_counts_only_with_its_password() {
    let mut spec = slack();
    spec["username"] = json!("of-the-spec");
    for (data, expected) in [
        (json!({}), "of-the-spec"),
        (json!({"username": "of-the-secret"}), "of-the-spec"),
        (json!({"password": "x"}), "of-the-spec"),
        (
            json!({"username": "of-the-secret\n", "password": "x"}),
            "of-the-secret",
        ),
    ] {
        let scripted = Scripted::new(&[provider(&spec), secret("credentials", &data)]);
        assert_eq!(scripted.send().await, "delivered");
        let sent = scripted.transport.sent();
        let body: Value = serde_json::from_slice(&sent[0].request.body).unwrap();
        assert_eq!(body["username"], expected, "{data}");
    }
}

#[tokio::test]
async fn texts_of_a_secret_must_be_utf_8_except_for_signing_keys() {
    for (kind, said) in [
        (
            "slack",
            "misconfigured: secret `apps/credentials`: key `token` is no text in UTF-8",
        ),
        ("generic-hmac", "delivered"),
    ] {
        let mut spec = slack();
        spec["type"] = json!(kind);
        let scripted = Scripted::new(&[provider(&spec)]);
        let data: SecretData = [("token", b"\xff\xfe\xfd\xfc".to_vec())]
            .into_iter()
            .collect();
        let key = ObjectKey::new("apps", "credentials");
        scripted.bench.secrets.set(key, data);
        assert_eq!(scripted.send().await, said);
    }
}

#[tokio::test]
async fn a_secret_is_hidden_even_if_it_was_never_sent() {
    let transport = Odd(|| {
        let response = HttpResponse {
            status: http::StatusCode::BAD_REQUEST,
            headers: http::HeaderMap::new(),
            body: "the account hunter2-unused is closed".into(),
            truncated: false,
        };
        async { Ok(response) }.boxed()
    });
    let data = json!({"password": "hunter2-unused\n"});
    let objects = [provider(&slack()), secret("credentials", &data)];
    let bench = Bench::new(&objects, Arc::new(transport), Arc::default());
    assert_eq!(
        describe(&bench.send(&event()).await),
        "rejected: the service answered 400 Bad Request: the account ***** is closed"
    );
}
