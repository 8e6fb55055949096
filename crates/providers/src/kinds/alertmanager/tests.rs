//! How long an alert lasted, whatever clocks say.

use super::*;

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn span_of(started: Option<&str>, recovered: Option<&str>) -> (Option<Timestamp>, Timestamp) {
    let firing = Firing {
        labels: BTreeMap::new(),
        starts_at: started.map(time),
    };
    let event = Event {
        timestamp: recovered.map(time),
        ..Event::default()
    };
    span(&firing, &event, time("2024-03-05T12:00:00Z"))
}

#[test]
fn an_alert_ends_when_its_object_recovered() {
    let ten = "2024-03-05T10:00:00Z";
    let eleven = "2024-03-05T11:00:00Z";
    assert_eq!(
        span_of(Some(ten), Some(eleven)),
        (Some(time(ten)), time(eleven))
    );
    assert_eq!(span_of(None, Some(eleven)), (None, time(eleven)));
}

#[test]
fn clocks_that_go_wrong_do_not_keep_an_alert_firing() {
    let now = "2024-03-05T12:00:00Z";
    let ahead = "2024-03-05T13:00:00Z";
    let ten = "2024-03-05T10:00:00Z";
    // The sender is ahead of us, or did not say.
    assert_eq!(
        span_of(Some(ten), Some(ahead)),
        (Some(time(ten)), time(now))
    );
    assert_eq!(
        span_of(Some(ahead), Some(ahead)),
        (Some(time(now)), time(now))
    );
    assert_eq!(span_of(Some(ten), None), (Some(time(ten)), time(now)));
    // It recovered before it failed.
    let nine = "2024-03-05T09:00:00Z";
    assert_eq!(span_of(Some(ten), Some(nine)), (Some(time(ten)), time(ten)));
}

#[test]
fn an_alert_does_not_begin_in_the_future() {
    let now = time("2024-03-05T12:00:00Z");
    let at = |text: &str| Event {
        timestamp: Some(time(text)),
        ..Event::default()
    };
    let ten = "2024-03-05T10:00:00Z";
    assert_eq!(began(&at(ten), now), Some(time(ten)));
    assert_eq!(began(&at("2024-03-05T13:00:00Z"), now), Some(now));
    assert_eq!(began(&Event::default(), now), None);
}
