//! The identity that the environment gives to the process, from the variables to the cloud.

use testkit::{Answer, Authority, HttpProxy, HttpSink};

use crate::support::{ALERT, Fanfare, Folder, event, provider};

#[tokio::test(flavor = "multi_thread")]
async fn a_client_secret_in_the_environment_logs_in_to_event_hubs_through_the_proxy() {
    let authority = Authority::new();
    let hosts = ["login.microsoftonline.com", "fleet.servicebus.windows.net"];
    let sink = HttpSink::start_tls(&authority.issue(&hosts), None).await;
    sink.answer_by(|request| match request.target.as_str() {
        "/tenant-1/oauth2/v2.0/token" => Answer::with_body(
            200,
            r#"{"access_token": "minted-value", "expires_in": "3600"}"#,
        ),
        _ => Answer::with_body(403, r#"{"told": "minted-value"}"#),
    });
    let proxy = HttpProxy::start(sink.address(), None).await;
    let folder = Folder::new();
    folder.write("alert.yaml", ALERT);
    folder.write(
        "provider.yaml",
        &provider("azureeventhub", "flux-events", "  channel: fleet\n"),
    );
    let mut command = folder.command(&["--token-cache-max-duration=10m0s"]);
    command
        .env("HTTPS_PROXY", format!("http://{}", proxy.address()))
        .env(
            "SSL_CERT_FILE",
            folder.file("authority.pem", &authority.pem),
        )
        .env("AZURE_TENANT_ID", "tenant-1")
        .env("AZURE_CLIENT_ID", "client-1")
        .env("AZURE_CLIENT_SECRET", "s3cret-value")
        .env_remove("AZURE_AUTHORITY_HOST");
    let fanfare = Fanfare::start(command);
    assert_eq!(fanfare.post(&event("a", 1)).await, 202);
    let parked = folder.wait_for_deliveries("parked", 1);
    let detail = parked[0]["last"]["detail"].as_str().unwrap();
    assert_eq!(
        detail,
        "the service answered 403 Forbidden: {\"told\": \"*****\"}"
    );
    let requests = sink.requests();
    let form = String::from_utf8_lossy(&requests[0].body).into_owned();
    assert_eq!(
        form,
        "client_id=client-1&client_secret=s3cret-value&grant_type=client_credentials\
         &scope=https%3A%2F%2Feventhubs.azure.net%2F%2F.default"
    );
    assert_eq!(requests[1].target, "/flux-events/messages");
    assert_eq!(
        requests[1].header("authorization"),
        Some("Bearer minted-value")
    );
    assert!(proxy.asked().iter().all(|seen| seen.method == "CONNECT"));

    // A change of the Provider sends what is parked.
    sink.answer(Answer::status(201));
    let more = "  channel: fleet\n  timeout: 20s\n";
    folder.write(
        "provider.yaml",
        &provider("azureeventhub", "flux-events", more),
    );
    folder.wait_for_deliveries("delivered", 1);
    assert_eq!(sink.requests().len(), 3, "the token is used again");
}
