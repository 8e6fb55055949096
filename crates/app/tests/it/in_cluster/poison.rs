//! Objects that break the reference for a whole cluster.

use testkit::HttpSink;

use super::setting::{Setting, address, event, plane, provider_and_alert, wait_for_ready};

/// In the reference, after the next restart, nobody in the cluster is notified of anything any more,
/// while its probe says that all is well.
#[tokio::test(flavor = "multi_thread")]
async fn a_timeout_of_9999999999m_disables_only_its_own_provider() {
    let Some(plane) = plane() else { return };
    let namespace = plane.namespace();
    let sink = HttpSink::start().await;
    namespace.apply(&address("fine", &sink.url("/fine")));
    namespace.apply(&provider_and_alert("fine"));
    namespace.apply(
        "apiVersion: notification.toolkit.fluxcd.io/v1beta3
kind: Provider
metadata: {name: poisoned}
spec: {type: generic, address: 'https://example.com', timeout: 9999999999m}
",
    );
    let setting = Setting::new(namespace.name(), plane.kubeconfig());
    for number in 1..=2 {
        let fanfare = setting.start_and_read();
        let message = wait_for_ready(&namespace, "provider", "poisoned", "False");
        assert_eq!(
            message,
            "spec.timeout: the duration `9999999999m` is too long"
        );
        wait_for_ready(&namespace, "provider", "fine", "True");
        assert_eq!(fanfare.post(&event(namespace.name(), number)).await, 202);
        sink.wait_for(number).await;
        assert_eq!(fanfare.terminate().0, Some(0));
    }
}

/// The same with a Receiver, which the reference cannot read any more either.
#[tokio::test(flavor = "multi_thread")]
async fn an_interval_of_9999999999m_disables_only_its_own_receiver() {
    let Some(plane) = plane() else { return };
    let namespace = plane.namespace();
    let sink = HttpSink::start().await;
    namespace.apply(&address("fine", &sink.url("/fine")));
    namespace.apply(&provider_and_alert("fine"));
    namespace.apply(
        "apiVersion: v1
kind: Secret
metadata: {name: token}
stringData: {token: secret}
---
apiVersion: notification.toolkit.fluxcd.io/v1
kind: Receiver
metadata: {name: poisoned}
spec: {type: generic, interval: 9999999999m, secretRef: {name: token}, resources: []}
---
apiVersion: notification.toolkit.fluxcd.io/v1
kind: Receiver
metadata: {name: fine}
spec: {type: generic, secretRef: {name: token}, resources: []}
",
    );
    let setting = Setting::new(namespace.name(), plane.kubeconfig());
    for number in 1..=2 {
        let fanfare = setting.start_and_read();
        wait_for_ready(&namespace, "receiver", "fine", "True");
        let message = wait_for_ready(&namespace, "receiver", "poisoned", "False");
        assert!(message.contains("9999999999m"), "{message}");
        assert_eq!(fanfare.post(&event(namespace.name(), number)).await, 202);
        sink.wait_for(number).await;
        assert_eq!(fanfare.terminate().0, Some(0));
    }
}
