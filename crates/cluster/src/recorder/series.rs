//! Which reports become Events of their own, and which are counted: pure.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Report, Subject};

/// Series remembered at once.
const MOST_SERIES: usize = 1024;

/// How often an Event is counted up at most.
const COUNT_EVERY: Duration = Duration::from_mins(1);

/// API servers keep Events for an hour; a series older than this begins anew.
const LONGEST_SERIES: Duration = Duration::from_mins(50);

/// New Events per object in a [`WINDOW`].
const MOST_PER_OBJECT: u32 = 10;

/// See [`MOST_PER_OBJECT`].
const WINDOW: Duration = Duration::from_mins(10);

/// What to write.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A new Event of this name.
    Create(String),
    /// This Event happened so often by now.
    Count(String, u32),
    /// Nothing, for now.
    Nothing,
}

/// What was told so far.
#[derive(Default)]
pub(super) struct Ledger {
    series: HashMap<u64, Series>,
    budgets: HashMap<Subject, Budget>,
}

struct Series {
    name: String,
    count: u32,
    began: Timestamp,
    written: Timestamp,
}

struct Budget {
    since: Timestamp,
    used: u32,
}

impl Ledger {
    /// Takes note of a report and says what to write.
    pub(super) fn note(&mut self, report: &Report, now: Timestamp) -> Step {
        let key = key(report);
        if let Some(series) = self
            .series
            .get_mut(&key)
            .filter(|series| !is_over(series.began, LONGEST_SERIES, now))
        {
            series.count = series.count.saturating_add(1);
            if !is_over(series.written, COUNT_EVERY, now) {
                return Step::Nothing;
            }
            series.written = now;
            return Step::Count(series.name.clone(), series.count);
        }
        if !self.has_room(&report.about, now) {
            return Step::Nothing;
        }
        self.make_room(now);
        // Unique in its namespace, as Events are named: object, dot, time.
        let name = format!(
            "{}.{:x}",
            report.about.key().name,
            now.as_nanosecond() ^ i128::from(key >> 32)
        );
        self.series.insert(
            key,
            Series {
                name: name.clone(),
                count: 1,
                began: now,
                written: now,
            },
        );
        Step::Create(name)
    }

    /// What was to be written could not be.
    pub(super) fn forget(&mut self, report: &Report) {
        self.series.remove(&key(report));
    }

    fn has_room(&mut self, subject: &Subject, now: Timestamp) -> bool {
        self.budgets
            .retain(|_, budget| !is_over(budget.since, WINDOW, now));
        if self.budgets.len() >= MOST_SERIES && !self.budgets.contains_key(subject) {
            return false;
        }
        let budget = self.budgets.entry(subject.clone()).or_insert(Budget {
            since: now,
            used: 0,
        });
        budget.used += 1;
        budget.used <= MOST_PER_OBJECT
    }

    fn make_room(&mut self, now: Timestamp) {
        if self.series.len() < MOST_SERIES {
            return;
        }
        self.series
            .retain(|_, series| !is_over(series.began, LONGEST_SERIES, now));
        if self.series.len() >= MOST_SERIES {
            let oldest = self.series.iter().min_by_key(|(_, series)| series.written);
            if let Some(key) = oldest.map(|(key, _)| *key) {
                self.series.remove(&key);
            }
        }
    }
}

fn key(report: &Report) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&report.about, report.reason, &report.message).hash(&mut hasher);
    hasher.finish()
}

fn is_over(since: Timestamp, span: Duration, now: Timestamp) -> bool {
    now.duration_since(since) >= SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests {
    use api::ObjectKey;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn report(alert: &str, message: &str) -> Report {
        Report {
            about: Subject::Alert(ObjectKey::new("a", alert)),
            is_warning: true,
            reason: "NotificationDispatchFailed",
            message: message.to_owned(),
        }
    }

    #[test]
    fn what_repeats_is_counted_now_and_then() {
        let mut ledger = Ledger::default();
        let Step::Create(name) = ledger.note(&report("x", "no"), at(0)) else {
            panic!("the first one is told");
        };
        assert!(name.starts_with("x."));
        for second in 1..60 {
            assert_eq!(ledger.note(&report("x", "no"), at(second)), Step::Nothing);
        }
        assert_eq!(
            ledger.note(&report("x", "no"), at(60)),
            Step::Count(name, 61)
        );
        assert!(matches!(
            ledger.note(&report("x", "no"), at(3_000)),
            Step::Create(_)
        ));
    }

    #[test]
    fn one_alert_cannot_flood_and_does_not_silence_others() {
        let mut ledger = Ledger::default();
        let created = (0..1_000)
            .filter(|number| {
                let report = report("x", &number.to_string());
                matches!(ledger.note(&report, at(1)), Step::Create(_))
            })
            .count();
        assert_eq!(created, 10);
        assert!(matches!(
            ledger.note(&report("y", "no"), at(1)),
            Step::Create(_)
        ));
        assert!(matches!(
            ledger.note(&report("x", "later"), at(601)),
            Step::Create(_)
        ));
    }

    #[test]
    fn what_could_not_be_written_is_told_anew() {
        let mut ledger = Ledger::default();
        ledger.note(&report("x", "no"), at(0));
        ledger.forget(&report("x", "no"));
        assert!(matches!(
            ledger.note(&report("x", "no"), at(1)),
            Step::Create(_)
        ));
    }
}
