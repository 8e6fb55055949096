//! Prints the table of provider types as JSON, for `cargo xtask codegen`.
#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use domain::Family;
use providers::kind::Guarantee;

fn main() {
    let table: Vec<serde_json::Value> = providers::kinds::ALL
        .iter()
        .map(|kind| {
            serde_json::json!({
                "name": kind.name,
                "title": kind.title,
                "family": family(kind.capabilities.family),
                "guarantee": match kind.guarantee {
                    Guarantee::ExactlyOnce => "exactly once",
                    Guarantee::AtLeastOnce => "at least once",
                },
                "source": kind.page,
            })
        })
        .collect();
    println!("{}", serde_json::Value::Array(table));
}

fn family(family: Family) -> &'static str {
    match family {
        Family::Chat => "messages for people",
        Family::CommitStatus => "check marks on commits",
        Family::ChangeRequest => "comments on change requests",
        Family::Incident => "incidents that open and close",
        Family::Stream => "messages for programs",
        Family::Trace => "traces",
        Family::Forward => "the event itself",
    }
}
