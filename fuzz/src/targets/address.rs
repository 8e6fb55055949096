//! The address of a Provider, a repository in any of Git's notations for some types; the first line
//! is the type's name.

use std::sync::Arc;

use api::Provider;
use domain::ValidProvider;
use providers::Directory;
use serde_json::json;

use super::{Target, first_line};
use crate::features::feature;
use crate::seeds;

pub(super) const TARGET: Target = Target {
    name: "address",
    seeds: addresses,
    words: &[
        "https://",
        "http://",
        "ssh://",
        "git@",
        "git://",
        "file://",
        "user:password@",
        ":",
        "/",
        "//",
        ".git",
        "..",
        "?",
        "#",
        "%2f",
        "%00",
        "%",
        "[::1]",
        ":0",
        ":65536",
        "~",
        "scm/",
        "_git/",
        "v3/",
        "DefaultCollection",
        "github.com",
        " ",
        "\\",
    ],
    run,
};

fn addresses() -> Vec<Vec<u8>> {
    let forms = [
        "https://example.com/org/repo.git",
        "ssh://git@example.com:22/org/repo",
        "git@example.com:org/group/repo.git",
        "https://example.com/scm/~user/repo",
        "https://dev.azure.com/org/project/_git/repo",
    ];
    providers::kinds::ALL
        .iter()
        .flat_map(|kind| forms.map(|form| format!("{}\n{form}", kind.name).into_bytes()))
        .chain(seeds::cases().into_iter().flat_map(|case| {
            let kind = case.kind;
            case.objects.into_iter().filter_map(move |object| {
                let address = object["spec"]["address"].as_str()?;
                Some(format!("{kind}\n{address}").into_bytes())
            })
        }))
        .collect()
}

/// Checking an address never panics, and no problem repeats it: addresses can be secret.
fn run(input: &[u8]) -> Result<(), String> {
    let input = String::from_utf8_lossy(input);
    let (kind, address) = first_line(&input);
    let object = json!({
        "apiVersion": "notification.toolkit.fluxcd.io/v1beta3",
        "kind": "Provider",
        "metadata": {"name": "p", "namespace": "n"},
        "spec": {"type": kind, "address": address},
    });
    let provider = Provider::from_object(Arc::new(object));
    for problem in ValidProvider::validate(&provider, &Directory).problems {
        feature(&problem.message);
        if address.len() > 40 && problem.message.contains(address) {
            return Err(format!(
                "a problem repeats the address: {}",
                problem.message
            ));
        }
    }
    Ok(())
}
