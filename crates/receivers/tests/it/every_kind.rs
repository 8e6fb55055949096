//! What all types must obey.

use proptest::prelude::*;
use receivers::kind::Proof;
use receivers::kinds;

use crate::support::{Setting, call, spec_of};

#[test]
fn the_list_is_sorted_and_the_schema_knows_the_same_types() {
    let names: Vec<&str> = kinds::ALL.iter().map(|kind| kind.name).collect();
    let mut schema = api::schema::RECEIVER_TYPES.to_vec();
    schema.sort_unstable();
    assert_eq!(names, schema);
    let with_events: Vec<&str> = kinds::ALL
        .iter()
        .filter(|kind| kind.event.is_some())
        .map(|kind| kind.name)
        .collect();
    assert_eq!(with_events, domain::receiver::EVENT_TYPES);
}

#[test]
fn every_type_has_a_page_with_an_example_of_itself() {
    for kind in kinds::ALL {
        let example = format!("//!   type: {}\n", kind.name);
        assert!(kind.page.contains(&example), "{}", kind.name);
    }
}

#[tokio::test]
async fn a_call_without_any_proof_is_refused_where_there_is_one() {
    for kind in kinds::ALL {
        let setting = Setting::new(&spec_of(kind.name));
        let status = setting.call(call(&[], "{}")).await;
        if matches!(kind.proof, Proof::Path) {
            assert!(status == 200 || status == 400, "{}: {status}", kind.name);
        } else {
            assert_eq!(status, 400, "{}", kind.name);
        }
        assert!(setting.outside.requested().is_empty(), "{}", kind.name);
    }
}

/// Header values and bodies that come near to what types look at.
fn nearly() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,40}",
        "sha(1|256|512)=[0-9a-f]{0,128}",
        "Bearer [A-Za-z0-9_-]{0,20}\\.[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,20}",
        "(application/json|application/x-www-form-urlencoded|text/plain)(; ?[a-z=\";]{0,9})?",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn nothing_that_is_sent_makes_any_type_panic(
        values in prop::collection::vec(nearly(), 12),
        body in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..300).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
            "[\\[\\]{}\",:0-9a-z=&%+]{0,80}",
            Just("{\"context\":{\"type\":\"dev.cdevents.change.merged.0.2.0\",\"links\":[{}]},\"subject\":1}".to_owned()),
        ],
    ) {
        const NAMES: [&str; 12] = [
            "content-type", "authorization", "x-signature", "x-hub-signature-256",
            "x-hub-signature", "x-gitlab-token", "x-nexus-webhook-signature", "ce-type",
            "x-github-event", "x-event-key", "x-gitlab-event", "x-github-delivery",
        ];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let pairs: Vec<(&str, &str)> = NAMES.iter().copied().zip(values.iter().map(String::as_str)).collect();
        for kind in kinds::ALL {
            let setting = Setting::new(&spec_of(kind.name));
            let status = runtime.block_on(setting.call(call(&pairs, &body)));
            prop_assert!([200, 400].contains(&status), "{}: {}", kind.name, status);
        }
    }
}
