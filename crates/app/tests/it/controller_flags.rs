//! The command line of `controller`, which is the reference's.

use std::process::Output;

use crate::support::{fanfare, text};

/// A run that ends by itself: nothing listens where the API server should be, but a namespace is
/// missing before that matters.
fn ends(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(
        &kubeconfig,
        r#"{"apiVersion":"v1","kind":"Config","current-context":"c",
           "clusters":[{"name":"c","cluster":{"server":"http://127.0.0.1:1"}}],
           "users":[{"name":"c","user":{}}],
           "contexts":[{"name":"c","context":{"cluster":"c","user":"c"}}]}"#,
    )
    .unwrap();
    let mut command = fanfare(&["controller"]);
    command
        .args(arguments)
        .args([
            "--events-addr=127.0.0.1:0",
            "--health-addr=127.0.0.1:0",
            "--metrics-addr=0",
            "--watch-all-namespaces=false",
        ])
        .env("KUBECONFIG", &kubeconfig)
        .env("FANFARE_DATA_DIR", folder.path().join("data"))
        .env_remove("RUNTIME_NAMESPACE");
    command.output().unwrap()
}

#[test]
fn every_flag_of_the_reference_is_taken_in_any_order_and_the_last_one_counts() {
    let output = ends(&[
        "--watch-all-namespaces",
        "--log-level=info",
        "--log-encoding=json",
        "--enable-leader-election",
        "--receiverAddr=:9393",
        "--receiverAddr",
        ":9292",
        "--concurrent=8",
        "--rate-limit-interval=-5m",
        "--export-http-path-metrics=T",
        "--watch-configs-label-selector=",
        "--kube-api-qps=20.5",
        "--kube-api-burst=30",
        "--leader-election-release-on-cancel=0",
        "--leader-election-lease-duration=1h5m0.5s",
        "--leader-election-renew-deadline",
        "30s",
        "--leader-election-retry-period=5s",
        "--no-cross-namespace-refs=FALSE",
        "--min-retry-delay=750ms",
        "--max-retry-delay=15m0s",
        "--feature-gates=ObjectLevelWorkloadIdentity=true,DisableConfigWatchers=false",
        "--token-cache-max-size=-1",
        "--token-cache-max-duration=30m",
        "--default-service-account=default",
    ]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("RUNTIME_NAMESPACE, which is not set or empty"),
        "{said}"
    );
}

#[test]
fn unknown_flags_and_bad_values_are_wrong_usage() {
    for flag in [
        "--watch-label-selector=a",
        "--kubeconfig=x",
        "--enable-leader-election=maybe",
        "--log-level=warn",
        "--rate-limit-interval=soon",
        "--concurrent=many",
    ] {
        let output = ends(&[flag]);
        assert_eq!(output.status.code(), Some(2), "{flag}");
    }
}

#[test]
fn unknown_feature_gates_and_identity_without_its_gate_are_failures() {
    let output = ends(&["--feature-gates=Sharding=true"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("unable to load feature gates"), "{said}");
    let output = ends(&["--default-service-account=x"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains(
            "cannot set default service accounts when the feature gate \
             ObjectLevelWorkloadIdentity is not enabled"
        ),
        "{said}"
    );
}
