//! Who is found by which path, and until when.

use api::Receiver;
use domain::receiver::ReceiverRules;
use serde_json::json;

use super::*;

const OVERLAP: Duration = Duration::from_mins(10);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

fn receiver(namespace: &str, name: &str) -> Arc<ValidReceiver> {
    let object = json!({
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"type": "github", "resources": [], "secretRef": {"name": "s"}},
    });
    let receiver = Receiver::from_object(Arc::new(object));
    let checked = ValidReceiver::validate(&receiver, ReceiverRules::default());
    Arc::new(checked.validated.value.unwrap())
}

fn credentials(receiver: &ValidReceiver, token: &str) -> Credentials {
    let secret = [("token", token)].into_iter().collect();
    Credentials::from_secret(&receiver.key, Arc::new(secret)).unwrap()
}

fn service(table: &Table, credentials: &Credentials, now: Timestamp) -> Option<Service> {
    let found = table.find(&credentials.digest(), now);
    found.first().map(|found| found.service)
}

#[test]
fn a_former_token_counts_for_the_overlap() {
    let table = Table::new(OVERLAP);
    let receiver = receiver("apps", "hook");
    let (old, new) = (credentials(&receiver, "old"), credentials(&receiver, "new"));
    table.serve(receiver.clone(), old.clone(), at(0));
    table.serve(receiver.clone(), new.clone(), at(10));
    // Seeing the same again changes nothing.
    table.serve(receiver, new.clone(), at(20));
    assert_eq!(service(&table, &new, at(20)), Some(Service::Ready));
    assert_eq!(service(&table, &old, at(20)), Some(Service::Ready));
    let found = table.find(&old.digest(), at(20)).remove(0);
    let tokens: Vec<_> = found.credentials.iter().map(Credentials::token).collect();
    assert_eq!(tokens, [b"new", b"old"]);
    assert_eq!(service(&table, &old, at(609)), Some(Service::Ready));
    assert_eq!(service(&table, &old, at(610)), None);
    assert_eq!(service(&table, &new, at(610)), Some(Service::Ready));
}

#[test]
fn without_overlap_a_former_token_counts_no_more() {
    let table = Table::new(Duration::ZERO);
    let receiver = receiver("apps", "hook");
    let (old, new) = (credentials(&receiver, "old"), credentials(&receiver, "new"));
    table.serve(receiver.clone(), old.clone(), at(0));
    table.serve(receiver, new.clone(), at(1));
    assert_eq!(service(&table, &old, at(1)), None);
    assert_eq!(service(&table, &new, at(1)), Some(Service::Ready));
}

#[test]
fn a_token_that_comes_back_is_the_current_one() {
    let table = Table::new(OVERLAP);
    let receiver = receiver("apps", "hook");
    let (first, second) = (credentials(&receiver, "1"), credentials(&receiver, "2"));
    table.serve(receiver.clone(), first.clone(), at(0));
    table.serve(receiver.clone(), second.clone(), at(1));
    table.serve(receiver, first.clone(), at(2));
    assert_eq!(service(&table, &first, at(9999)), Some(Service::Ready));
    assert_eq!(service(&table, &second, at(3)), Some(Service::Ready));
}

#[test]
fn former_tokens_are_bounded() {
    let table = Table::new(OVERLAP);
    let receiver = receiver("apps", "hook");
    let all: Vec<_> = (0..10)
        .map(|number| credentials(&receiver, &number.to_string()))
        .collect();
    for credentials in &all {
        table.serve(receiver.clone(), credentials.clone(), at(0));
    }
    let known = all
        .iter()
        .filter(|known| service(&table, known, at(1)).is_some());
    assert_eq!(known.count(), 1 + MOST_FORMER);
    assert_eq!(table.inner.read().unwrap().paths.len(), 1 + MOST_FORMER);
}

#[test]
fn a_receiver_that_cannot_be_used_keeps_its_path() {
    let table = Table::new(OVERLAP);
    let receiver = receiver("apps", "hook");
    let token = credentials(&receiver, "t");
    table.serve(receiver.clone(), token.clone(), at(0));
    table.hold(&receiver.key);
    assert_eq!(service(&table, &token, at(1)), Some(Service::NotReady));
    table.lose_token(&receiver.key, at(2));
    assert_eq!(service(&table, &token, at(3)), Some(Service::NotReady));
    assert_eq!(service(&table, &token, at(602)), None);
    table.remove(&receiver.key);
    assert_eq!(service(&table, &token, at(3)), None);
    assert!(table.keys().is_empty());
}

#[test]
fn equal_paths_of_two_receivers_find_both() {
    let table = Table::new(OVERLAP);
    let (left, right) = (receiver("c", "ab"), receiver("bc", "a"));
    let token = credentials(&left, "token");
    table.serve(left.clone(), token.clone(), at(0));
    table.serve(right.clone(), credentials(&right, "token"), at(0));
    assert_eq!(table.find(&token.digest(), at(0)).len(), 2);
    table.remove(&left.key);
    assert_eq!(table.find(&token.digest(), at(0)).len(), 1);
}

#[test]
fn an_empty_token_is_no_credential() {
    let secret: SecretData = [("token", "")].into_iter().collect();
    let key = ObjectKey::new("a", "b");
    assert!(Credentials::from_secret(&key, Arc::new(secret)).is_none());
    assert!(Credentials::from_secret(&key, Arc::default()).is_none());
}

#[test]
fn nothing_shows_paths_or_tokens() {
    let receiver = receiver("apps", "hook");
    let token = credentials(&receiver, "hunter2");
    let table = Table::new(OVERLAP);
    table.serve(receiver, token.clone(), at(0));
    let shown = format!("{token:?} {:?}", table.find(&token.digest(), at(0)));
    assert!(!shown.contains("hunter2"));
    let path = token.digest().webhook_path();
    assert!(!shown.contains(path.trim_start_matches("/hook/")));
}

/// Who is put in is served at once; only what is not found stays open.
#[test]
fn a_table_that_is_to_be_filled_serves_who_is_in_it_and_is_complete_when_told() {
    let table = Table::to_be_filled(OVERLAP);
    assert!(!table.is_complete());
    let receiver = receiver("apps", "hook");
    let token = credentials(&receiver, "t");
    assert_eq!(service(&table, &token, at(0)), None);
    table.serve(receiver.clone(), token.clone(), at(0));
    assert_eq!(service(&table, &token, at(0)), Some(Service::Ready));
    assert!(!table.is_complete(), "there may be others");
    table.remove(&receiver.key);
    assert!(!table.is_complete());
    table.all_are_known();
    assert!(table.is_complete());
    table.serve(receiver, token.clone(), at(1));
    assert!(table.is_complete(), "once known, always known");
    let full = Table::new(OVERLAP);
    assert!(full.is_complete());
}

/// The overlap is that of [`Table::new`].
#[test]
fn a_table_that_is_to_be_filled_keeps_former_tokens_as_long() {
    let table = Table::to_be_filled(OVERLAP);
    let receiver = receiver("apps", "hook");
    let (old, new) = (credentials(&receiver, "old"), credentials(&receiver, "new"));
    table.serve(receiver.clone(), old.clone(), at(0));
    table.serve(receiver, new, at(10));
    assert_eq!(service(&table, &old, at(609)), Some(Service::Ready));
    assert_eq!(service(&table, &old, at(610)), None);
}
