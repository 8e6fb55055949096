//! What statuses look like.

use super::super::facts::Counts;
use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

fn observed(status: Value) -> Observed {
    Observed {
        generation: 3,
        status,
        ..Observed::default()
    }
}

fn condition<'a>(status: &'a Value, kind: &str) -> Option<&'a Value> {
    let conditions = status["conditions"].as_array().unwrap();
    conditions.iter().find(|condition| is_type(condition, kind))
}

#[test]
fn a_healthy_object_says_what_the_reference_said() {
    let status = desired(&observed(Value::Null), &Ok(()), None, at(0));
    assert_eq!(
        status,
        json!({
            "observedGeneration": 3,
            "conditions": [{
                "type": "Ready", "status": "True", "reason": "Succeeded", "message": "Initialized",
                "lastTransitionTime": "2026-09-21T14:13:20Z", "observedGeneration": 3,
            }],
        })
    );
    let again = desired(&observed(status.clone()), &Ok(()), None, at(500));
    assert_eq!(again, status, "nothing to write");
}

#[test]
fn what_only_the_user_can_heal_is_stalled_and_that_does_not_stay() {
    let fault = Fault {
        is_final: true,
        ..Fault::heals("ValidationFailed", "spec.type: is required")
    };
    let broken = desired(&observed(Value::Null), &Err(fault), None, at(0));
    assert_eq!(condition(&broken, "Ready").unwrap()["status"], "False");
    assert_eq!(condition(&broken, "Stalled").unwrap()["status"], "True");
    let healed = desired(&observed(broken.clone()), &Ok(()), None, at(60));
    assert_eq!(condition(&healed, "Stalled"), None);
    assert_eq!(
        condition(&healed, "Ready").unwrap()["lastTransitionTime"],
        "2026-09-21T14:14:20Z"
    );
    assert!(is_urgent(&broken, &healed));
}

#[test]
fn what_others_wrote_stays_and_what_old_controllers_left_goes() {
    let status = json!({
        "observedGeneration": -1,
        "lastHandledReconcileAt": "then",
        "conditions": [
            {"type": "Checked", "status": "True", "reason": "x", "message": "", "lastTransitionTime": "t"},
            {"type": "Reconciling", "status": "True", "reason": "x", "message": "", "lastTransitionTime": "t"},
        ],
    });
    let after = desired(&observed(status.clone()), &Ok(()), None, at(0));
    assert!(condition(&after, "Checked").is_some());
    assert!(condition(&after, "Reconciling").is_none());
    let patch = patch(&status, &after);
    assert_eq!(patch.get("lastHandledReconcileAt"), None);
    assert_eq!(patch["observedGeneration"], 3);
}

#[test]
fn repeated_failure_shows_and_a_success_ends_it() {
    let mut facts = DeliveryFacts {
        last_failed_at: Some(at(10)),
        last_error: Some("connection refused".to_owned()),
        last_class: Some(FailureClass::Unreachable),
        failures_in_a_row: 1,
        paused_until: Some(at(100)),
        counts: Some(Counts {
            pending: 2,
            failed: 1,
        }),
        ..DeliveryFacts::default()
    };
    let once = desired(&observed(Value::Null), &Ok(()), Some(&facts), at(20));
    assert!(condition(&once, "Delivering").is_none(), "once is nothing");
    facts.failures_in_a_row = FAILURES;
    let down = desired(&observed(once), &Ok(()), Some(&facts), at(30));
    let delivering = condition(&down, "Delivering").unwrap();
    assert_eq!(delivering["status"], "False");
    assert_eq!(delivering["reason"], "Unreachable");
    assert_eq!(delivering["message"], "connection refused");
    assert_eq!(condition(&down, "Ready").unwrap()["status"], "True");
    assert_eq!(
        down["delivery"],
        json!({
            "lastError": "connection refused", "lastFailedAt": "2026-09-21T14:13:30Z",
            "pausedUntil": "2026-09-21T14:15:00Z", "pending": 2, "failed": 1,
        })
    );
    facts.failures_in_a_row = 0;
    facts.last_delivered_at = Some(at(110));
    let up = desired(&observed(down.clone()), &Ok(()), Some(&facts), at(120));
    assert_eq!(condition(&up, "Delivering").unwrap()["status"], "True");
    assert_eq!(
        patch(&down, &up)["delivery"],
        json!({"lastDeliveredAt": "2026-09-21T14:15:10Z", "pausedUntil": null})
    );
}

#[test]
fn facts_of_the_process_before_are_kept_until_there_are_newer_ones() {
    let status = json!({
        "delivery": {"lastDeliveredAt": "2026-09-01T00:00:00Z", "lastError": "old"},
        "conditions": [{"type": "Delivering", "status": "False", "reason": "Unreachable",
            "message": "old", "lastTransitionTime": "t"}],
    });
    let facts = DeliveryFacts::default();
    let after = desired(&observed(status.clone()), &Ok(()), Some(&facts), at(0));
    assert_eq!(after["delivery"], status["delivery"]);
    assert_eq!(
        condition(&after, "Delivering"),
        condition(&status, "Delivering")
    );
}

#[test]
fn counts_alone_can_wait() {
    let facts = |pending| DeliveryFacts {
        counts: Some(Counts { pending, failed: 0 }),
        ..DeliveryFacts::default()
    };
    let before = desired(&observed(Value::Null), &Ok(()), Some(&facts(1)), at(0));
    let after = desired(&observed(before.clone()), &Ok(()), Some(&facts(2)), at(9));
    assert_ne!(before, after);
    assert!(!is_urgent(&before, &after));
    assert_eq!(patch(&before, &after), json!({"delivery": {"pending": 2}}));
}
