//! Azure: Entra ID in all its forms, and shared access signatures.

use std::time::Duration;

use api::{ObjectKey, Provider, Secret};
use aws_lc_rs::signature::{RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use percent_encoding::percent_decode_str;
use providers::identity::AzureEnvironment;
use providers::{Identities, kinds};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Cloud, object_level, objects_with, owned};
use crate::github_app::key;

const SEND: &str = "POST https://fleet.servicebus.windows.net/flux-events/messages";
const LOGIN: &str = "POST https://login.microsoftonline.com/tenant-1/oauth2/v2.0/token";
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const SCOPE: &str = "https://eventhubs.azure.net//.default";

fn answers() -> Value {
    json!([
        {"path": "/tenant-1/oauth2/v2.0/token", "body": {"access_token": "minted", "expires_in": 3600}},
        {"path": "/tenant-1/oauth2/v2.0/token", "body": {"access_token": "again", "expires_in": 3600}},
        {"path": "/flux-events/messages", "status": 201},
    ])
}

fn event_hub(spec: &Value) -> Vec<Value> {
    let mut all = json!({"address": "flux-events", "channel": "fleet", "secretRef": null});
    for (name, value) in spec.as_object().unwrap() {
        all[name] = value.clone();
    }
    objects_with("azureeventhub", &all)
}

fn environment() -> AzureEnvironment {
    AzureEnvironment {
        tenant_id: Some("tenant-1".to_owned()),
        client_id: Some("client-1".to_owned()),
        ..AzureEnvironment::default()
    }
}

fn of_azure(azure: AzureEnvironment) -> Identities {
    Identities {
        azure,
        ..Identities::default()
    }
}

fn with_secret() -> Identities {
    of_azure(AzureEnvironment {
        client_secret: Some(Secret::new("s3cret".to_owned())),
        ..environment()
    })
}

#[tokio::test]
async fn a_client_secret_of_the_environment_comes_first() {
    let mut identities = with_secret();
    identities.azure.federated_token_file = Some("/nonexistent".into());
    identities.azure.authority_host = Some("https://login.microsoftonline.com".to_owned());
    let cloud = Cloud::new(&event_hub(&json!({})), identities, &answers(), &json!([]));
    assert_eq!(cloud.send().await, "delivered");
    assert_eq!(
        cloud.form(0),
        owned(&[
            ("client_id", "client-1"),
            ("client_secret", "s3cret"),
            ("grant_type", "client_credentials"),
            ("scope", SCOPE),
        ])
    );
    assert_eq!(
        cloud.calls(),
        [LOGIN.to_owned(), format!("{SEND} Bearer minted")]
    );
}

#[tokio::test]
async fn a_certificate_of_the_environment_signs_an_assertion_for_the_endpoint() {
    let certificate = testkit::Authority::new().issue(&["client-1"]).certificate;
    let folder = std::env::temp_dir().join(format!("fanfare-certificate-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("client.pem");
    std::fs::write(&file, format!("{}{certificate}", key().pem)).unwrap();
    let identities = of_azure(AzureEnvironment {
        client_certificate: Some(file.clone()),
        ..environment()
    });
    let cloud = Cloud::new(&event_hub(&json!({})), identities, &answers(), &json!([]));
    assert_eq!(cloud.send().await, "delivered");
    let form = cloud.form(0);
    let names: Vec<&str> = form.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "client_assertion",
            "client_assertion_type",
            "client_id",
            "grant_type",
            "scope"
        ]
    );
    let (signed, signature) = form[0].1.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, &key().public)
        .verify(signed.as_bytes(), &signature)
        .unwrap();
    let parts: Vec<Value> = signed
        .split('.')
        .map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap())
        .collect();
    let lines: String = certificate
        .lines()
        .filter(|line| !line.contains('-'))
        .collect();
    let thumbprint = Sha256::digest(STANDARD.decode(lines).unwrap());
    assert_eq!(parts[0]["alg"], "PS256");
    assert_eq!(parts[0]["x5t#S256"], URL_SAFE_NO_PAD.encode(thumbprint));
    let claims = &parts[1];
    let endpoint = "https://login.microsoftonline.com/tenant-1/oauth2/v2.0/token";
    assert_eq!(claims["aud"], endpoint);
    assert_eq!(
        (&claims["iss"], &claims["sub"]),
        (&json!("client-1"), &json!("client-1"))
    );
    assert_eq!(
        claims["exp"].as_i64().unwrap() - claims["nbf"].as_i64().unwrap(),
        660
    );

    for (content, wrong) in [
        (certificate.as_str(), "no RSA key"),
        (&key().pem, "no certificate"),
    ] {
        std::fs::write(&file, content).unwrap();
        cloud.bench.clock.advance(Duration::from_hours(1));
        let said = cloud.send().await;
        assert!(
            said.contains(wrong) && said.contains("AZURE_CLIENT_CERTIFICATE_PATH"),
            "{said}"
        );
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn a_federated_token_file_is_read_anew_for_every_token() {
    let folder = std::env::temp_dir().join(format!("fanfare-federated-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("token");
    let identities = of_azure(AzureEnvironment {
        federated_token_file: Some(file.clone()),
        authority_host: Some("https://login.microsoftonline.com/".to_owned()),
        ..environment()
    });
    let cloud = Cloud::new(&event_hub(&json!({})), identities, &answers(), &json!([]));
    for (index, content) in [(0, "projected-1"), (2, "projected-2")] {
        std::fs::write(&file, content).unwrap();
        assert_eq!(cloud.send().await, "delivered");
        assert_eq!(
            cloud.form(index),
            owned(&[
                ("client_assertion", content),
                ("client_assertion_type", ASSERTION),
                ("client_id", "client-1"),
                ("grant_type", "client_credentials"),
                ("scope", SCOPE),
            ])
        );
        cloud.bench.clock.advance(Duration::from_hours(1));
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn without_a_configuration_the_machines_managed_identity_is_used() {
    // Azure's metadata service writes numbers as texts.
    let metadata = json!([{"body": {"access_token": "managed", "expires_in": "86399"}}]);
    for (client, query) in [
        (None, ""),
        (Some("client-1".to_owned()), "&client_id=client-1"),
    ] {
        let identities = of_azure(AzureEnvironment {
            client_id: client,
            ..AzureEnvironment::default()
        });
        let cloud = Cloud::new(&event_hub(&json!({})), identities, &answers(), &metadata);
        assert_eq!(cloud.send().await, "delivered");
        assert_eq!(
            cloud.metadata_calls(),
            [format!(
                "GET http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01\
                 &resource=https%3A%2F%2Feventhubs.azure.net%2F{query}"
            )]
        );
        let asked = &cloud.metadata.sent()[0];
        assert_eq!(asked.request.headers["metadata"], "true");
        assert_eq!(cloud.calls(), [format!("{SEND} Bearer managed")]);
    }
}

#[tokio::test]
async fn a_service_account_vouches_for_its_application() {
    let objects = event_hub(&json!({"serviceAccountName": "sender"}));
    let cloud = Cloud::new(&objects, object_level(), &answers(), &json!([]));
    let account = ObjectKey::new("apps", "sender");
    cloud.accounts.set(
        account.clone(),
        &[
            ("azure.workload.identity/tenant-id", "tenant-1"),
            ("azure.workload.identity/client-id", "client-2"),
        ],
    );
    assert_eq!(cloud.send().await, "delivered");
    assert_eq!(
        cloud.form(0),
        owned(&[
            (
                "client_assertion",
                "token of apps/sender for api://AzureADTokenExchange"
            ),
            ("client_assertion_type", ASSERTION),
            ("client_id", "client-2"),
            ("grant_type", "client_credentials"),
            ("scope", SCOPE),
        ])
    );
    for (tenant, wrong) in [(None, "is missing"), (Some("../common?x="), "is no id")] {
        let mut annotations = vec![("azure.workload.identity/client-id", "client-2")];
        annotations.extend(tenant.map(|tenant| ("azure.workload.identity/tenant-id", tenant)));
        cloud.accounts.set(account.clone(), &annotations);
        let said = cloud.send().await;
        let expected = format!(
            "misconfigured: service account `apps/sender`: annotation \
             azure.workload.identity/tenant-id {wrong}"
        );
        assert!(said.starts_with(&expected), "{said}");
    }
    assert_eq!(cloud.calls().len(), 2);
}

#[tokio::test]
async fn namespaces_belong_to_the_cloud_that_the_environment_names() {
    for (channel, authority, host) in [
        ("fleet", None, "fleet.servicebus.windows.net"),
        (
            "fleet",
            Some("https://login.chinacloudapi.cn/"),
            "fleet.servicebus.chinacloudapi.cn",
        ),
        (
            "fleet",
            Some("https://login.microsoftonline.us/"),
            "fleet.servicebus.usgovcloudapi.net",
        ),
        (
            "Other.servicebus.windows.net",
            Some("https://login.microsoftonline.us/"),
            "other.servicebus.windows.net",
        ),
    ] {
        let mut identities = with_secret();
        identities.azure.authority_host = authority.map(str::to_owned);
        let objects = event_hub(&json!({"channel": channel}));
        let cloud = Cloud::new(&objects, identities, &answers(), &json!([]));
        assert_eq!(cloud.send().await, "delivered");
        let authority = authority.unwrap_or("https://login.microsoftonline.com/");
        assert_eq!(
            cloud.calls(),
            [
                format!("POST {authority}tenant-1/oauth2/v2.0/token"),
                format!("POST https://{host}/flux-events/messages Bearer minted")
            ]
        );
    }
}

#[tokio::test]
async fn tokens_of_an_identity_stay_within_azure() {
    let objects = event_hub(&json!({"channel": "fleet.servicebus.example.com"}));
    let cloud = Cloud::new(&objects, with_secret(), &answers(), &json!([]));
    let said = cloud.send().await;
    assert!(
        said.starts_with("misconfigured: spec.channel: tokens of Entra ID"),
        "{said}"
    );

    for address in [
        "https://devops.example.com/org/project/_git/repo",
        "http://org.visualstudio.com.example.com/project/_git/repo",
        "https://dev.azure.com.example.com/org/project/_git/repo",
    ] {
        let objects = objects_with(
            "azuredevops",
            &json!({"address": address, "secretRef": null}),
        );
        let cloud = Cloud::new(&objects, with_secret(), &answers(), &json!([]));
        let said = cloud.send().await;
        assert!(
            said.contains("azure devops token cannot be empty"),
            "{said}"
        );
        assert!(cloud.calls().is_empty(), "{address}");
    }
}

#[tokio::test]
async fn azure_devops_takes_a_token_of_entra_like_a_personal_one_and_gets_a_new_one_once() {
    let statuses = "/octo/platform/_apis/git/repositories/fleet-infra/commits/731f7eaddfb6af01cb2173e18f0f75b0ba780ef1/statuses";
    let mut responses = answers();
    responses.as_array_mut().unwrap().extend([
        json!({"method": "OPTIONS", "body": {"value": [{"area": "git", "resourceName": "statuses"}]}}),
        json!({"method": "GET", "path": statuses, "body": {"value": []}}),
        json!({"method": "POST", "path": statuses, "status": 203, "body": "<html>sign in</html>"}),
        json!({"method": "POST", "path": statuses, "status": 201, "body": {"id": 1}}),
    ]);
    let objects = objects_with("azuredevops", &json!({"secretRef": null}));
    let cloud = Cloud::new(&objects, with_secret(), &responses, &json!([]));
    assert_eq!(cloud.send().await, "delivered");
    assert_eq!(
        cloud.form(0)[3].1,
        "499b84ac-1321-427f-aa17-267ca6975798/.default"
    );
    let credentials: Vec<String> = cloud
        .calls()
        .iter()
        .filter_map(|call| Some(call.split_once(" Basic ")?.1.to_owned()))
        .map(|pair| String::from_utf8(STANDARD.decode(pair).unwrap()).unwrap())
        .collect();
    assert_eq!(credentials, [":minted", ":minted", ":minted", ":again"]);
}

/// HMAC by its definition (RFC 2104), from another library than the product's.
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    assert!(key.len() <= 64);
    let padded = |with: u8| {
        let mut block = [with; 64];
        for (byte, key) in block.iter_mut().zip(key) {
            *byte ^= key;
        }
        block
    };
    let inner = Sha256::new()
        .chain_update(padded(0x36))
        .chain_update(text)
        .finalize();
    Sha256::new()
        .chain_update(padded(0x5c))
        .chain_update(inner)
        .finalize()
        .to_vec()
}

#[tokio::test]
async fn a_shared_access_signature_is_what_the_service_computes_and_expires_soon() {
    let objects = objects_with("azureeventhub", &json!({}));
    let cloud = Cloud::new(&objects, Identities::default(), &json!([]), &json!([]));
    for expiry in ["1709630711", "1709634311"] {
        assert_eq!(cloud.send().await, "delivered");
        let sent = cloud.transport.sent();
        let header = sent.last().unwrap().request.headers["authorization"]
            .to_str()
            .unwrap();
        let parts = header.strip_prefix("SharedAccessSignature ").unwrap();
        let part = |name: &str| {
            let found = parts.split('&').find_map(|part| part.strip_prefix(name));
            found.unwrap()
        };
        let decoded = |text: &str| percent_decode_str(text).decode_utf8().unwrap().into_owned();
        assert_eq!(part("se="), expiry);
        assert_eq!(part("skn="), "send");
        assert_eq!(
            decoded(part("sr=")),
            "https://fleet.servicebus.windows.net/flux-events"
        );
        let signed = format!("{}\n{expiry}", part("sr="));
        let expected = hmac(b"Zml4dHVyZU5vdEFLZXk=", signed.as_bytes());
        assert_eq!(decoded(part("sig=")), STANDARD.encode(expected));
        cloud.bench.clock.advance(Duration::from_hours(1));
    }
}

#[tokio::test]
async fn ways_to_log_in_that_exclude_each_other_are_named_in_the_same_words_everywhere() {
    let connection = "Endpoint=sb://fleet.servicebus.windows.net/;SharedAccessKeyName=send;\
                      SharedAccessKey=Zml4dHVyZU5vdEFLZXk=;EntityPath=flux-events";
    let in_secret = json!({});
    let named = json!({"address": "flux-events", "channel": "fleet"});
    let account = |spec: &Value| {
        let mut spec = spec.clone();
        spec["serviceAccountName"] = json!("sender");
        spec
    };
    for (spec, secret, expected) in [
        (
            account(&in_secret),
            json!({"address": connection}),
            "serviceAccountName and SAS authentication cannot be set at the same time",
        ),
        (
            in_secret,
            json!({"address": connection, "token": "jwt-value"}),
            "jwt token and SAS authentication cannot be set at the same time",
        ),
        (
            account(&named),
            json!({"token": "jwt-value"}),
            "serviceAccountName and jwt token authentication cannot be set at the same time",
        ),
    ] {
        let mut objects = objects_with("azureeventhub", &spec);
        objects[1]["stringData"] = secret;
        let cloud = Cloud::new(&objects, object_level(), &answers(), &json!([]));
        let said = cloud.send().await;
        let expected = format!("invalid authentication options: {expected}");
        assert!(
            said.starts_with("misconfigured: ") && said.contains(&expected),
            "{said}"
        );
        assert!(cloud.calls().is_empty());
    }
    let spec = json!({"address": connection, "serviceAccountName": "sender", "secretRef": null});
    let object = objects_with("azureeventhub", &spec)[0].clone();
    let problems = (kinds::find("azureeventhub").unwrap().check)(&Provider::from_object(
        std::sync::Arc::new(object),
    ));
    assert_eq!(
        problems[0].message,
        "invalid authentication options: serviceAccountName and SAS authentication cannot be set at the same time"
    );
}

#[test]
fn a_fixed_token_is_called_deprecated_by_the_check() {
    let spec = json!({"address": "flux-events", "channel": "fleet"});
    let object = objects_with("azureeventhub", &spec)[0].clone();
    let provider = Provider::from_object(std::sync::Arc::new(object));
    let problems = (kinds::find("azureeventhub").unwrap().check)(&provider);
    assert_eq!(problems.len(), 1);
    assert!(!problems[0].is_error());
    assert!(problems[0].message.contains("deprecated"));
}
