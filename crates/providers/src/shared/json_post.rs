//! A POST with a JSON body: what most types send.

use bytes::Bytes;
use domain::delivery::{Failure, FailureClass};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method};
use outbound::HttpRequest;
use serde::Serialize;
use url::Url;

/// The request.
pub(crate) fn json_post(url: &Url, body: &impl Serialize) -> Result<HttpRequest, Failure> {
    let body = serde_json::to_vec(body).map_err(|error| {
        Failure::new(
            FailureClass::Rejected,
            format!("rendering the message: {error}"),
        )
    })?;
    let mut request = HttpRequest::new(Method::POST, url.clone());
    request
        .headers
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    request.body = Bytes::from(body);
    Ok(request)
}
