//! A Provider that lacks something says so in `check` and in the failed delivery, in the same words.

use std::sync::Arc;

use api::Provider;
use domain::delivery::FailureClass;
use domain::{Outcome, ValidProvider};
use outbound::HttpRequest;
use providers::Directory;
use serde_json::{Value, json};

use crate::every_kind::exchange;
use crate::fixtures;

/// Type, what is taken away or changed, and the words that name what is expected.
fn cases() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        (
            "telegram",
            json!({"channel": null}),
            "spec.channel: empty Telegram channel",
        ),
        (
            "telegram",
            json!({"channel": ":7"}),
            "expected a chat such as -1001234567890 or @name",
        ),
        (
            "telegram",
            json!({"secretRef": null}),
            "spec.secretRef: empty Telegram token: put the bot's token into the key `token` of the Secret",
        ),
        (
            "webex",
            json!({"secretRef": null}),
            "spec.secretRef: the access token is missing: put the bot's token into the key `token` of the Secret",
        ),
        (
            "zulip",
            json!({"channel": null}),
            "spec.channel: invalid Zulip channel format, expected <channel>/<topic>, got ''",
        ),
        (
            "zulip",
            json!({"channel": "general"}),
            "expected <channel>/<topic>, got 'general'",
        ),
        (
            "ntfy",
            json!({"channel": null}),
            "spec.channel: no topic: set spec.channel, or let the address end with the topic",
        ),
        (
            "ntfy",
            json!({"channel": "two words"}),
            "expected at most 64 letters, digits, `-` and `_`",
        ),
        ("googlechat", json!({"secretRef": null}), "spec.address: "),
        ("lark", json!({"secretRef": null}), "spec.address: "),
        ("mattermost", json!({"secretRef": null}), "spec.address: "),
    ]
}

/// Merges changes into a Provider's specification; `null` takes a field away.
fn changed(object: &Value, changes: &Value) -> Value {
    let mut object = object.clone();
    let spec = object["spec"].as_object_mut().unwrap();
    for (field, value) in changes.as_object().unwrap() {
        if value.is_null() {
            spec.remove(field);
        } else {
            spec.insert(field.clone(), value.clone());
        }
    }
    object
}

async fn failure_of(kind: &str, objects: Vec<Value>) -> (Vec<HttpRequest>, String) {
    let mut fixture = fixtures::delivered(kind);
    fixture.objects = objects;
    let (requests, outcome) = exchange(&fixture, &fixture.event, Vec::new()).await;
    let Outcome::Failed(failure) = outcome else {
        panic!("{kind} was sent");
    };
    assert_eq!(failure.class, FailureClass::Misconfigured, "{kind}");
    (requests, failure.detail)
}

#[tokio::test]
async fn check_and_delivery_say_the_same() {
    for (kind, changes, words) in cases() {
        let mut objects = fixtures::delivered(kind).objects;
        objects[0] = changed(&objects[0], &changes);
        let provider = Provider::from_object(Arc::new(objects[0].clone()));
        let problems = ValidProvider::validate(&provider, &Directory).problems;
        let problem = problems.iter().find(|problem| problem.is_error());
        let problem = problem.unwrap_or_else(|| panic!("{kind} {changes} passed"));
        let text = problem.to_string();
        assert!(text.contains(words), "{kind}: {text}");
        let (requests, said) = failure_of(kind, objects).await;
        assert!(requests.is_empty(), "{kind}");
        assert!(said.contains(&text), "{kind}: {said}, in check {text}");
    }
}

#[tokio::test]
async fn a_key_that_is_missing_in_the_secret_is_named_as_check_names_it() {
    for (kind, words) in [
        (
            "telegram",
            "empty Telegram token: put the bot's token into the key `token` of the Secret",
        ),
        (
            "webex",
            "the access token is missing: put the bot's token into the key `token` of the Secret",
        ),
    ] {
        for secret in [json!({}), json!({"token": ""}), json!({"token": "\n"})] {
            let mut objects = fixtures::delivered(kind).objects;
            objects[1]["stringData"] = secret;
            let (requests, said) = failure_of(kind, objects).await;
            assert!(requests.is_empty(), "{kind}");
            assert!(said.ends_with(words), "{kind}: {said}");
        }
    }
}

#[tokio::test]
async fn a_telegram_token_that_is_none_is_refused_without_being_shown() {
    for token in ["12:AA/../x", "12 34", "12:AA?x=y", "12:ÄÄ"] {
        let mut objects = fixtures::delivered("telegram").objects;
        objects[1]["stringData"]["token"] = json!(token);
        let (requests, said) = failure_of("telegram", objects).await;
        assert!(requests.is_empty());
        assert!(said.contains("is no Telegram token"), "{said}");
        assert!(!said.contains(token), "{said}");
    }
}

#[tokio::test]
async fn half_a_pair_of_user_name_and_password_is_told() {
    for kind in ["zulip", "ntfy"] {
        for (given, missing) in [("username", "password"), ("password", "username")] {
            let mut objects = fixtures::delivered(kind).objects;
            objects[1]["stringData"] = json!({given: "something"});
            let (requests, said) = failure_of(kind, objects).await;
            assert!(requests.is_empty(), "{kind}");
            let words = format!("put it into the key `{missing}`");
            assert!(
                said.contains(&words) && !said.contains("something"),
                "{kind}: {said}"
            );
        }
    }
}
