//! Prints the `CustomResourceDefinition`s as JSON, for `cargo xtask codegen`.
#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use api::crd::{ProviderTypes, REFERENCE_PROVIDER_TYPES, definitions};
use domain::Family;

fn main() {
    let kinds = providers::kinds::ALL;
    let all: Vec<&str> = kinds.iter().map(|kind| kind.name).collect();
    let commit_status: Vec<&str> = kinds
        .iter()
        .filter(|kind| kind.capabilities.family == Family::CommitStatus)
        .map(|kind| kind.name)
        .collect();
    let types = ProviderTypes {
        all: &all,
        commit_status: &commit_status,
    };
    let ours: Vec<&str> = all
        .iter()
        .copied()
        .filter(|name| !REFERENCE_PROVIDER_TYPES.contains(name))
        .collect();
    let printed = serde_json::json!({
        "definitions": definitions(types),
        "types_of_our_own": ours,
    });
    println!("{printed}");
}
