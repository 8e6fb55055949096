//! The alerts of an object that we fired and did not resolve, as they are remembered.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// More alerts of one object are not remembered; the oldest go first.
const MOST: usize = 16;

/// Bytes of what is remembered of one object.
const LONGEST: usize = 32 << 10;

/// One alert that fires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Firing {
    pub(super) labels: BTreeMap<String, String>,
    pub(super) starts_at: Option<Timestamp>,
}

/// All of them, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Open(Vec<Firing>);

impl Open {
    /// What was remembered; nothing, if it cannot be read.
    pub(super) fn recall(remembered: Option<String>) -> Self {
        let remembered = remembered.unwrap_or_default();
        Self(serde_json::from_str(&remembered).unwrap_or_default())
    }

    /// Adds an alert. One with the same labels is the same alert, and began when it did.
    pub(super) fn add(&mut self, labels: BTreeMap<String, String>, starts_at: Option<Timestamp>) {
        let known = self.0.iter().position(|firing| firing.labels == labels);
        let began = known.and_then(|index| self.0.remove(index).starts_at);
        self.0.push(Firing {
            labels,
            starts_at: began.or(starts_at),
        });
    }

    /// Leaves none.
    pub(super) fn take(&mut self) -> Vec<Firing> {
        std::mem::take(&mut self.0)
    }

    /// The text to remember, within its bounds.
    pub(super) fn remember(mut self) -> String {
        loop {
            // Maps of texts always serialise.
            let text = serde_json::to_string(&self.0).unwrap_or_default();
            let is_within = self.0.len() <= MOST && text.len() <= LONGEST;
            if is_within || self.0.is_empty() {
                return text;
            }
            self.0.remove(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(value: &str) -> BTreeMap<String, String> {
        BTreeMap::from([("name".to_owned(), value.to_owned())])
    }

    #[test]
    fn a_repetition_is_the_same_alert_and_keeps_its_beginning() {
        let mut open = Open::default();
        let first: Timestamp = "2024-03-05T09:10:11Z".parse().unwrap();
        let later: Timestamp = "2024-03-05T10:10:11Z".parse().unwrap();
        open.add(labels("a"), Some(first));
        open.add(labels("b"), Some(first));
        open.add(labels("a"), Some(later));
        let mut open = Open::recall(Some(open.remember()));
        let found = open.take();
        assert_eq!(found.len(), 2);
        assert_eq!(found[1].labels, labels("a"));
        assert_eq!(found[1].starts_at, Some(first));
    }

    #[test]
    fn what_is_remembered_is_bounded_in_number_and_size() {
        let mut open = Open::default();
        for number in 0..40 {
            open.add(labels(&number.to_string()), None);
        }
        let found = Open::recall(Some(open.remember())).take();
        assert_eq!(found.len(), MOST);
        assert_eq!(found.last().unwrap().labels, labels("39"));

        let mut open = Open::default();
        for letter in ["a", "b", "c"] {
            open.add(labels(&letter.repeat(LONGEST / 2)), None);
        }
        let text = open.remember();
        assert!(text.len() <= LONGEST);
        assert_eq!(Open::recall(Some(text)).take().len(), 1);
    }

    #[test]
    fn memory_that_cannot_be_read_is_no_memory() {
        assert!(Open::recall(Some("nonsense".to_owned())).take().is_empty());
        assert!(Open::recall(None).take().is_empty());
    }
}
