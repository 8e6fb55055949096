//! Whatever JSON an object is, its neighbours in a list are read, and so are its own parts that can be.

use api::ObjectKey;
use kube::core::{ObjectList, WatchEvent};
use proptest::prelude::{
    Just, ProptestConfig, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest,
};
use serde_json::{Value, json};

use super::RawObject;

/// Any JSON, with the words in it that mean something to us.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    let key = prop_oneof![
        Just("metadata".to_owned()),
        Just("name".to_owned()),
        Just("namespace".to_owned()),
        Just("uid".to_owned()),
        Just("resourceVersion".to_owned()),
        Just("generation".to_owned()),
        Just("finalizers".to_owned()),
        Just("deletionTimestamp".to_owned()),
        Just("annotations".to_owned()),
        Just("status".to_owned()),
        ".{0,8}",
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn odd_objects_leave_their_neighbours_readable(odd in anything(), metadata in anything()) {
        let fine = json!({"metadata": {"name": "fine", "namespace": "b"}, "spec": {"a": 1}});
        let list = json!({
            "apiVersion": "v1", "kind": "AlertList", "metadata": {"resourceVersion": "9"},
            "items": [odd, {"metadata": metadata, "spec": {}}, fine],
        });
        let list: ObjectList<RawObject> = serde_json::from_str(&list.to_string()).unwrap();
        prop_assert_eq!(list.items.len(), 3);
        for object in &list.items {
            let (observed, _) = object.read();
            prop_assert_eq!(observed.key, object.key().unwrap_or_default());
        }
        let (observed, read) = list.items[2].read();
        prop_assert_eq!(observed.key, ObjectKey::new("b", "fine"));
        prop_assert_eq!(read.unwrap()["spec"]["a"].clone(), json!(1));
    }

    #[test]
    fn odd_objects_do_not_break_a_watch(odd in anything()) {
        // The server names the type first, and reading relies on it.
        let line = format!(r#"{{"type":"MODIFIED","object":{odd}}}"#);
        let event: WatchEvent<RawObject> = serde_json::from_str(&line).unwrap();
        prop_assert!(matches!(event, WatchEvent::Modified(_)));
    }
}
