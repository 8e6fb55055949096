//! The manifests of the guide that everybody starts from load as they are.

use std::path::Path;

use api::ObjectKey;
use domain::ports::SecretReader as _;
use futures::FutureExt as _;
use standalone::{Current, Source, directory};

use crate::folder::Kinds;

#[test]
fn the_guide_loads_untouched() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/guide");
    let configuration = directory::read(&Source::new(folder), &Kinds);
    assert_eq!(configuration.problems(), []);
    let catalog = configuration.catalog();
    let alerts: Vec<_> = catalog
        .alerts()
        .iter()
        .map(|alert| alert.key.to_string())
        .collect();
    assert_eq!(
        alerts,
        ["flux-system/on-call-webapp", "flux-system/podinfo"]
    );
    for name in ["slack", "flux-system"] {
        let key = ObjectKey::new("flux-system", name);
        assert!(catalog.provider(&key).unwrap().valid().is_some(), "{name}");
    }
    let current = Current::new(configuration);
    let secret = |name: &str, field: &str| {
        let key = ObjectKey::new("flux-system", name);
        let secret = current.read(&key).now_or_never().unwrap().unwrap().unwrap();
        String::from_utf8(secret.data.get(field).unwrap().expose().clone()).unwrap()
    };
    assert_eq!(
        secret("slack-url", "address"),
        "https://hooks.slack.com/services/YOUR/SLACK/WEBHOOK"
    );
    assert!(secret("github", "token").starts_with("ghp_0123456789"));
}
