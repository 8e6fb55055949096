//! Logging in as a GitHub App, as the service sees it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use domain::ports::Clock as _;
use serde_json::{Value, json};
use testkit::{MovableClock, ScriptedTransport};

use crate::bench::{Bench, describe};
use crate::fixtures;

pub(crate) struct Key {
    pub(crate) pem: String,
    pub(crate) public: Vec<u8>,
}

/// Made for each run: no private key belongs into a repository.
pub(crate) fn key() -> &'static Key {
    static MADE: OnceLock<Key> = OnceLock::new();
    MADE.get_or_init(|| {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let private: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let base64 = STANDARD.encode(private.as_ref());
        let lines: Vec<&str> = base64
            .as_bytes()
            .chunks(64)
            .map(|line| std::str::from_utf8(line).unwrap())
            .collect();
        Key {
            pem: format!(
                "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
                lines.join("\n")
            ),
            public: pair.public_key().as_ref().to_vec(),
        }
    })
}

struct App {
    bench: Bench,
    transport: Arc<ScriptedTransport>,
}

impl App {
    /// A Provider for `address` with these keys in its Secret; `"<key>"` stands for a real key.
    fn new(address: &str, secret: &Value, responses: &Value) -> Self {
        Self::of_kind("github", address, secret, responses)
    }

    fn of_kind(kind: &str, address: &str, secret: &Value, responses: &Value) -> Self {
        let mut secret = secret.clone();
        if secret["githubAppPrivateKey"] == "<key>" {
            secret["githubAppPrivateKey"] = json!(key().pem);
        }
        let mut objects = fixtures::delivered(kind).objects;
        objects[0]["spec"]["address"] = json!(address);
        objects[1]["stringData"] = secret;
        let clock = Arc::new(MovableClock::default());
        let responses = serde_json::from_value(responses.clone()).unwrap();
        let transport = Arc::new(ScriptedTransport::new(Arc::clone(&clock), responses));
        let bench = Bench::new(&objects, Arc::clone(&transport) as _, clock);
        Self { bench, transport }
    }

    async fn send(&self) -> String {
        describe(&self.bench.send(&fixtures::delivered("github").event).await)
    }

    /// Method, URL without query, and what stands for the credential, of each request.
    fn calls(&self) -> Vec<String> {
        let sent = self.transport.sent().into_iter();
        sent.map(|sent| {
            let mut url = sent.request.url.clone();
            url.set_query(None);
            let bearer = sent.request.headers["authorization"].to_str().unwrap();
            let bearer = bearer.strip_prefix("Bearer ").unwrap();
            let bearer = if bearer.contains('.') { "jwt" } else { bearer };
            format!("{} {url} {bearer}", sent.request.method)
        })
        .collect()
    }
}

fn with_id() -> Value {
    json!({
        "githubAppID": "12345\n",
        "githubAppInstallationID": "111",
        "githubAppPrivateKey": "<key>",
    })
}

const ADDRESS: &str = "https://github.com/octo/fleet-infra";
const API: &str = "https://api.github.com";
const COMMIT: &str = "731f7eaddfb6af01cb2173e18f0f75b0ba780ef1";

fn minted(token: &str) -> Value {
    json!({
        "method": "POST", "path": "/app/installations/111/access_tokens", "status": 201,
        "body": {"token": token, "expires_at": "<<now+1h>>"},
    })
}

fn mint() -> String {
    format!("POST {API}/app/installations/111/access_tokens jwt")
}

fn look_up(token: &str) -> String {
    format!("GET {API}/repos/octo/fleet-infra/commits/{COMMIT}/statuses {token}")
}

fn post(token: &str) -> String {
    format!("POST {API}/repos/octo/fleet-infra/statuses/{COMMIT} {token}")
}

fn statuses() -> (Value, Value) {
    let listed = json!({"method": "GET", "body": []});
    (listed, json!({"method": "POST", "status": 201}))
}

#[tokio::test]
async fn the_jwt_is_signed_with_the_key_and_valid_for_two_minutes() {
    let app = App::new(ADDRESS, &with_id(), &json!([minted("ghs_one")]));
    app.send().await;
    let request = app.transport.sent().remove(0).request;
    assert!(request.body.is_empty());
    let bearer = request.headers["authorization"].to_str().unwrap();
    let jwt = bearer.strip_prefix("Bearer ").unwrap();
    let (signed, signature) = jwt.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &key().public)
        .verify(signed.as_bytes(), &signature)
        .unwrap();
    let part = |index: usize| -> Value {
        let part = signed.split('.').nth(index).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    assert_eq!(part(0), json!({"alg": "RS256", "typ": "JWT"}));
    let iat = app.bench.clock.now().as_second() - 30;
    let claims = json!({"iss": "12345", "iat": iat, "exp": iat + 120});
    assert_eq!(part(1), claims);
}

#[tokio::test]
async fn a_token_is_used_until_a_fifth_of_its_life_is_left() {
    let (listed, created) = statuses();
    let responses = json!([minted("ghs_one"), minted("ghs_two"), listed, created]);
    let app = App::new(ADDRESS, &with_id(), &responses);
    for minutes in [0, 47, 2] {
        app.bench.clock.advance(Duration::from_mins(minutes));
        assert_eq!(app.send().await, "delivered");
    }
    let expected = [
        mint(),
        look_up("ghs_one"),
        post("ghs_one"),
        look_up("ghs_one"),
        post("ghs_one"),
        mint(),
        look_up("ghs_two"),
        post("ghs_two"),
    ];
    assert_eq!(app.calls(), expected);
}

#[tokio::test]
async fn a_token_that_stopped_counting_is_minted_anew_once() {
    let (listed, created) = statuses();
    let denied = json!({"method": "GET", "status": 401, "body": {"message": "Bad credentials"}});
    let responses = json!([
        minted("ghs_one"),
        minted("ghs_two"),
        minted("ghs_three"),
        created,
        listed,
        denied,
        listed,
        denied,
        denied,
    ]);
    let app = App::new(ADDRESS, &with_id(), &responses);
    assert_eq!(app.send().await, "delivered");
    // Refused and minted anew.
    assert_eq!(app.send().await, "delivered");
    // Refused again, and the new one as well: that is for people to solve.
    let said = app.send().await;
    assert!(said.starts_with("misconfigured: "), "{said}");
    let expected = [
        mint(),
        look_up("ghs_one"),
        post("ghs_one"),
        look_up("ghs_one"),
        mint(),
        look_up("ghs_two"),
        post("ghs_two"),
        look_up("ghs_two"),
        mint(),
        look_up("ghs_three"),
    ];
    assert_eq!(app.calls(), expected);
}

#[tokio::test]
async fn a_new_token_that_is_refused_is_not_minted_again() {
    let denied = json!({"method": "GET", "status": 401, "body": {"message": "Bad credentials"}});
    let app = App::new(ADDRESS, &with_id(), &json!([minted("ghs_one"), denied]));
    let said = app.send().await;
    assert!(said.starts_with("misconfigured: "), "{said}");
    assert_eq!(app.calls(), [mint(), look_up("ghs_one")]);
}

#[tokio::test]
async fn an_owner_is_an_organisation_or_else_a_user() {
    let secret = json!({
        "githubAppID": "12345",
        "githubAppInstallationOwner": "octo",
        "githubAppPrivateKey": "<key>",
    });
    let (listed, created) = statuses();
    let responses = json!([
        {"path": "/orgs/octo/installation", "status": 404, "body": {"message": "Not Found"}},
        {"path": "/users/octo/installation", "body": {"id": 111}},
        minted("ghs_one"), listed, created,
    ]);
    let app = App::new(ADDRESS, &secret, &responses);
    assert_eq!(app.send().await, "delivered");
    let expected = [
        format!("GET {API}/orgs/octo/installation jwt"),
        format!("GET {API}/users/octo/installation jwt"),
        mint(),
        look_up("ghs_one"),
        post("ghs_one"),
    ];
    assert_eq!(app.calls(), expected);

    let nobody = json!([{"method": "GET", "status": 404, "body": {"message": "Not Found"}}]);
    let app = App::new(ADDRESS, &secret, &nobody);
    let said = app.send().await;
    assert!(said.starts_with("misconfigured: "), "{said}");
    assert_eq!(app.calls().len(), 2);
}

/// T43.
#[tokio::test]
async fn an_app_of_an_enterprise_host_logs_in_there() {
    for (base, expected) in [
        (None, "https://ghe.example.com/api/v3/app/"),
        (
            Some("https://api.example.com"),
            "https://api.example.com/app/",
        ),
        (
            Some("https://proxy.example.com/github/\n"),
            "https://proxy.example.com/github/app/",
        ),
    ] {
        let mut secret = with_id();
        if let Some(base) = base {
            secret["githubAppBaseURL"] = json!(base);
        }
        let app = App::new(
            "https://ghe.example.com/octo/fleet-infra",
            &secret,
            &json!([]),
        );
        app.send().await;
        let calls = app.calls();
        assert!(
            calls[0].starts_with(&format!("POST {expected}")),
            "{calls:?}"
        );
    }
}

#[tokio::test]
async fn what_is_missing_is_said_in_the_words_of_the_reference() {
    for (secret, said) in [
        (
            json!({}),
            "github token or github app details must be specified",
        ),
        (
            json!({"githubAppInstallationID": "1", "githubAppPrivateKey": "<key>"}),
            "github token or github app details must be specified",
        ),
        (
            json!({"githubAppID": "0", "githubAppInstallationID": "1", "githubAppPrivateKey": "<key>"}),
            "app ID must be provided to use github app authentication",
        ),
        (
            json!({"githubAppID": "abc", "githubAppInstallationID": "1", "githubAppPrivateKey": "<key>"}),
            "app ID must be provided to use github app authentication",
        ),
        (
            json!({"githubAppID": "1", "githubAppPrivateKey": "<key>"}),
            "app installation owner or ID must be provided to use github app authentication",
        ),
        (
            json!({
                "githubAppID": "1", "githubAppPrivateKey": "<key>",
                "githubAppInstallationID": "1", "githubAppInstallationOwner": "octo",
            }),
            "only one of app installation owner or ID must be provided to use github app \
             authentication",
        ),
        (
            json!({"githubAppID": "1", "githubAppInstallationID": "1"}),
            "private key must be provided to use github app authentication",
        ),
        (
            json!({"githubAppID": "1", "githubAppInstallationID": "1", "githubAppPrivateKey": "no PEM"}),
            "could not parse private key: ",
        ),
        (
            json!({"githubAppID": "1", "githubAppInstallationID": "../x", "githubAppPrivateKey": "<key>"}),
            "githubAppInstallationID in the Secret is no number",
        ),
        (
            json!({
                "githubAppID": "1", "githubAppInstallationID": "1", "githubAppPrivateKey": "<key>",
                "githubAppBaseURL": "file:///etc",
            }),
            "githubAppBaseURL in the Secret is no http or https URL",
        ),
    ] {
        let app = App::new(ADDRESS, &secret, &json!([]));
        let answer = app.send().await;
        assert!(answer.starts_with("misconfigured: "), "{answer}");
        assert!(answer.contains(said), "{answer}, not {said}");
        assert!(app.calls().is_empty());
    }
}

/// T36.
#[tokio::test]
async fn an_app_edits_the_comment_of_its_own_bot_and_asks_for_its_name_once() {
    let kind = "githubpullrequestcomment";
    let marker = "<!-- flux-pr-comment-key:0c9c2e41-d2f9-4f9b-9c41-bebc1984d67a/Kustomization/apps/webapp -->";
    let by = |id: u64, login: &str| json!({"id": id, "body": marker, "user": {"login": login}});
    let comments = [
        by(1, "flux-app"),
        by(2, "other[bot]"),
        by(3, "flux-app[bot]"),
    ];
    let responses = json!([
        {"method": "GET", "path": "/app", "body": {"slug": "flux-app"}},
        minted("ghs_one"),
        {"method": "GET", "body": comments},
        {"method": "PATCH", "body": {"id": 3}},
    ]);
    let app = App::of_kind(kind, ADDRESS, &with_id(), &responses);
    let event = fixtures::delivered(kind).event;
    for _ in 0..2 {
        assert_eq!(describe(&app.bench.send(&event).await), "delivered");
    }
    let list = format!("GET {API}/repos/octo/fleet-infra/issues/42/comments ghs_one");
    let edit = format!("PATCH {API}/repos/octo/fleet-infra/issues/comments/3 ghs_one");
    let first = [
        format!("GET {API}/app jwt"),
        mint(),
        list.clone(),
        edit.clone(),
    ];
    assert_eq!(app.calls(), [first.as_slice(), &[list, edit]].concat());
}

#[tokio::test]
async fn a_minted_token_is_shown_nowhere() {
    let token = "ghs_mintedAndNeverShown0123456789";
    let broken = json!({
        "path": "/app/installations/111/access_tokens", "status": 201,
        "body": {"token": token, "expires_at": "no time"},
    });
    let echo = json!({"method": "GET", "status": 500, "body": {"you said": token}});
    for responses in [json!([broken]), json!([minted(token), echo])] {
        let app = App::new(ADDRESS, &with_id(), &responses);
        let said = app.send().await;
        assert!(said.starts_with("server_fault: "), "{said}");
        assert!(!said.contains(token), "{said}");
        assert!(!said.contains("PRIVATE KEY"), "{said}");
    }
}
