//! Google Cloud: keys, other issuers, the metadata server, ServiceAccounts.

use std::time::Duration;

use api::ObjectKey;
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use providers::Identities;
use providers::identity::GoogleEnvironment;
use serde_json::{Value, json};

use super::{Cloud, object_level, objects_with, owned};
use crate::github_app::key;

const PUBLISH: &str =
    "POST https://pubsub.googleapis.com/v1/projects/my-project/topics/flux-events:publish";
const TOKEN: &str = "POST https://oauth2.googleapis.com/token";
const SCOPES: &str =
    "https://www.googleapis.com/auth/cloud-platform https://www.googleapis.com/auth/userinfo.email";

/// Everything succeeds; tokens live for an hour and say how they came to be.
fn answers() -> Value {
    json!([
        {"host": "oauth2.googleapis.com", "body": {"access_token": "first", "expires_in": 3600}},
        {"host": "oauth2.googleapis.com", "body": {"access_token": "second", "expires_in": 3600}},
        {"host": "sts.googleapis.com", "body": {"access_token": "exchanged", "expires_in": 3600}},
        {"host": "iamcredentials.googleapis.com",
         "body": {"accessToken": "impersonated", "expireTime": "<<now+1h>>"}},
        {"host": "pubsub.googleapis.com", "body": {"messageIds": ["1"]}},
    ])
}

fn service_account_key() -> Value {
    json!({
        "type": "service_account",
        "project_id": "my-project",
        "private_key_id": "key-1",
        "private_key": key().pem,
        "client_email": "sender@my-project.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    })
}

fn with_token(token: &Value) -> Vec<Value> {
    let mut objects = objects_with("googlepubsub", &json!({}));
    objects[1]["stringData"] = json!({"token": token.to_string()});
    objects
}

fn with_key() -> Cloud {
    let objects = with_token(&service_account_key());
    Cloud::new(&objects, Identities::default(), &answers(), &json!([]))
}

fn without_secret(spec: &Value) -> Vec<Value> {
    let mut spec = spec.clone();
    spec["secretRef"] = Value::Null;
    objects_with("googlepubsub", &spec)
}

#[tokio::test]
async fn a_service_account_key_signs_an_assertion_for_pubsub_only() {
    let cloud = with_key();
    assert_eq!(cloud.send().await, "delivered");
    assert_eq!(
        cloud.calls(),
        [TOKEN.to_owned(), format!("{PUBLISH} Bearer first")]
    );
    let form = cloud.form(0);
    assert_eq!(
        form[1],
        (
            "grant_type".to_owned(),
            "urn:ietf:params:oauth:grant-type:jwt-bearer".to_owned()
        )
    );
    assert_eq!(form.len(), 2);
    let jwt = &form[0].1;
    let (signed, signature) = jwt.rsplit_once('.').unwrap();
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &key().public)
        .verify(
            signed.as_bytes(),
            &URL_SAFE_NO_PAD.decode(signature).unwrap(),
        )
        .unwrap();
    let part = |index: usize| -> Value {
        let part = jwt.split('.').nth(index).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    assert_eq!(
        part(0),
        json!({"alg": "RS256", "typ": "JWT", "kid": "key-1"})
    );
    // The clock of the tests stands at 1709629811.
    assert_eq!(
        part(1),
        json!({
            "iss": "sender@my-project.iam.gserviceaccount.com",
            "aud": "https://oauth2.googleapis.com/token",
            "scope": "https://www.googleapis.com/auth/pubsub",
            "iat": 1_709_629_801,
            "exp": 1_709_633_401,
        })
    );
}

#[tokio::test]
async fn a_token_is_used_again_until_80_percent_of_its_life_are_over() {
    let cloud = with_key();
    for (minutes, bearer) in [(0, "first"), (47, "first"), (1, "second"), (47, "second")] {
        cloud.bench.clock.advance(Duration::from_mins(minutes));
        assert_eq!(cloud.send().await, "delivered");
        let calls = cloud.calls();
        let last = calls.last().unwrap();
        assert_eq!(last, &format!("{PUBLISH} Bearer {bearer}"), "{minutes}");
    }
    let calls = cloud.calls();
    assert_eq!(calls.iter().filter(|call| *call == TOKEN).count(), 2);
}

#[tokio::test]
async fn a_rotated_secret_gets_a_new_token_at_once() {
    let cloud = with_key();
    assert_eq!(cloud.send().await, "delivered");
    let mut rotated = service_account_key();
    rotated["private_key_id"] = json!("key-2");
    cloud.bench.secrets.apply(&with_token(&rotated)[1]);
    assert_eq!(cloud.send().await, "delivered");
    assert_eq!(
        cloud.calls()[2..],
        [TOKEN.to_owned(), format!("{PUBLISH} Bearer second")]
    );
}

#[tokio::test]
async fn a_kept_token_that_is_not_taken_any_more_is_replaced_once() {
    let unauthorized = json!({"host": "pubsub.googleapis.com", "status": 401});
    let delivered = json!({"host": "pubsub.googleapis.com", "body": {"messageIds": ["1"]}});
    let mut responses = answers();
    let list = responses.as_array_mut().unwrap();
    list.pop();
    list.extend([
        delivered.clone(),
        unauthorized.clone(),
        delivered,
        unauthorized,
    ]);
    let objects = with_token(&service_account_key());
    let cloud = Cloud::new(&objects, Identities::default(), &responses, &json!([]));
    assert_eq!(cloud.send().await, "delivered");
    assert_eq!(cloud.send().await, "delivered");
    assert_eq!(
        cloud.calls()[2..],
        [
            format!("{PUBLISH} Bearer first"),
            TOKEN.to_owned(),
            format!("{PUBLISH} Bearer second")
        ]
    );
    // One that was minted just now is not worth another try.
    let hours = Duration::from_hours(2);
    cloud.bench.clock.advance(hours);
    let said = cloud.send().await;
    assert!(
        said.starts_with("misconfigured: the service answered 401"),
        "{said}"
    );
    assert_eq!(cloud.calls().len(), 7);
}

#[tokio::test]
async fn another_issuers_token_is_fetched_exchanged_and_used_to_pose() {
    let mut responses = answers();
    responses.as_array_mut().unwrap().insert(
        0,
        json!({"host": "issuer.example.com", "body": {"jwt": "from-the-issuer"}}),
    );
    let token = json!({
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
        "token_url": "https://sts.googleapis.com/v1/token",
        "service_account_impersonation_url":
            "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/s@p.iam.gserviceaccount.com:generateAccessToken",
        "credential_source": {
            "url": "https://issuer.example.com/token",
            "headers": {"Authorization": "Basic abc"},
            "format": {"type": "json", "subject_token_field_name": "jwt"},
        },
    });
    let cloud = Cloud::new(
        &with_token(&token),
        Identities::default(),
        &responses,
        &json!([]),
    );
    assert_eq!(cloud.send().await, "delivered");
    let impersonate = "POST https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/s@p.iam.gserviceaccount.com:generateAccessToken";
    assert_eq!(
        cloud.calls(),
        [
            "GET https://issuer.example.com/token Basic abc".to_owned(),
            "POST https://sts.googleapis.com/v1/token".to_owned(),
            format!("{impersonate} Bearer exchanged"),
            format!("{PUBLISH} Bearer impersonated"),
        ]
    );
    assert_eq!(
        cloud.form(1),
        owned(&[
            ("audience", token["audience"].as_str().unwrap()),
            (
                "grant_type",
                "urn:ietf:params:oauth:grant-type:token-exchange"
            ),
            (
                "requested_token_type",
                "urn:ietf:params:oauth:token-type:access_token"
            ),
            ("scope", "https://www.googleapis.com/auth/cloud-platform"),
            ("subject_token", "from-the-issuer"),
            (
                "subject_token_type",
                "urn:ietf:params:oauth:token-type:id_token"
            ),
        ])
    );
    let posed: Value = serde_json::from_slice(&cloud.transport.sent()[2].request.body).unwrap();
    assert_eq!(
        posed,
        json!({"scope": ["https://www.googleapis.com/auth/pubsub"]})
    );
    assert!(cloud.metadata_calls().is_empty());
}

#[tokio::test]
async fn the_machines_own_identity_comes_from_the_metadata_server() {
    let metadata = json!([{"body": {"access_token": "of-the-machine", "expires_in": 3599}}]);
    let objects = without_secret(&json!({}));
    let cloud = Cloud::new(&objects, Identities::default(), &answers(), &metadata);
    assert_eq!(cloud.send().await, "delivered");
    let url = "http://169.254.169.254/computeMetadata/v1/instance/service-accounts/default/token";
    let scopes = "https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fcloud-platform%2C\
                  https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fuserinfo.email";
    assert_eq!(
        cloud.metadata_calls(),
        [format!("GET {url}?scopes={scopes}")]
    );
    let asked = &cloud.metadata.sent()[0];
    assert_eq!(asked.request.headers["metadata-flavor"], "Google");
    assert_eq!(cloud.calls(), [format!("{PUBLISH} Bearer of-the-machine")]);
}

#[tokio::test]
async fn a_credentials_file_of_the_operator_is_read_when_a_token_is_needed() {
    let folder = std::env::temp_dir().join(format!("fanfare-credentials-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (file, subject) = (folder.join("adc.json"), folder.join("subject"));
    std::fs::write(&subject, "subject-token\n").unwrap();
    let json = json!({
        "type": "external_account",
        "audience": "//iam.googleapis.com/x",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": "https://sts.googleapis.com/v1/token",
        "credential_source": {"file": subject},
    });
    std::fs::write(&file, json.to_string()).unwrap();
    let identities = Identities {
        google: GoogleEnvironment {
            credentials_file: Some(file.clone()),
        },
        ..Identities::default()
    };
    let objects = without_secret(&json!({}));
    let cloud = Cloud::new(&objects, identities, &answers(), &json!([]));
    assert_eq!(cloud.send().await, "delivered");
    let form = cloud.form(0);
    assert_eq!(form[3], ("scope".to_owned(), SCOPES.to_owned()));
    assert_eq!(
        form[4],
        ("subject_token".to_owned(), "subject-token".to_owned())
    );

    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(cloud.send().await, "delivered", "the token is still good");
    cloud.bench.clock.advance(Duration::from_hours(1));
    let said = cloud.send().await;
    assert_eq!(
        said,
        format!(
            "misconfigured: file `{}` cannot be read: entity not found",
            file.display()
        )
    );
}

#[tokio::test]
async fn a_service_account_of_a_gke_cluster_is_exchanged_by_the_clusters_own_pool() {
    let metadata = json!([
        {"path": "/computeMetadata/v1/project/project-id", "body": "my-project"},
        {"path": "/computeMetadata/v1/instance/attributes/cluster-location", "body": "europe-west1\n"},
        {"path": "/computeMetadata/v1/instance/attributes/cluster-name", "body": "prod"},
    ]);
    let objects = without_secret(&json!({"serviceAccountName": "sender"}));
    let cloud = Cloud::new(&objects, object_level(), &answers(), &metadata);
    cloud.accounts.set(ObjectKey::new("apps", "sender"), &[]);
    assert_eq!(cloud.send().await, "delivered");
    assert_eq!(
        cloud.form(0),
        owned(&[
            (
                "audience",
                "identitynamespace:my-project.svc.id.goog:https://container.googleapis.com/v1/projects/my-project/locations/europe-west1/clusters/prod"
            ),
            (
                "grant_type",
                "urn:ietf:params:oauth:grant-type:token-exchange"
            ),
            (
                "requested_token_type",
                "urn:ietf:params:oauth:token-type:access_token"
            ),
            ("scope", SCOPES),
            (
                "subject_token",
                "token of apps/sender for my-project.svc.id.goog"
            ),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
        ])
    );
    assert_eq!(
        cloud.calls(),
        [
            "POST https://sts.googleapis.com/v1/token".to_owned(),
            format!("{PUBLISH} Bearer exchanged")
        ]
    );
}

#[tokio::test]
async fn annotations_name_another_pool_and_a_google_service_account() {
    let objects = without_secret(&json!({"serviceAccountName": "sender"}));
    let cloud = Cloud::new(&objects, object_level(), &answers(), &json!([]));
    let account = ObjectKey::new("apps", "sender");
    let pool = "projects/123/locations/global/workloadIdentityPools/my-pool/providers/my-k8s";
    let email = "sender@my-project.iam.gserviceaccount.com";
    cloud.accounts.set(
        account.clone(),
        &[
            ("gcp.auth.fluxcd.io/workload-identity-provider", pool),
            ("iam.gke.io/gcp-service-account", email),
        ],
    );
    assert_eq!(cloud.send().await, "delivered");
    let form = cloud.form(0);
    assert_eq!(form[0].1, format!("//iam.googleapis.com/{pool}"));
    assert_eq!(
        form[4].1,
        format!("token of apps/sender for //iam.googleapis.com/{pool}")
    );
    assert_eq!(
        cloud.calls()[1..],
        [
            format!(
                "POST https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{email}:generateAccessToken Bearer exchanged"
            ),
            format!("{PUBLISH} Bearer impersonated")
        ]
    );
    assert!(cloud.metadata_calls().is_empty());
    // Other annotations are another identity.
    let pool = [("gcp.auth.fluxcd.io/workload-identity-provider", pool)];
    cloud.accounts.set(account, &pool);
    assert_eq!(cloud.send().await, "delivered");
    assert_eq!(cloud.calls()[4], format!("{PUBLISH} Bearer exchanged"));
}

#[tokio::test]
async fn credentials_of_the_secret_win_over_a_service_account() {
    let mut objects = with_token(&service_account_key());
    objects[0]["spec"]["serviceAccountName"] = json!("missing");
    let cloud = Cloud::new(&objects, object_level(), &answers(), &json!([]));
    assert_eq!(cloud.send().await, "delivered");
    assert_eq!(cloud.calls()[0], TOKEN);
}

#[tokio::test]
async fn what_is_missing_is_named_in_the_same_words_by_the_check_and_by_a_delivery() {
    for (spec, words) in [
        (json!({"address": null}), "GCP project ID cannot be empty"),
        (
            json!({"address": "../other"}),
            "is no id of a Google Cloud project",
        ),
        (
            json!({"channel": null}),
            "GCP Pub/Sub topic ID cannot be empty",
        ),
    ] {
        let mut objects = without_secret(&spec);
        let provider = api::Provider::from_object(std::sync::Arc::new(objects[0].clone()));
        let problems = (providers::kinds::find("googlepubsub").unwrap().check)(&provider);
        assert_eq!(problems[0].message, words);

        // With a Secret that may hold the address, only the delivery can tell.
        objects[0]["spec"]["secretRef"] = json!({"name": "pubsub-credentials"});
        let address = &spec["address"];
        objects[1]["stringData"] = if address.is_string() {
            objects[0]["spec"]
                .as_object_mut()
                .unwrap()
                .remove("address");
            json!({"address": address})
        } else {
            json!({"token": service_account_key().to_string()})
        };
        let cloud = Cloud::new(&objects, Identities::default(), &answers(), &json!([]));
        let said = cloud.send().await;
        assert!(
            said.starts_with("misconfigured: ") && said.contains(words),
            "{said}"
        );
        assert!(cloud.calls().is_empty());
    }
}

#[tokio::test]
async fn attributes_stay_within_the_limits_of_the_service() {
    let long_value = "v".repeat(1025);
    let many: Vec<String> = (0..101).map(|number| format!("name-{number}: v")).collect();
    for (headers, words) in [
        (format!("name: {long_value}"), "more than 1024 bytes"),
        (many.join("\n"), "at most 100 attributes"),
        ("googclient: v".to_owned(), "do not begin with `goog`"),
        (format!("{}: v", "n".repeat(257)), "1 to 256 bytes"),
    ] {
        let mut objects = with_token(&service_account_key());
        objects[1]["stringData"]["headers"] = json!(headers);
        let cloud = Cloud::new(&objects, Identities::default(), &answers(), &json!([]));
        let said = cloud.send().await;
        assert!(
            said.starts_with("misconfigured: ") && said.contains(words),
            "{said}"
        );
    }
}

#[tokio::test]
async fn an_answer_without_a_message_id_proves_nothing() {
    let responses = json!([
        {"host": "oauth2.googleapis.com", "body": {"access_token": "first", "expires_in": 3600}},
        {"host": "pubsub.googleapis.com", "body": "<html>welcome</html>"},
    ]);
    let objects = with_token(&service_account_key());
    let cloud = Cloud::new(&objects, Identities::default(), &responses, &json!([]));
    let said = cloud.send().await;
    assert!(
        said.starts_with("server_fault: the answer names no message id"),
        "{said}"
    );
}
