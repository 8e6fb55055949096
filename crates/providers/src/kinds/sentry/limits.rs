//! How long Sentry asks to wait: the header `X-Sentry-Rate-Limits`
//! (<https://develop.sentry.dev/sdk/expected-features/rate-limiting/>).

use std::time::Duration;

use api::Event;
use http::HeaderMap;

/// What Sentry counts an event as, for its rate limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Category {
    /// A failure.
    Error,
    /// Everything else.
    Transaction,
}

impl Category {
    /// The category of an event.
    pub(super) fn of(event: &Event) -> Self {
        if event.is_error() {
            Self::Error
        } else {
            Self::Transaction
        }
    }

    /// What rate limits call it; errors without a stack trace are of the category `default`.
    pub(super) fn names(self) -> &'static [&'static str] {
        match self {
            Self::Error => &["error", "default"],
            Self::Transaction => &["transaction"],
        }
    }

    /// What the item of an envelope calls it.
    pub(super) fn item_type(self) -> &'static str {
        match self {
            Self::Error => "event",
            Self::Transaction => "transaction",
        }
    }
}

/// Longest wait of all limits that apply to a category; `None` where none does.
pub(super) fn longest(headers: &HeaderMap, category: Category) -> Option<Duration> {
    let texts = headers.get_all("x-sentry-rate-limits").into_iter();
    texts
        .filter_map(|text| text.to_str().ok())
        .flat_map(|text| text.split(','))
        .filter_map(|limit| wait(limit, category))
        .max()
}

/// `seconds:categories:scope:…`; an empty list of categories means all.
fn wait(limit: &str, category: Category) -> Option<Duration> {
    let mut parts = limit.split(':').map(str::trim);
    let seconds: f64 = parts.next()?.parse().ok()?;
    let mut categories = parts.next().unwrap_or_default().split(';').map(str::trim);
    let applies = categories.any(|name| name.is_empty() || category.names().contains(&name));
    if applies {
        Duration::try_from_secs_f64(seconds).ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_limit_that_applies_counts() {
        let cases: [(&str, Option<f64>, Option<f64>); 6] = [
            (
                "60:transaction:key, 2700:default;error;security:organization",
                Some(2700.0),
                Some(60.0),
            ),
            ("60::organization, 30::key", Some(60.0), Some(60.0)),
            ("2.5:error:project:quota:more", Some(2.5), None),
            ("10", Some(10.0), Some(10.0)),
            ("10:metric_bucket:organization", None, None),
            ("soon::key, -1::key", None, None),
        ];
        for (text, error, transaction) in cases {
            let mut headers = HeaderMap::new();
            headers.insert("x-sentry-rate-limits", text.parse().unwrap());
            for (category, seconds) in [
                (Category::Error, error),
                (Category::Transaction, transaction),
            ] {
                let expected = seconds.map(Duration::from_secs_f64);
                assert_eq!(longest(&headers, category), expected, "{text}");
            }
        }
        assert_eq!(longest(&HeaderMap::new(), Category::Error), None);
    }
}
