//! The id and the words of a commit status (`providers-common.md` C7 and C9.2).

use api::{Event, to_wire_value};
use expr::cel::Budget;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ValidProvider;

/// Which status to write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitStatus {
    /// The id, also called context or name, that tells statuses of one commit apart.
    pub id: String,
    /// The commit.
    pub commit: String,
}

/// The reason that says that something is under way, letter by letter.
pub const PROGRESSING: &str = "Progressing";

/// Whether an informational event with this reason says that something is still under way, so that
/// a success would be a lie.
pub fn is_unfinished(reason: &str) -> bool {
    matches!(
        reason,
        PROGRESSING | "DependencyNotReady" | "HealthCheckCanceled"
    )
}

/// The status id: `<kind>/<name>/<first group of the Provider's uid>` in lower case, or what the
/// Provider's expression yields, verbatim.
pub fn id(event: &Event, alert: &Value, provider: &ValidProvider) -> Result<String, String> {
    let Some(expression) = &provider.commit_status_expression else {
        let uid = provider.uid.split('-').next().unwrap_or_default();
        let object = &event.involved_object;
        return Ok(format!("{}/{}/{uid}", object.kind, object.name).to_lowercase());
    };
    let event = to_wire_value(event).map_err(|error| error.to_string())?;
    let variables = [
        ("event", &event),
        ("alert", alert),
        ("provider", &*provider.spec.object),
    ];
    let id = expression
        .evaluate_string(&variables, Budget::default())
        .map_err(|error| format!("spec.commitStatusExpr: {error}"))?;
    if id.is_empty() {
        return Err("spec.commitStatusExpr: the result is empty".to_owned());
    }
    Ok(id)
}

/// `<kind>/<name>` in lower case.
pub fn name(event: &Event) -> String {
    let object = &event.involved_object;
    format!("{}/{}", object.kind, object.name).to_lowercase()
}

/// The reason as words: `InvalidCELExpression` gives `invalid cel expression`.
pub fn description(event: &Event) -> String {
    split_words(&event.reason).join(" ").to_lowercase()
}

/// Splits a CamelCase word: runs of one character class, where an upper-case run gives its last
/// letter to the lower-case run behind it.
fn split_words(text: &str) -> Vec<String> {
    #[derive(Clone, Copy, PartialEq)]
    enum Class {
        Lower,
        Upper,
        Digit,
        Other,
    }
    let class = |character: char| match character {
        c if c.is_lowercase() => Class::Lower,
        c if c.is_uppercase() => Class::Upper,
        c if c.is_numeric() => Class::Digit,
        _ => Class::Other,
    };
    let mut words: Vec<(Class, String)> = Vec::new();
    for character in text.chars() {
        let class = class(character);
        match words.last_mut() {
            Some((last, word)) if *last == class => word.push(character),
            last => {
                let mut word = String::new();
                if let (Class::Lower, Some((Class::Upper, before))) = (class, last) {
                    word.extend(before.pop());
                }
                word.push(character);
                words.push((class, word));
            }
        }
    }
    words
        .into_iter()
        .map(|(_, word)| word)
        .filter(|word| !word.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_become_words() {
        for (reason, description) in [
            ("ApplySucceeded", "apply succeeded"),
            ("InvalidCELExpression", "invalid cel expression"),
            ("Retry3Failed", "retry 3 failed"),
            ("Failed", "failed"),
            ("reason", "reason"),
            ("", ""),
        ] {
            let event = Event {
                reason: reason.into(),
                ..Event::default()
            };
            assert_eq!(super::description(&event), description);
        }
    }
}
