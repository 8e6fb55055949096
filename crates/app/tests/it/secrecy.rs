//! Planted secrets are nowhere but in the requests they are for.

use testkit::secrets::{leaks, marked};
use testkit::{Answer, HttpSink};

use crate::support::{ALERT, Folder, all_bytes, event, provider, run, secret, text};

/// T36.
#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_the_store_the_log_the_metrics_or_what_is_shown() {
    let sink = HttpSink::start().await;
    // The destination repeats what it was sent, as some do in their errors.
    sink.answer_by(|request| {
        let echo = format!("{} {:?}", request.target, request.headers);
        Answer::with_body(500, echo)
    });
    let folder = Folder::new();
    folder.write("alert.yaml", ALERT);
    folder.write(
        "provider.yaml",
        &provider(
            "generic",
            "http://unused.example.com/",
            "  secretRef: {name: all}\n",
        ),
    );
    let address = sink.url(&format!("/hook/{}?key={}", marked("path"), marked("query")));
    folder.write(
        "secret.yaml",
        &secret(
            "all",
            &[
                ("address", &address),
                ("token", &marked("token")),
                ("headers", &format!("X-Api-Key: {}", marked("header"))),
            ],
        ),
    );
    let fanfare = folder.start(&["--log-level=debug"]);
    assert_eq!(fanfare.post(&event("a", 1)).await, 202);
    let seen = sink.wait_for(2).await;
    assert!(!leaks(&seen[0].target).is_empty(), "the secret is used");
    let shown = text(
        &run(&[
            "queue",
            "show",
            "1",
            "--data-dir",
            &folder.data().display().to_string(),
        ])
        .stdout,
    );
    let metrics = fanfare.metrics().await;
    let log = fanfare.log();
    assert!(log.contains("500"), "the failure is logged\n{log}");
    fanfare.terminate();
    let store = text(&all_bytes(&folder.data()));
    assert!(store.contains("number 1"), "the event is stored");
    for (place, content) in [
        ("show", shown),
        ("metrics", metrics),
        ("log", log),
        ("store", store),
    ] {
        assert_eq!(leaks(&content), Vec::<String>::new(), "{place}");
    }
}
