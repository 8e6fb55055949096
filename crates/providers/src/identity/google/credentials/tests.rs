//! What credentials may say, by who wrote them.

use serde_json::json;

use super::*;

fn refusal(json: &Value, origin: Origin) -> String {
    Credentials::parse(&json.to_string(), origin)
        .err()
        .expect("a refusal")
        .to_string()
}

fn external(source: &Value) -> Value {
    json!({
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "credential_source": source,
    })
}

fn user(endpoint: &str) -> Value {
    json!({
        "type": "authorized_user", "client_id": "id", "client_secret": "s3cret-value",
        "refresh_token": "r3fresh-value", "token_uri": endpoint,
    })
}

#[test]
fn credentials_of_a_secret_go_to_google_only() {
    for elsewhere in [
        "http://oauth2.googleapis.com/token",
        "https://oauth2.googleapis.com:8443/token",
        "https://oauth2.googleapis.com.example.com/token",
        "https://googleapis.com.example.com/",
        "https://evilgoogleapis.com/token",
        "https://me@oauth2.googleapis.com/token",
        "https://169.254.169.254/token",
        "file:///etc/passwd",
        "",
    ] {
        let said = refusal(&user(elsewhere), Origin::Secret);
        assert!(said.contains("`token_uri` must be"), "{elsewhere}: {said}");
        assert!(
            !said.contains("s3cret") && !said.contains("r3fresh"),
            "{said}"
        );

        let mut other = external(&json!({"url": "https://issuer.example.com/token"}));
        other["token_url"] = json!(elsewhere);
        let said = refusal(&other, Origin::Secret);
        assert!(said.contains("`token_url` must be"), "{said}");
        other["token_url"] = json!("https://sts.googleapis.com/v1/token");
        other["service_account_impersonation_url"] = json!(elsewhere);
        let said = refusal(&other, Origin::Secret);
        assert!(
            said.contains("`service_account_impersonation_url`"),
            "{said}"
        );
    }
    for google in [
        "https://oauth2.googleapis.com/token",
        "https://accounts.google.com/o/oauth2/token",
        "https://www.googleapis.com/oauth2/v4/token",
    ] {
        assert!(Credentials::parse(&user(google).to_string(), Origin::Secret).is_ok());
    }
    let private = user("https://oauth2.private-cloud.example.com/token");
    assert!(Credentials::parse(&private.to_string(), Origin::Operator).is_ok());
}

#[test]
fn a_secret_never_makes_us_read_files_or_run_programs() {
    for source in [
        json!({"file": "/var/run/secrets/kubernetes.io/serviceaccount/token"}),
        json!({"executable": {"command": "/bin/sh -c id"}}),
        json!({"environment_id": "aws1", "regional_cred_verification_url": "https://sts.amazonaws.com"}),
        json!({"certificate": {"use_default_certificate_config": true}}),
        json!({"url": "https://issuer.example.com", "file": "/etc/passwd"}),
        json!({}),
    ] {
        let said = refusal(&external(&source), Origin::Secret);
        assert!(
            said.contains("`credential_source` in a Secret must be a `url`"),
            "{said}"
        );
    }
    for url in [
        "http://issuer.example.com/token",
        "file:///etc/passwd",
        "http://169.254.169.254/x",
        "https://169.254.169.254/x",
    ] {
        let said = refusal(&external(&json!({"url": url})), Origin::Secret);
        assert!(said.contains("`credential_source.url` must"), "{said}");
    }
    let file = external(&json!({"file": "/var/run/token"}));
    assert!(Credentials::parse(&file.to_string(), Origin::Operator).is_ok());
    let program = external(&json!({"executable": {"command": "/bin/true"}}));
    assert!(refusal(&program, Origin::Operator).contains("programs"));
}

#[test]
fn what_is_missing_is_named() {
    for (json, expected) in [
        (json!("text"), "`type` must be"),
        (
            json!({"type": "impersonated_service_account"}),
            "`type` must be",
        ),
        (
            json!({"type": "service_account"}),
            "`client_email` and `private_key`",
        ),
        (
            json!({"type": "service_account", "client_email": "a@b", "private_key": "no key"}),
            "`private_key` is no RSA key in PEM",
        ),
        (json!({"type": "authorized_user"}), "`refresh_token`"),
        (json!({"type": "external_account"}), "`audience`"),
    ] {
        let said = refusal(&json, Origin::Secret);
        assert!(said.contains(expected), "{said}");
    }
    let said = Credentials::parse("s3cret-value", Origin::Secret)
        .err()
        .unwrap()
        .to_string();
    assert!(
        said.contains("expected JSON") && !said.contains("s3cret"),
        "{said}"
    );
}
