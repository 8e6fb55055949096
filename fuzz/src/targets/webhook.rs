//! A call of a webhook: type, `Content-Type`, one header, and the body.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use receivers::Call;
use receivers::oidc::Token;
use receivers::payload::Payload;

use super::{Target, first_line};
use crate::features::feature;
use crate::seeds;

pub(super) const TARGET: Target = Target {
    name: "webhook",
    seeds: seeds::webhooks,
    words: &[
        "github\n",
        "cdevents\n",
        "gcr\n",
        "application/json",
        "application/x-www-form-urlencoded",
        "; charset=",
        "payload=",
        "%7B",
        "{",
        "}",
        "[",
        "\"",
        ":",
        ",",
        "null",
        "1e308",
        "\\ud83d",
        "\"message\":{\"data\":\"e30=\"}",
        "\"context\":{\"type\":\"dev.cdevents.change.merged.0.2.0\"",
        "\"links\":[{\"linkType\":\"PATH\",\"tags\":{}}]",
        "\"artifactId\":\"pkg:oci/x\"",
    ],
    run,
};

/// What filters get to see is an object, whatever was sent, and what was read of it reads the same
/// again.
fn run(input: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(input);
    let (kind, rest) = first_line(&text);
    let (content_type, rest) = first_line(rest);
    let (header, body) = first_line(rest);
    // A token is taken apart before anything about it is known.
    let _ = Token::parse(header);
    let Some(kind) = receivers::kinds::find(kind) else {
        return Ok(());
    };
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(content_type) {
        headers.insert(http::header::CONTENT_TYPE, value);
    }
    let call = Call {
        headers,
        body: Bytes::copy_from_slice(body.as_bytes()),
    };
    let seen =
        Payload::read(kind.reading, &call).and_then(|payload| payload.seen_by_filters(&call));
    let seen = match seen {
        Ok(seen) => seen,
        Err(rejection) => {
            feature(&format!("{} {rejection:?}", kind.name));
            return Ok(());
        }
    };
    feature(kind.name);
    if !seen.is_object() {
        return Err("filters see something that is no object".to_owned());
    }
    let written = seen.to_string();
    let again = receivers::json::whole(written.as_bytes())
        .map_err(|error| format!("what we wrote cannot be read: {error}"))?;
    let repeated = again.to_string();
    if repeated != written {
        return Err("a payload changed by being read again".to_owned());
    }
    Ok(())
}
