//! Receivers that are called, and calls on them: genuine, with a wrong proof, or with none.

use std::fmt::Write;

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use crate::event::NAMESPACE;
use crate::request::{self, NUMBER_SLOT, Requests};

/// About what GitHub sends for a push of one commit.
pub(crate) const LARGE_BODY: usize = 7000;
/// What a script sends.
pub(crate) const SMALL_BODY: usize = 600;

/// A type of Receiver, by how its caller proves itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A signature in `X-Signature`.
    GenericHmac,
    /// A signature in `X-Hub-Signature-256`, an event and a number of the delivery.
    GitHub,
    /// The token in `X-Gitlab-Token`.
    GitLab,
    /// The token in `Authorization`.
    Harbor,
}

/// What a call shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// What the type asks for.
    Genuine,
    /// The same with another secret.
    Wrong,
    /// Nothing.
    Missing,
}

/// One Receiver.
#[derive(Clone, Debug)]
pub(crate) struct Hook {
    /// Its type.
    pub(crate) kind: Kind,
    /// Its name, and that of its Secret and its object.
    pub(crate) name: String,
    /// What is shared with the caller.
    pub(crate) token: String,
}

impl Kind {
    /// Its name in manifests.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::GenericHmac => "generic-hmac",
            Self::GitHub => "github",
            Self::GitLab => "gitlab",
            Self::Harbor => "harbor",
        }
    }

    /// How large the bodies of its calls are.
    pub(crate) fn body(self) -> usize {
        match self {
            Self::GenericHmac | Self::Harbor => SMALL_BODY,
            Self::GitHub | Self::GitLab => LARGE_BODY,
        }
    }
}

impl Hook {
    /// So many Receivers of a type.
    pub(crate) fn several(kind: Kind, count: u32) -> Vec<Self> {
        let one = |number| Self {
            kind,
            name: format!("{}-{number}", kind.name()),
            token: format!("token-of-{}-{number}", kind.name()),
        };
        (0..count).map(one).collect()
    }

    /// Calls on these, in turn.
    pub(crate) fn calls(hooks: &[Self], proof: Proof) -> Requests {
        Requests::each(hooks.iter().map(|hook| hook.call(proof)))
    }

    /// One call; the number of the delivery is the only thing that changes, as no signature covers it.
    pub(crate) fn call(&self, proof: Proof) -> String {
        self.call_at(&self.path(), proof)
    }

    /// The same call on a path that no Receiver has.
    pub(crate) fn call_of_nobody(&self, proof: Proof) -> String {
        let path = format!("/hook/{}", hexadecimal(&Sha256::digest(b"nobody")));
        self.call_at(&path, proof)
    }

    fn call_at(&self, path: &str, proof: Proof) -> String {
        let body = body(self.kind.body());
        let secret = match proof {
            Proof::Genuine | Proof::Missing => self.token.clone(),
            Proof::Wrong => format!("not-{}", self.token),
        };
        let signed = || format!("sha256={}", signature(&secret, &body));
        let (name, value) = match self.kind {
            Kind::GenericHmac => ("X-Signature", signed()),
            Kind::GitHub => ("X-Hub-Signature-256", signed()),
            Kind::GitLab => ("X-Gitlab-Token", secret),
            Kind::Harbor => ("Authorization", secret),
        };
        let mut headers = match self.kind {
            Kind::GitHub => format!(
                "X-GitHub-Event: push\r\nX-GitHub-Delivery: 72d3162e-cc78-11e3-81ab-4c9{NUMBER_SLOT}\r\n"
            ),
            Kind::GitLab => "X-Gitlab-Event: Push Hook\r\n".to_owned(),
            Kind::GenericHmac | Kind::Harbor => String::new(),
        };
        if proof != Proof::Missing {
            // Writing to a string cannot fail.
            let _ = write!(headers, "{name}: {value}\r\n");
        }
        request::post(path, &headers, &body)
    }

    /// The path comes from token, name and namespace, as in the reference.
    fn path(&self) -> String {
        let digest = Sha256::new()
            .chain_update(&self.token)
            .chain_update(&self.name)
            .chain_update(NAMESPACE)
            .finalize();
        format!("/hook/{}", hexadecimal(&digest))
    }
}

/// A payload of this size, as a push looks like.
fn body(size: usize) -> String {
    let with = |padding: &str| {
        format!(
            r#"{{"ref":"refs/heads/main","after":"1f2e3d4c5b6a79881f2e3d4c5b6a79881f2e3d4c","repository":{{"full_name":"example/app","default_branch":"main"}},"head_commit":{{"message":"{padding}"}}}}"#
        )
    };
    let missing = size.saturating_sub(with("").len());
    with(&".".repeat(missing))
}

fn signature(secret: &str, body: &str) -> String {
    match Hmac::<Sha256>::new_from_slice(secret.as_bytes()) {
        Ok(mac) => hexadecimal(&mac.chain_update(body).finalize().into_bytes()),
        // HMAC takes keys of any length.
        Err(_) => String::new(),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_have_the_size_that_was_asked_for_and_are_json() {
        let text = body(LARGE_BODY);
        assert_eq!(text.len(), LARGE_BODY);
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
    }

    #[test]
    fn paths_and_signatures_are_those_of_openssl() {
        let hook = Hook {
            kind: Kind::GenericHmac,
            name: "github".to_owned(),
            token: "secret".to_owned(),
        };
        // printf '%s' secret github bench | sha256sum
        assert_eq!(
            hook.path(),
            "/hook/6f2ed0b49162869ad7cae82249a72399442f6d59e92c254553d87831b4972847"
        );
        // printf '{}' | openssl dgst -sha256 -hmac secret
        assert_eq!(
            signature("secret", "{}"),
            "77325902caca812dc259733aacd046b73817372c777b8d95b402647474516e13"
        );
    }

    #[test]
    fn a_wrong_proof_looks_like_a_genuine_one_and_a_missing_one_is_not_there() {
        for kind in [Kind::GenericHmac, Kind::GitHub, Kind::GitLab, Kind::Harbor] {
            let hook = Hook::several(kind, 1).remove(0);
            let genuine = hook.call(Proof::Genuine);
            let wrong = hook.call(Proof::Wrong);
            assert_ne!(genuine, wrong);
            assert_eq!(genuine.lines().count(), wrong.lines().count());
            let missing = hook.call(Proof::Missing);
            assert_eq!(missing.lines().count() + 1, genuine.lines().count());
            assert_ne!(hook.call_of_nobody(Proof::Genuine), genuine);
        }
    }
}
