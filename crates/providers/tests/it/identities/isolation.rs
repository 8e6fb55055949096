//! Who may use whose identity, who shares what, and what is never shown.

use std::sync::Arc;

use api::ObjectKey;
use domain::ports::TokenIssuerError;
use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use outbound::{HttpError, HttpRequest, HttpResponse, HttpTransport, Route, SendOptions};
use providers::Identities;
use providers::identity::OutsideCluster;
use serde_json::{Value, json};
use testkit::{Answer, Authority, HttpProxy, HttpSink, ServiceAccounts};

use super::{Cloud, object_level, objects_with};
use crate::bench::client;
use crate::bench::{Bench, describe};
use crate::fixtures;
use crate::github_app::key;

const GATE: &str = "to use spec.serviceAccountName for provider authentication please enable the \
                    ObjectLevelWorkloadIdentity feature gate in the controller";

fn as_account() -> Vec<Value> {
    let spec = json!({"serviceAccountName": "sender", "secretRef": null});
    objects_with("googlepubsub", &spec)
}

fn answers(token: &str) -> Value {
    json!([
        {"host": "sts.googleapis.com", "body": {"access_token": token, "expires_in": 3600}},
        {"host": "pubsub.googleapis.com", "body": {"messageIds": ["1"]}},
    ])
}

const POOL: (&str, &str) = (
    "gcp.auth.fluxcd.io/workload-identity-provider",
    "projects/1/locations/global/workloadIdentityPools/p/providers/q",
);

#[tokio::test]
async fn a_service_account_needs_the_gate_a_cluster_and_to_exist() {
    let gate_off = Cloud::new(&as_account(), Identities::default(), &json!([]), &json!([]));
    let said = gate_off.send().await;
    assert!(
        said.starts_with("misconfigured: ") && said.contains(GATE),
        "{said}"
    );

    let cloud = Cloud::new(&as_account(), object_level(), &json!([]), &json!([]));
    assert_eq!(
        cloud.send().await,
        "misconfigured: service account `apps/sender`, which spec.serviceAccountName of provider \
         `apps/pubsub` names, does not exist"
    );
    cloud
        .accounts
        .set(ObjectKey::new("other", "sender"), &[POOL]);
    assert!(cloud.send().await.contains("does not exist"));

    cloud
        .accounts
        .set(ObjectKey::new("apps", "sender"), &[POOL]);
    for (failure, expected) in [
        (
            TokenIssuerError::Refused {
                account: ObjectKey::new("apps", "sender"),
                reason: "forbidden".to_owned(),
            },
            "misconfigured: service account `apps/sender`: forbidden",
        ),
        (
            TokenIssuerError::Unavailable {
                account: ObjectKey::new("apps", "sender"),
                reason: "no answer".to_owned(),
            },
            "unreachable: service account `apps/sender`: no answer",
        ),
    ] {
        cloud.accounts.fail(failure);
        assert_eq!(cloud.send().await, expected);
    }

    let identities = Identities {
        issuer: Arc::new(OutsideCluster),
        ..object_level()
    };
    let bench = Bench::with_identities(&as_account(), client(), Arc::default(), identities);
    assert_eq!(
        describe(&bench.send(&fixtures::delivered("otel").event).await),
        "misconfigured: service account `apps/sender`: service accounts exist only in a cluster"
    );
}

#[tokio::test]
async fn a_default_service_account_locks_everybody_out_who_has_none() {
    let identities = Identities {
        default_service_account: Some("notifier".to_owned()),
        ..object_level()
    };
    let objects = objects_with("googlepubsub", &json!({"secretRef": null}));
    let cloud = Cloud::new(&objects, identities.clone(), &answers("t"), &json!([]));
    let said = cloud.send().await;
    assert!(
        said.starts_with(
            "misconfigured: the specified default service account does not exist in the object namespace."
        ),
        "{said}"
    );
    assert!(cloud.metadata_calls().is_empty() && cloud.calls().is_empty());
    cloud
        .accounts
        .set(ObjectKey::new("apps", "notifier"), &[POOL]);
    assert_eq!(cloud.send().await, "delivered");
    assert!(cloud.form(0)[4].1.starts_with("token of apps/notifier"));

    // Without the gate there is no object level, and so no default for it.
    let off = Identities {
        object_level: false,
        ..identities
    };
    let metadata = json!([{"body": {"access_token": "machine", "expires_in": 60}}]);
    let cloud = Cloud::new(&objects, off, &answers("t"), &metadata);
    assert_eq!(cloud.send().await, "delivered");
}

#[tokio::test]
async fn the_controllers_identity_is_not_used_over_certificates_of_a_user() {
    let authority = Authority::new();
    let spec = json!({"secretRef": null, "certSecretRef": {"name": "authority"}});
    for kind in ["googlepubsub", "azuredevops"] {
        let mut objects = objects_with(kind, &spec);
        objects.push(json!({
            "kind": "Secret",
            "metadata": {"name": "authority", "namespace": "apps"},
            "stringData": {"ca.crt": authority.pem},
        }));
        let metadata = json!([{"body": {"access_token": "machine", "expires_in": 3600}}]);
        let cloud = Cloud::new(&objects, Identities::default(), &json!([]), &metadata);
        let said = cloud.send().await;
        assert!(
            said.starts_with(
                "misconfigured: the controller's own identity cannot be used together"
            ),
            "{kind}: {said}"
        );
        assert!(cloud.metadata_calls().is_empty() && cloud.calls().is_empty());
    }
}

#[tokio::test]
async fn namespaces_and_providers_never_share_a_token() {
    let mut objects = fixtures::delivered("googlepubsub").objects;
    objects[1]["stringData"] = json!({"token": json!({
        "type": "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": "r",
    }).to_string()});
    let sink = json!([
        {"host": "oauth2.googleapis.com", "body": {"access_token": "one", "expires_in": 3600}},
        {"host": "oauth2.googleapis.com", "body": {"access_token": "two", "expires_in": 3600}},
        {"host": "oauth2.googleapis.com", "body": {"access_token": "three", "expires_in": 3600}},
        {"host": "pubsub.googleapis.com", "body": {"messageIds": ["1"]}},
    ]);
    let cloud = Cloud::new(&objects, Identities::default(), &sink, &json!([]));
    let mut used = Vec::new();
    for (namespace, name) in [("apps", "pubsub"), ("team-b", "pubsub"), ("apps", "second")] {
        // The very same credentials in another namespace, or of another Provider.
        let mut provider = objects[0].clone();
        let mut secret = objects[1].clone();
        for object in [&mut provider, &mut secret] {
            object["metadata"]["namespace"] = json!(namespace);
        }
        provider["metadata"]["name"] = json!(name);
        cloud.bench.secrets.apply(&secret);
        for _ in 0..2 {
            let event = fixtures::delivered("otel").event;
            let outcome = cloud.bench.send_through(&provider, &event).await;
            assert_eq!(describe(&outcome), "delivered");
            used.push(
                cloud
                    .calls()
                    .last()
                    .unwrap()
                    .rsplit_once(' ')
                    .unwrap()
                    .1
                    .to_owned(),
            );
        }
    }
    assert_eq!(used, ["one", "one", "two", "two", "three", "three"]);
}

#[tokio::test]
async fn attempts_at_the_same_time_ask_for_one_token_through_the_proxy_with_our_certificate() {
    let authority = Authority::new();
    let server = authority.issue(&["oauth2.googleapis.com", "pubsub.googleapis.com"]);
    let ours = authority.issue(&["fanfare"]);
    let sink = HttpSink::start_tls(&server, Some(&authority.pem)).await;
    sink.answer_by(|request| {
        if request.target == "/token" {
            let token = r#"{"access_token": "shared", "expires_in": 3600}"#;
            Answer::Hold(Box::new(Answer::with_body(200, token)))
        } else {
            Answer::with_body(200, r#"{"messageIds": ["1"]}"#)
        }
    });
    let proxy = HttpProxy::start(sink.address(), Some(("bob", "builder"))).await;
    let mut objects = fixtures::delivered("googlepubsub").objects;
    objects[0]["spec"]["certSecretRef"]["name"] = json!("authority");
    objects[0]["spec"]["proxySecretRef"]["name"] = json!("proxy");
    for (name, data) in [
        (
            "authority",
            json!({"ca.crt": authority.pem, "tls.crt": ours.certificate, "tls.key": ours.key}),
        ),
        (
            "proxy",
            json!({
                "address": format!("http://{}", proxy.address()),
                "username": "bob",
                "password": "builder",
            }),
        ),
    ] {
        objects.push(json!({
            "kind": "Secret",
            "metadata": {"name": name, "namespace": "apps"},
            "stringData": data,
        }));
    }
    let bench = Bench::new(&objects, client(), Arc::default());
    let event = fixtures::delivered("otel").event;
    let attempts = join_all((0..8).map(|_| bench.send(&event)));
    let (outcomes, ()) = futures::join!(attempts, async {
        sink.wait_for(1).await;
        sink.release();
    });
    for outcome in outcomes {
        assert_eq!(describe(&outcome), "delivered");
    }
    let requests = sink.requests();
    let of = |path: &str| requests.iter().filter(|seen| seen.target == path).count();
    assert_eq!(of("/token"), 1);
    assert_eq!(requests.len(), 9);
    assert!(requests.iter().all(|seen| seen.has_client_certificate));
    let hosts: Vec<String> = proxy.asked().into_iter().map(|seen| seen.target).collect();
    for host in ["oauth2.googleapis.com:443", "pubsub.googleapis.com:443"] {
        assert!(hosts.iter().any(|asked| asked == host), "{hosts:?}");
    }
}

/// Services that say no and send back all they were sent, the body too.
struct Echo {
    /// Hosts that succeed, and what they answer.
    success: Vec<(&'static str, Value)>,
}

impl HttpTransport for Echo {
    fn send<'a>(
        &'a self,
        request: HttpRequest,
        _route: &'a Route,
        _options: &'a SendOptions,
    ) -> BoxFuture<'a, Result<HttpResponse, HttpError>> {
        let host = request.url.host_str().unwrap();
        let success = self.success.iter().find(|(known, _)| *known == host);
        let (status, body) = if let Some((_, answer)) = success {
            (200_u16, answer.clone())
        } else {
            let headers: Vec<String> = request
                .headers
                .values()
                .map(|value| value.to_str().unwrap().to_owned())
                .collect();
            let form = String::from_utf8_lossy(&request.body).into_owned();
            let fields: Vec<String> = url::form_urlencoded::parse(&request.body)
                .map(|(_, value)| value.into_owned())
                .collect();
            let said = format!("{headers:?} {} {fields:?} {form}", request.url);
            (
                400,
                json!({"error": "invalid_grant", "error_description": said}),
            )
        };
        let response = HttpResponse {
            status: status.try_into().unwrap(),
            headers: http::HeaderMap::new(),
            body: body.to_string().into(),
            truncated: false,
        };
        async move { Ok(response) }.boxed()
    }
}

async fn echoed(
    objects: &[Value],
    identities: Identities,
    success: &[(&'static str, Value)],
) -> String {
    let echo = Arc::new(Echo {
        success: success.to_vec(),
    });
    let identities = Identities {
        metadata: Some(Arc::clone(&echo) as _),
        ..identities
    };
    let bench = Bench::with_identities(objects, echo, Arc::default(), identities);
    describe(&bench.send(&fixtures::delivered("otel").event).await)
}

#[tokio::test]
async fn no_key_assertion_or_minted_token_is_shown_when_services_echo() {
    let token = |text: &str| json!({"access_token": text, "expires_in": 3600});
    let with_token = |token: &Value| {
        let mut objects = fixtures::delivered("googlepubsub").objects;
        objects[1]["stringData"] = json!({"token": token.to_string()});
        objects
    };
    let key = with_token(&json!({
        "type": "service_account", "client_email": "a@b", "private_key": key().pem,
    }));
    let said = echoed(&key, Identities::default(), &[]).await;
    assert!(
        said.starts_with("misconfigured: getting a token from oauth2.googleapis.com"),
        "{said}"
    );
    assert!(said.contains("jwt-bearer"), "the echo is there: {said}");
    assert!(!said.contains("eyJ"), "{said}");

    let minted = [("oauth2.googleapis.com", token("minted-token-value"))];
    let said = echoed(&key, Identities::default(), &minted).await;
    assert!(
        said.starts_with("rejected: ") && !said.contains("minted-token"),
        "{said}"
    );

    let user = with_token(&json!({
        "type": "authorized_user", "client_id": "i", "client_secret": "client-s3cret-value",
        "refresh_token": "refresh-t0ken-value",
    }));
    let said = echoed(&user, Identities::default(), &[]).await;
    assert!(
        !said.contains("s3cret") && !said.contains("t0ken"),
        "{said}"
    );

    let accounts = Arc::new(ServiceAccounts::default());
    let email = (
        "iam.gke.io/gcp-service-account",
        "a@b.iam.gserviceaccount.com",
    );
    accounts.set(ObjectKey::new("apps", "sender"), &[POOL, email]);
    let identities = Identities {
        issuer: accounts,
        ..object_level()
    };
    let said = echoed(&as_account(), identities.clone(), &[]).await;
    assert!(said.contains("sts.googleapis.com"), "{said}");
    assert!(
        !said.contains("token of apps/sender") && !said.contains("token+of"),
        "{said}"
    );
    let exchanged = [("sts.googleapis.com", token("exchanged-token-value"))];
    let said = echoed(&as_account(), identities, &exchanged).await;
    assert!(said.contains("iamcredentials.googleapis.com"), "{said}");
    assert!(!said.contains("exchanged-token"), "{said}");

    let objects = fixtures::delivered("azureeventhub").objects;
    let said = echoed(&objects, Identities::default(), &[]).await;
    assert!(said.starts_with("rejected: "), "{said}");
    assert!(
        !said.contains("xm0") && !said.contains("Zml4dHVy"),
        "{said}"
    );
}
