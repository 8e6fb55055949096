//! What a call costs that is not genuine: the same, whether or not a Receiver has its path.

use std::sync::atomic::Ordering;

use receivers::kind::Proof;
use receivers::{Algorithm, kinds};
use serde_json::json;

use crate::support::{Setting, call, spec_of};

/// Headers of a sender of each form of proof who does not know the token, and what is to be computed.
fn guesses(proof: Proof) -> Vec<(Vec<(&'static str, String)>, Algorithm)> {
    let content = ("content-type", "application/json".to_owned());
    let mut guesses = vec![(vec![content.clone()], Algorithm::Sha256)];
    let mut add = |name, value: String, algorithm| {
        guesses.push((vec![content.clone(), (name, value)], algorithm));
    };
    match proof {
        Proof::Path => guesses.clear(),
        Proof::Signature(names) => {
            for name in names {
                for (prefix, length, algorithm) in [
                    ("sha1", 40, Algorithm::Sha1),
                    ("sha256", 64, Algorithm::Sha256),
                    ("sha512", 128, Algorithm::Sha512),
                ] {
                    add(name, format!("{prefix}={}", "0".repeat(length)), algorithm);
                    // One that cannot be right, and one that cannot be read.
                    add(name, format!("{prefix}=00"), algorithm);
                    add(name, format!("{prefix}=xyz"), algorithm);
                }
                add(name, "md5=00".to_owned(), Algorithm::Sha256);
                add(name, "nonsense".to_owned(), Algorithm::Sha256);
            }
        }
        Proof::PlainSha1(name) => {
            add(name, "0".repeat(40), Algorithm::Sha1);
            add(name, "nonsense".to_owned(), Algorithm::Sha1);
        }
        Proof::Token(name) => {
            add(name, "guess".to_owned(), Algorithm::Sha256);
            add(name, String::new(), Algorithm::Sha256);
        }
        Proof::Oidc | Proof::Google => {
            add(
                "authorization",
                "Bearer a.b.c".to_owned(),
                Algorithm::Sha256,
            );
            add("authorization", "Basic YTpi".to_owned(), Algorithm::Sha256);
        }
    }
    guesses
}

#[tokio::test]
async fn a_wrong_proof_takes_as_much_as_an_unknown_path_for_every_type_and_length() {
    let unknown = "0".repeat(64);
    for kind in kinds::ALL {
        let setting = Setting::new(&spec_of(kind.name));
        for (headers, algorithm) in guesses(kind.proof) {
            let headers: Vec<(&str, &str)> = headers
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            for length in [0, 1, 100_000, 3 << 20] {
                let body = "x".repeat(length);
                let expected = vec![(algorithm, length as u64)];
                let shown = format!("{} {headers:?} {length}", kind.name);
                let known = setting
                    .call_at(&setting.digest, call(&headers, &body))
                    .await;
                assert_eq!(known, (400, expected.clone()), "{shown}");
                let nobody = setting.call_at(&unknown, call(&headers, &body)).await;
                assert_eq!(nobody, (404, expected), "{shown}");
            }
        }
        let outside = &setting.outside;
        assert_eq!(outside.reads.load(Ordering::Relaxed), 0, "{}", kind.name);
        assert!(outside.requested().is_empty() && outside.kept.lock().unwrap().is_empty());
        assert_eq!(setting.requests_to_issuers(), 0, "{}", kind.name);
    }
}

/// A body is kept only where somebody will look at it: nobody does at an unknown path, nor where the
/// headers lack the proof.
#[test]
fn bodies_of_strangers_are_not_kept() {
    let setting = Setting::new(&spec_of("github"));
    let wants_body = |digest: &str, headers: &[(&str, &str)]| {
        let headers = call(headers, "").headers;
        let found = setting.hooks.find(digest);
        setting.hooks.screen(found, &headers, b"k").wants_body()
    };
    let signed = [("x-hub-signature-256", "sha256=00")];
    assert!(wants_body(&setting.digest, &signed));
    assert!(!wants_body(&setting.digest, &[]));
    assert!(!wants_body(&"0".repeat(64), &signed));
}

/// What is genuine is not hashed for nothing.
#[tokio::test]
async fn types_without_signatures_cost_nothing_by_the_length_of_genuine_bodies() {
    let setting = Setting::new(&spec_of("generic"));
    let body = json!({"a": "x".repeat(5000)}).to_string();
    let headers = [("content-type", "application/json")];
    let answered = setting
        .call_at(&setting.digest, call(&headers, &body))
        .await;
    assert_eq!(answered, (200, Vec::new()));
}
