//! What a destination answers: type, status, header fields up to an empty line, and the body.
//!
//! Credentials are planted ones, and answers may repeat them.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};
use testkit::secrets::marked;

use super::{Target, first_line};
use crate::bench::{Answer, CASES, attempt, event};

pub(super) const TARGET: Target = Target {
    name: "answer",
    seeds: answers,
    words: &[
        "200\n",
        "201\n",
        "301\n",
        "400\n",
        "401\n",
        "403\n",
        "404\n",
        "409\n",
        "422\n",
        "429\n",
        "500\n",
        "503\n",
        "Retry-After: ",
        "X-RateLimit-Reset: ",
        "Link: <https://x>; rel=\"next\"",
        "Location: ",
        "{\"ok\":false,\"error\":\"",
        "{\"message\":\"",
        "{\"errors\":[",
        "\"code\":",
        "MARKEDSECRETtoken05",
        "\\u004dARKEDSECRETtoken05",
        "\\n",
        "\\u0000",
        "<html>",
        "null",
        "[]",
    ],
    run,
};

fn answers() -> Vec<Vec<u8>> {
    let mut answers = Vec::new();
    for kind in providers::kinds::ALL {
        for (status, rest) in [
            (200, "\n{}".to_owned()),
            (200, "\n[]".to_owned()),
            (
                200,
                "\n{\"ok\":false,\"error\":\"invalid_auth\",\"errors\":[{\"message\":\"m\"}]}"
                    .to_owned(),
            ),
            (
                401,
                format!("\n{{\"message\":\"bad token {}\"}}", marked("token")),
            ),
            (
                429,
                "Retry-After: 3\n\n{\"parameters\":{\"retry_after\":7}}".to_owned(),
            ),
            (500, "\n<html>oops</html>".to_owned()),
        ] {
            answers.push(format!("{}\n{status}\n{rest}", kind.name).into_bytes());
        }
    }
    answers
}

/// The judgement of any answer is short, on one line and without a secret.
fn run(input: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(input);
    let (kind, rest) = first_line(&text);
    let (status, mut rest) = first_line(rest);
    let Some(case) = CASES.get(kind) else {
        return Ok(());
    };
    let status = status.parse().ok();
    let Some(status) = status.and_then(|status: u16| StatusCode::from_u16(status).ok()) else {
        return Ok(());
    };
    let mut headers = HeaderMap::new();
    loop {
        let (line, more) = first_line(rest);
        rest = more;
        let Some((name, value)) = line.split_once(": ") else {
            break;
        };
        if let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_str(value),
        ) && headers.len() < 100
        {
            headers.append(name, value);
        }
    }
    let Some(event) = event(case.event.to_string().as_bytes()) else {
        return Ok(());
    };
    let answer = Answer {
        status,
        headers,
        body: rest.as_bytes().to_vec().into(),
        ..Answer::default()
    };
    attempt(&with_marks(&case.objects), &event, answer).map(drop)
}

/// The objects, with marks for tokens and passwords; whoever needs none has them all the same.
fn with_marks(objects: &[Value]) -> Vec<Value> {
    let mut objects = objects.to_vec();
    let Some(provider) = objects
        .iter()
        .position(|object| object["kind"] == "Provider")
    else {
        return objects;
    };
    if objects[provider]["spec"]["secretRef"].is_null() {
        objects[provider]["spec"]["secretRef"] = json!({"name": "made-up"});
        let namespace = objects[provider]["metadata"]["namespace"].clone();
        objects.push(json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "made-up", "namespace": namespace}, "stringData": {},
        }));
    }
    for secret in objects
        .iter_mut()
        .filter(|object| object["kind"] == "Secret")
    {
        if secret["stringData"].is_null() {
            secret["stringData"] = json!({});
        }
        for key in ["token", "password"] {
            secret["stringData"][format!("unused-{key}")] = json!(marked(key));
            // A pair stays a pair, and credentials in JSON stay what they are.
            let value = &mut secret["stringData"][key];
            if value
                .as_str()
                .is_some_and(|text| !text.contains([':', '{']))
            {
                *value = json!(marked(key));
            } else if value.is_null() {
                secret["stringData"]
                    .as_object_mut()
                    .map(|data| data.remove(key));
            }
        }
    }
    objects
}
