//! Fits a message and its fields into a service's limits.
//!
//! What fits is left alone. What does not is cut in the middle, with a visible marker; fields that
//! find no room are counted in a last one.

use std::collections::BTreeMap;

use super::truncate::{self, Unit};

/// What a service takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How it counts.
    pub(crate) unit: Unit,
    /// Everything together.
    pub(crate) total: usize,
    /// The message.
    pub(crate) text: usize,
    /// The name of a field.
    pub(crate) name: usize,
    /// The value of a field.
    pub(crate) value: usize,
    /// Number of fields.
    pub(crate) fields: usize,
    /// What a field costs besides its name and value.
    pub(crate) field_overhead: usize,
}

/// What is sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fitted {
    /// The message.
    pub(crate) text: String,
    /// Names and values, in order.
    pub(crate) fields: Vec<(String, String)>,
}

/// The least share of the total that fields may take from a long message: one in this many.
const FIELD_SHARE: usize = 4;

/// Fits a message and fields; `fixed` is what the rest of the payload takes of the total.
pub(crate) fn fit(
    text: &str,
    fields: impl IntoIterator<Item = (String, String)>,
    fixed: usize,
    limits: &Limits,
) -> Fitted {
    let unit = limits.unit;
    let total = limits.total.saturating_sub(fixed);
    let text_length = unit.length(text).min(limits.text);
    let room = total.saturating_sub(text_length).max(total / FIELD_SHARE);
    let fields: Vec<_> = fields.into_iter().collect();
    let (fields, taken) = fit_fields(fields, room, limits);
    let room = total.saturating_sub(taken).min(limits.text);
    Fitted {
        text: truncate::head_and_tail(text, room, unit),
        fields,
    }
}

fn fit_fields(
    fields: Vec<(String, String)>,
    room: usize,
    limits: &Limits,
) -> (Vec<(String, String)>, usize) {
    let cost = |(name, value): &(String, String)| {
        limits.unit.length(name) + limits.unit.length(value) + limits.field_overhead
    };
    let count = fields.len();
    let mut fitted: Vec<_> = fields
        .into_iter()
        .map(|(name, value)| {
            (
                truncate::head_and_tail(&name, limits.name, limits.unit),
                truncate::head_and_tail(&value, limits.value, limits.unit),
            )
        })
        .collect();
    let mut costs: Vec<usize> = fitted.iter().map(cost).collect();
    let mut taken: usize = costs.iter().sum();
    if count <= limits.fields && taken <= room {
        return (fitted, taken);
    }
    while let Some(last) = costs.pop() {
        fitted.pop();
        taken -= last;
        let more = (
            "…".to_owned(),
            format!("{} more left out", count - fitted.len()),
        );
        let with_more = taken + cost(&more);
        if fitted.len() < limits.fields && with_more <= room {
            fitted.push(more);
            return (fitted, with_more);
        }
    }
    (fitted, 0)
}

/// Metadata as fields, sorted.
pub(crate) fn sorted(
    metadata: &BTreeMap<String, String>,
    clean: impl Fn(&str) -> String,
) -> Vec<(String, String)> {
    metadata
        .iter()
        .map(|(name, value)| (clean(name), clean(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: Limits = Limits {
        unit: Unit::Characters,
        total: 200,
        text: 150,
        name: 20,
        value: 40,
        fields: 3,
        field_overhead: 2,
    };

    fn field(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn what_fits_is_left_alone() {
        let fields = vec![field("a", "1"), field("b", "2"), field("c", "3")];
        let fitted = fit(&"x".repeat(150), fields.clone(), 10, &LIMITS);
        assert_eq!(fitted.text, "x".repeat(150));
        assert_eq!(fitted.fields, fields);
    }

    #[test]
    fn fields_that_find_no_room_are_counted() {
        let fields = ["a", "b", "c", "d", "e"].map(|name| field(name, "1"));
        let fitted = fit("x", fields, 0, &LIMITS);
        assert_eq!(
            fitted.fields,
            [
                field("a", "1"),
                field("b", "1"),
                field("…", "3 more left out")
            ]
        );
    }

    proptest! {
        #[test]
        fn nothing_exceeds_the_limits(
            text in "\\PC{0,300}",
            fields in proptest::collection::vec(("\\PC{0,30}", "\\PC{0,60}"), 0..8),
            fixed in 0_usize..40,
        ) {
            let fitted = fit(&text, fields, fixed, &LIMITS);
            let length = |text: &str| text.chars().count();
            let taken: usize = fitted.fields.iter().map(|(n, v)| length(n) + length(v) + 2).sum();
            prop_assert!(taken + length(&fitted.text) + fixed <= LIMITS.total);
            prop_assert!(length(&fitted.text) <= LIMITS.text);
            prop_assert!(fitted.fields.len() <= LIMITS.fields);
        }
    }
}
