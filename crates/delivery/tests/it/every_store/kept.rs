//! Calls of Receivers that wait until they can be answered for.

use api::ObjectKey;
use domain::ports::KeepError;
use domain::receiver::kept::{MOST_CALLS_OF_ONE, NewKeptCall};

use crate::setting::{Place, at};

fn call(name: &str, content: Option<&str>) -> NewKeptCall {
    NewKeptCall {
        receiver: ObjectKey::new("team", name),
        receiver_uid: "u-1".to_owned(),
        content: content.map(str::to_owned),
        accepted_at: at(0),
        due_at: at(2),
    }
}

pub(crate) async fn keeps_a_call_over_a_crash(place: &dyn Place) {
    let store = place.open();
    store.keep(call("hook", Some("{}"))).await.unwrap();
    let store = place.after_crash().open();
    let due = store.due_calls(at(2), 10).await.unwrap();
    assert_eq!(due.len(), 1);
    assert_eq!(due[0].receiver, ObjectKey::new("team", "hook"));
    assert_eq!(due[0].receiver_uid, "u-1");
    assert_eq!(due[0].content.as_deref(), Some("{}"));
    assert_eq!((due[0].accepted_at, due[0].attempts), (at(0), 0));
}

pub(crate) async fn keeps_a_call_without_content_once(place: &dyn Place) {
    let store = place.open();
    let first = store.keep(call("hook", None)).await.unwrap();
    for _ in 0..4 {
        assert_eq!(store.keep(call("hook", None)).await, Ok(first));
    }
    assert_ne!(store.keep(call("other", None)).await, Ok(first));
    store.keep(call("hook", Some("1"))).await.unwrap();
    let last = store.keep(call("hook", Some("1"))).await.unwrap();
    assert_eq!(store.due_calls(at(2), 10).await.unwrap().len(), 4);
    store.forget(last).await.unwrap();
    assert_eq!(store.due_calls(at(2), 10).await.unwrap().len(), 3);
}

pub(crate) async fn hands_calls_out_when_they_are_due(place: &dyn Place) {
    let store = place.open();
    store.keep(call("first", None)).await.unwrap();
    store.keep(call("second", None)).await.unwrap();
    assert!(store.due_calls(at(1), 10).await.unwrap().is_empty());
    let due = store.due_calls(at(2), 1).await.unwrap();
    assert_eq!(due.len(), 1);
    assert_eq!(due[0].receiver.name, "first");
    store.postpone(due[0].id, at(60)).await.unwrap();
    let due = store.due_calls(at(2), 10).await.unwrap();
    assert_eq!(due.len(), 1);
    assert_eq!(due[0].receiver.name, "second");
    let due = store.due_calls(at(60), 10).await.unwrap();
    assert_eq!(due.len(), 2);
    assert_eq!(
        (due[1].receiver.name.as_str(), due[1].attempts),
        ("first", 1)
    );
}

pub(crate) async fn forgets_a_call(place: &dyn Place) {
    let store = place.open();
    store.keep(call("hook", None)).await.unwrap();
    let due = store.due_calls(at(2), 10).await.unwrap();
    store.forget(due[0].id).await.unwrap();
    store.forget(due[0].id).await.unwrap();
    assert!(store.due_calls(at(99), 10).await.unwrap().is_empty());
    store.keep(call("hook", None)).await.unwrap();
    let again = store.due_calls(at(2), 10).await.unwrap();
    assert_ne!(again[0].id, due[0].id, "an id is given once");
}

pub(crate) async fn keeps_a_bounded_number_of_calls_of_one_receiver(place: &dyn Place) {
    let store = place.open();
    for index in 0..MOST_CALLS_OF_ONE {
        let content = index.to_string();
        store.keep(call("greedy", Some(&content))).await.unwrap();
    }
    assert_eq!(
        store.keep(call("greedy", Some("more"))).await,
        Err(KeepError::Full)
    );
    assert!(store.keep(call("modest", Some("x"))).await.is_ok());
}

pub(crate) async fn keeps_no_calls_when_it_is_closed(place: &dyn Place) {
    let store = place.open();
    store.close().await;
    assert!(matches!(
        store.keep(call("hook", None)).await,
        Err(KeepError::Failed(_))
    ));
}
