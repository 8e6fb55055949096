//! The Markdown text that Zulip and change requests get.

use std::fmt::Write as _;

use domain::Notification;

use super::fit::{self, Fitted, Limits};
use super::truncate;

/// Metadata that says where a comment goes and is no news there.
const CHANGE_REQUEST: &str = "change_request";

/// The longest name of an object; Kubernetes allows less than a third of that in all its parts.
const LONGEST_NAME: usize = 1_000;

/// What an entry takes besides its key and value: "* `", "`: " and the line's end.
pub(crate) const ENTRY: usize = 7;

/// Renders a notification: heading, object, message, and the metadata as a list without the number
/// of the change request. `neutralise` takes the life out of mentions; `limits` hold for the whole
/// text, with [`ENTRY`] as the overhead of a field.
///
/// Rules: `providers-common.md` C10.
pub(crate) fn render(
    notification: &Notification,
    neutralise: fn(&str) -> String,
    limits: &Limits,
) -> String {
    let event = &notification.event;
    let object = &event.involved_object;
    let emoji = if event.is_error() { "⚠️" } else { "ℹ️" };
    let name = neutralise(&format!(
        "{}/{}/{}",
        object.kind, object.namespace, object.name
    ));
    let name = truncate::head_and_tail(&name, LONGEST_NAME, limits.unit);
    let before = format!("## Flux Status\n\n{emoji} {name}\n\n");
    let between = "\n\nMetadata:\n";
    let mut fields = fit::sorted(&event.metadata, neutralise);
    fields.retain(|(key, _)| key != CHANGE_REQUEST);
    let fixed = limits.unit.length(&before) + limits.unit.length(between);
    let message = neutralise(&event.message);
    let Fitted { text, fields } = fit::fit(&message, fields, fixed, limits);
    let mut post = format!("{before}{text}{between}");
    for (key, value) in fields {
        // Writing to a string cannot fail.
        let _ = writeln!(post, "* `{key}`: {value}");
    }
    post
}
