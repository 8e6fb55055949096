//! Vectors of `event-server.md` sections 3 and 4.1.

use api::ObjectReference;

use super::*;

const GROUP: &str = "kustomize.toolkit.fluxcd.io";

fn event(name: &str, message: &str, metadata: &[(&str, &str)]) -> Event {
    Event {
        involved_object: ObjectReference {
            api_version: format!("{GROUP}/v1"),
            kind: "Kustomization".into(),
            name: name.into(),
            namespace: if name == "foo" {
                "bar".into()
            } else {
                name.into()
            },
            ..ObjectReference::default()
        },
        message: message.into(),
        metadata: metadata
            .iter()
            .map(|(key, value)| (format!("{GROUP}/{key}"), (*value).to_owned()))
            .collect(),
        ..Event::default()
    }
}

#[test]
fn keys_equal_those_of_the_reference() {
    let key = |event| CleanEvent::from_wire(event).unwrap().1.to_string();
    assert_eq!(
        key(event("foo", "hello", &[])),
        "2c0fee9f2fba74cb5b216b596da2f540895b0d2a08744523dbb1b56d539405c1"
    );
    assert_eq!(
        key(event("4", "Health check passed", &[("revision", "rev1")])),
        "a6d4d07208eb68fd001f2c24e31c95ef2bbb499facedcbf56f892a5329a4f071"
    );
    assert_eq!(
        key(event(
            "4",
            "Health check passed",
            &[("token", "t"), ("originRevision", "o"), ("revision", "r")]
        )),
        "023d604571ea9c476bdc8b1fe854cb91704c850668f769b06eb3f0be39ba8a6a"
    );
}

#[test]
fn foreign_metadata_checksums_and_the_token_are_removed() {
    let mut wire = event(
        "foo",
        "m",
        &[
            ("foo", "1"),
            ("aa/bb", "2"),
            ("Checksum", "x"),
            ("digest", "x"),
            ("token", "x"),
        ],
    );
    for key in [
        "source.toolkit.fluxcd.io/baz",
        "foo",
        "event.toolkit.fluxcd.io/baz",
    ] {
        wire.metadata.insert(key.into(), "3".into());
    }
    let (clean, _) = CleanEvent::from_wire(wire).unwrap();
    let keys: Vec<_> = clean.event().metadata.keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "event.toolkit.fluxcd.io/baz",
            "kustomize.toolkit.fluxcd.io/aa/bb",
            "kustomize.toolkit.fluxcd.io/foo"
        ]
    );
}

#[test]
fn what_names_no_object_is_refused() {
    assert_eq!(
        CleanEvent::from_wire(Event::default()),
        Err(Refused::NoKind)
    );
    let mut nameless = event("x", "m", &[]);
    nameless.involved_object.name.clear();
    assert_eq!(CleanEvent::from_wire(nameless), Err(Refused::NoName));
}
