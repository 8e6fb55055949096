//! Objects that Receivers name: read and annotated, and what failures mean.

use std::collections::BTreeMap;

use api::{ObjectKey, ObjectReference};
use cluster::{MetadataReader, ReconcileRequests};
use domain::ports::{ObjectError, ReconcileRequest, ReconcileRequester as _, Resources as _};
use jiff::Timestamp;
use serde_json::json;

use crate::fake_kube::{FakeKube, REPOSITORIES};

fn object(kind: &str, name: &str) -> ObjectReference {
    ObjectReference {
        api_version: "source.toolkit.fluxcd.io/v1".to_owned(),
        kind: kind.to_owned(),
        namespace: "a".to_owned(),
        name: name.to_owned(),
        ..ObjectReference::default()
    }
}

fn request(object: ObjectReference) -> ReconcileRequest {
    ReconcileRequest {
        object,
        at: Timestamp::constant(1_790_000_000, 123_000_000),
        receiver: ObjectKey::new("a", "hook"),
    }
}

fn small() -> FakeKube {
    let kube = FakeKube::default();
    kube.apply(
        REPOSITORIES,
        json!({"metadata": {"name": "app", "namespace": "a"}, "spec": {"url": "x"}}),
    );
    kube
}

async fn ask(kube: &FakeKube, object: ObjectReference) -> Result<(), ObjectError> {
    let requests = ReconcileRequests::new(&MetadataReader::new(kube.client()));
    requests.request(&request(object)).await
}

#[tokio::test(start_paused = true)]
async fn asking_sets_the_annotation_and_nothing_else() {
    let kube = small();
    ask(&kube, object("GitRepository", "app")).await.unwrap();
    let annotations = json!({"reconcile.fluxcd.io/requestedAt": "2026-09-21T14:13:20.123Z"});
    assert_eq!(
        kube.bodies(REPOSITORIES.split("/git").next().unwrap()),
        [json!({"metadata": {"annotations": annotations}})]
    );
    assert!(kube.requests("PATCH")[0].contains("fieldManager=fanfare"));
}

#[tokio::test(start_paused = true)]
async fn filters_see_version_kind_and_metadata_and_kinds_are_asked_for_once() {
    let kube = small();
    let reader = MetadataReader::new(kube.client());
    for _ in 0..3 {
        let found = reader.get(&object("GitRepository", "app")).await.unwrap();
        assert_eq!(found["kind"], "GitRepository");
        assert_eq!(found["metadata"]["name"], "app");
        assert_eq!(found.get("spec"), None);
    }
    let labels = BTreeMap::from([("team".to_owned(), "shop".to_owned())]);
    let like = object("GitRepository", "");
    assert_eq!(reader.list(&like, &labels, 7).await.unwrap().len(), 1);
    let asked = kube.requests("labelSelector=team%3Dshop");
    assert!(asked[0].contains("limit=7"), "{asked:?}");
    assert_eq!(
        kube.requests("GET /apis/source.toolkit.fluxcd.io/v1?")
            .len(),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn failures_say_whether_it_may_work_later() {
    use ObjectError::{NotFound, Refused, Unavailable};
    let kube = small();
    for absent in [object("GitRepository", "gone"), object("Nonsense", "app")] {
        assert_eq!(ask(&kube, absent).await, Err(NotFound));
    }
    for (status, is_temporary) in [
        (401, true),
        (403, false),
        (409, true),
        (422, false),
        (429, true),
        (500, true),
        (503, true),
    ] {
        kube.fail("PATCH", "/apis", status, 1);
        let error = ask(&kube, object("GitRepository", "app"))
            .await
            .unwrap_err();
        let is_as_expected = match error {
            Unavailable(_) => is_temporary,
            Refused(_) => !is_temporary,
            NotFound => false,
        };
        assert!(is_as_expected, "{status}: {error:?}");
    }
    kube.fail("GET", "/apis/source", 503, 1);
    let error = ask(&kube, object("GitRepository", "app")).await;
    assert!(matches!(error, Err(Unavailable(_))), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn names_that_lead_elsewhere_and_kinds_without_namespaces_are_refused() {
    let kube = small();
    let named = |name: &str| object("GitRepository", name);
    let in_namespace = |namespace: &str| ObjectReference {
        namespace: namespace.to_owned(),
        ..named("app")
    };
    let of_version = |version: &str| ObjectReference {
        api_version: version.to_owned(),
        ..named("app")
    };
    for refused in [
        named("../secrets/x"),
        named(""),
        in_namespace("a/secrets/x?"),
        of_version("../v1"),
        of_version("source.toolkit.fluxcd.io/../x"),
        object("Mirror", "app"),
    ] {
        let error = ask(&kube, refused.clone()).await;
        assert!(
            matches!(error, Err(ObjectError::Refused(_))),
            "{refused:?}: {error:?}"
        );
    }
    assert!(kube.requests("PATCH").is_empty());
}
