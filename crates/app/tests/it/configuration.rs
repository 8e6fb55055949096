//! Changes of the folder while it runs.

use testkit::{Answer, HttpSink};

use crate::support::{ALERT, Folder, event, provider, secret};

#[tokio::test(flavor = "multi_thread")]
async fn changes_take_effect_and_broken_ones_do_not() {
    let (first, second) = (HttpSink::start().await, HttpSink::start().await);
    let folder = Folder::for_sink(&first);
    let fanfare = folder.start(&[]);
    assert_eq!(fanfare.post(&event("a", 1)).await, 202);
    first.wait_for(1).await;

    folder.write("provider.yaml", "kind: Provider\nspec: [this is no map");
    fanfare.wait_for_log("provider.yaml");
    assert_eq!(fanfare.post(&event("a", 2)).await, 202);
    first.wait_for(2).await;

    folder.write(
        "provider.yaml",
        &provider("generic", &second.url("/hook"), ""),
    );
    // The change is in force when a new event goes the new way.
    let mut number = 3;
    while second.requests().is_empty() {
        assert_eq!(fanfare.post(&event("a", number)).await, 202);
        number += 1;
        assert!(
            number < 10_000,
            "the change never took effect\n{}",
            fanfare.log()
        );
        tokio::task::yield_now().await;
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// T44: what waits for a Secret goes out when the Secret comes, without a touch.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_comes_later_heals_what_waits_for_it() {
    let sink = HttpSink::start().await;
    let folder = Folder::new();
    folder.write("alert.yaml", ALERT);
    folder.write(
        "provider.yaml",
        &provider("generic-hmac", &sink.url("/"), "  secretRef: {name: key}\n"),
    );
    let fanfare = folder.start(&[]);
    assert_eq!(fanfare.post(&event("a", 1)).await, 202);
    let parked = folder.wait_for_deliveries("parked", 1);
    let detail = parked[0]["last"]["detail"].as_str().unwrap();
    assert!(detail.contains("apps/key"), "{detail}");
    folder.write("secret.yaml", &secret("key", &[("token", "s3cr3t")]));
    let seen = sink.wait_for(1).await;
    assert!(seen[0].header("x-signature").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_credential_heals_what_was_refused() {
    let sink = HttpSink::start().await;
    sink.answer_by(|request| match request.header("authorization") {
        Some("Bearer new-token") => Answer::with_body(200, "{\"ok\":true}"),
        _ => Answer::status(401),
    });
    let folder = Folder::new();
    folder.write("alert.yaml", ALERT);
    folder.write(
        "provider.yaml",
        &provider("slack", &sink.url("/"), "  secretRef: {name: bot}\n"),
    );
    folder.write("secret.yaml", &secret("bot", &[("token", "old-token")]));
    let fanfare = folder.start(&[]);
    assert_eq!(fanfare.post(&event("a", 1)).await, 202);
    folder.wait_for_deliveries("parked", 1);
    folder.write("secret.yaml", &secret("bot", &[("token", "new-token")]));
    folder.wait_for_deliveries("delivered", 1);
}
