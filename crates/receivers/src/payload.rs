//! What a genuine call says: whether its body is what the type sends, and what filters get to see.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::CONTENT_TYPE;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::call::{self, Call, header};
use crate::json::{self, Shape};
use crate::kind::Reading;
use crate::rejection::Rejection;
use crate::{cdevent, form, media_type};

/// What filters will see, as far as it is known.
#[derive(Debug)]
pub enum Payload {
    /// The body, if it claims to be JSON.
    Body,
    /// This text, whatever the body claims to be.
    Text(Vec<u8>),
    /// This value, if the body claims to be JSON.
    Value(Value),
}

impl Payload {
    /// Checks a body; every reading but that of GitHub and Bitbucket looks past the `Content-Type`.
    pub fn read(reading: Reading, call: &Call) -> Result<Self, Rejection> {
        match reading {
            Reading::Anything => Ok(Self::Body),
            Reading::JsonOrForm => Self::json_or_form(call),
            Reading::First(shape) => {
                let (value, _) = json::first(&call.body).map_err(unreadable)?;
                fit(shape, &value)
            }
            Reading::Whole(shape) => {
                let value = json::whole(&call.body).map_err(unreadable)?;
                fit(shape, &value)
            }
            Reading::PubSub => pub_sub(&call.body).map(Self::Value),
            Reading::CdEvent => cdevent::check(&call.body)
                .map(Self::Value)
                .map_err(unreadable),
        }
    }

    fn json_or_form(call: &Call) -> Result<Self, Rejection> {
        let kind = header(&call.headers, CONTENT_TYPE.as_str()).and_then(media_type::parse);
        match kind.as_deref() {
            Some("application/json") => Ok(Self::Body),
            Some("application/x-www-form-urlencoded") => form::field(&call.body, "payload")
                .map(Self::Text)
                .ok_or_else(|| unreadable("the form is malformed")),
            _ => Err(unreadable(
                "its content type is neither application/json nor a form",
            )),
        }
    }

    /// The object that filters see as `req`: empty for what claims to be no JSON, and for `null`.
    pub fn seen_by_filters(self, call: &Call) -> Result<Value, Rejection> {
        let is_json = call::is_json(&call.headers);
        let value = match self {
            Self::Text(text) => json::first(&text).map_err(unreadable)?.0,
            _ if !is_json => Value::Null,
            Self::Value(value) => value,
            Self::Body => json::first(&call.body).map_err(unreadable)?.0,
        };
        match value {
            Value::Null => Ok(Value::Object(Map::new())),
            Value::Object(_) => Ok(value),
            _ => Err(unreadable("filters need a JSON object")),
        }
    }
}

fn fit(shape: Shape, value: &Value) -> Result<Payload, Rejection> {
    if shape.fits(value) {
        Ok(Payload::Body)
    } else {
        Err(unreadable("it is not of the form that this type sends"))
    }
}

/// Takes the message out of its envelope; what filters see always has the three keys.
fn pub_sub(body: &[u8]) -> Result<Value, Rejection> {
    const ENVELOPE: Shape = Shape::Object(&[
        (
            "message",
            Shape::Object(&[
                ("data", Shape::Text),
                ("messageId", Shape::Text),
                ("publishTime", Shape::Text),
            ]),
        ),
        ("subscription", Shape::Text),
    ]);
    const DATA: Shape = Shape::Object(&[
        ("action", Shape::Text),
        ("digest", Shape::Text),
        ("tag", Shape::Text),
    ]);
    let (envelope, _) = json::first(body).map_err(unreadable)?;
    if !ENVELOPE.fits(&envelope) {
        return Err(unreadable("it is no push message"));
    }
    let message = json::field(&envelope, "message");
    let text = |of: Option<&Value>, name: &str| {
        of.and_then(|of| json::field(of, name)?.as_str().map(str::to_owned))
    };
    let is_time = text(message, "publishTime").is_none_or(|time| time.parse::<Timestamp>().is_ok());
    if !is_time {
        return Err(unreadable("publishTime is no time"));
    }
    let data = text(message, "data").unwrap_or_default();
    let data = STANDARD
        .decode(data.replace(['\r', '\n'], ""))
        .map_err(|_| unreadable("message.data is no base64"))?;
    let data = json::whole(&data).map_err(unreadable)?;
    if !DATA.fits(&data) {
        return Err(unreadable(
            "message.data is not of the form that this type sends",
        ));
    }
    let value = |name: &str| text(Some(&data), name).unwrap_or_default();
    Ok(json!({"action": value("action"), "digest": value("digest"), "tag": value("tag")}))
}

fn unreadable(why: impl Into<Unreadable>) -> Rejection {
    Rejection::Payload(why.into().0)
}

/// Why a body cannot be read.
struct Unreadable(String);

impl From<&str> for Unreadable {
    fn from(words: &str) -> Self {
        Self(words.to_owned())
    }
}

impl From<json::JsonError> for Unreadable {
    fn from(error: json::JsonError) -> Self {
        Self(error.to_string())
    }
}

impl From<cdevent::Invalid> for Unreadable {
    fn from(error: cdevent::Invalid) -> Self {
        Self(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue};

    use super::*;

    fn call(kind: &'static str, body: &str) -> Call {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        Call {
            headers,
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    fn seen(reading: Reading, call: &Call) -> Result<Value, Rejection> {
        Payload::read(reading, call)?.seen_by_filters(call)
    }

    #[test]
    fn filters_see_the_payload_of_a_form() {
        let form = call(
            "application/x-www-form-urlencoded",
            "payload=%7B%22ref%22%3A%22x%22%7D",
        );
        assert_eq!(seen(Reading::JsonOrForm, &form), Ok(json!({"ref": "x"})));
        let plain = call("text/plain", "{}");
        assert!(seen(Reading::JsonOrForm, &plain).is_err());
    }

    #[test]
    fn filters_see_nothing_of_what_claims_to_be_no_json() {
        let text = call("text/plain", "{\"a\": 1}");
        assert_eq!(seen(Reading::Anything, &text), Ok(json!({})));
        let null = call("application/json", "null");
        assert_eq!(seen(Reading::Anything, &null), Ok(json!({})));
        for body in ["", "[]", "1", "{"] {
            let call = call("application/json", body);
            assert!(seen(Reading::Anything, &call).is_err(), "{body}");
        }
    }

    #[test]
    fn filters_see_the_message_in_the_envelope() {
        let data = STANDARD.encode("{\"action\":\"INSERT\",\"extra\":1}");
        let push = call(
            "application/json",
            &format!("{{\"message\": {{\"data\": \"{data}\"}}}}"),
        );
        assert_eq!(
            seen(Reading::PubSub, &push),
            Ok(json!({"action": "INSERT", "digest": "", "tag": ""}))
        );
        for body in [
            "{}",
            "null",
            "{\"message\": {\"data\": \"!!!\"}}",
            "{\"message\": {\"data\": \"e30=\", \"publishTime\": \"yesterday\"}}",
            "{\"message\": {\"data\": \"e30=\", \"messageId\": 1}}",
        ] {
            assert!(
                seen(Reading::PubSub, &call("application/json", body)).is_err(),
                "{body}"
            );
        }
    }
}
