//! A JSON body, and a POST with one: what most types send.

use bytes::Bytes;
use domain::delivery::{Failure, FailureClass};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method};
use outbound::HttpRequest;
use serde::Serialize;
use url::Url;

/// The request.
pub(crate) fn json_post(url: &Url, body: &impl Serialize) -> Result<HttpRequest, Failure> {
    let mut request = HttpRequest::new(Method::POST, url.clone());
    set_json_body(&mut request, body)?;
    Ok(request)
}

/// Gives a request, such as one with credentials, its body and content type.
pub(crate) fn set_json_body(
    request: &mut HttpRequest,
    body: &impl Serialize,
) -> Result<(), Failure> {
    let body = serde_json::to_vec(body).map_err(|error| {
        Failure::new(
            FailureClass::Rejected,
            format!("rendering the message: {error}"),
        )
    })?;
    request
        .headers
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    request.body = Bytes::from(body);
    Ok(())
}

/// How many bytes a body has as JSON; what cannot be rendered has none and fails when it is sent.
pub(crate) fn json_size(body: &impl Serialize) -> usize {
    serde_json::to_vec(body).map_or(0, |json| json.len())
}
