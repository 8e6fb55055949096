//! Prints the table of receiver types as JSON, for `cargo xtask codegen`.
#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use receivers::kind::Proof;

fn main() {
    let table: Vec<serde_json::Value> = receivers::kinds::ALL
        .iter()
        .map(|kind| {
            serde_json::json!({
                "name": kind.name,
                "title": kind.title,
                "proof": proof(kind.proof),
                "events": kind.event.map_or_else(
                    || "ignored".to_owned(),
                    |header| format!("values of `{header}`"),
                ),
                "source": kind.page,
            })
        })
        .collect();
    println!("{}", serde_json::Value::Array(table));
}

fn proof(proof: Proof) -> String {
    match proof {
        Proof::Path => "the path alone".to_owned(),
        Proof::Signature(headers) => {
            let names: Vec<_> = headers.iter().map(|name| format!("`{name}`")).collect();
            format!("an HMAC in {}", names.join(" or "))
        }
        Proof::PlainSha1(header) => format!("an HMAC-SHA1 in `{header}`"),
        Proof::Token(header) => format!("the token in `{header}`"),
        Proof::Oidc => "a token of an OIDC issuer".to_owned(),
        Proof::Google => "a token of Google".to_owned(),
    }
}
