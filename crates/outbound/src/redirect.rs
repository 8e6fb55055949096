//! Which redirects are followed: to the same host only, and never from https to http.
//!
//! Pure: a response's status and `Location` in, the next request or a refusal out.

use http::header::{CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LOCATION, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, Method, StatusCode};
use url::Url;

use crate::error::{Endpoint, HttpError};
use crate::transport::HttpRequest;

/// How many redirects of one request are followed.
pub(crate) const MOST_REDIRECTS: usize = 3;

/// What a response asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Redirect {
    /// It is the answer.
    None,
    /// The request is to be sent there instead.
    To(Url),
}

/// Reads a response's redirect. A redirecting status without a usable `Location` is an answer like
/// any other.
pub(crate) fn redirect(
    from: &Url,
    status: StatusCode,
    headers: &HeaderMap,
) -> Result<Redirect, HttpError> {
    let redirects = matches!(
        status,
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    let location = headers
        .get(LOCATION)
        .filter(|_| redirects)
        .and_then(|value| std::str::from_utf8(value.as_bytes()).ok())
        .and_then(|value| from.join(value).ok());
    let Some(mut to) = location else {
        return Ok(Redirect::None);
    };
    if !same_host(from, &to) {
        return Err(HttpError::RedirectElsewhere {
            endpoint: Endpoint::of(from),
            target: Endpoint::of(&to),
        });
    }
    // The request's own credentials stay in its header; the other side has none to add.
    let _ = to.set_username("");
    let _ = to.set_password(None);
    Ok(Redirect::To(to))
}

/// Rewrites a request for its redirect: 307 and 308 keep method and body, the others ask again with
/// a GET without body (a HEAD stays one).
pub(crate) fn rewrite(request: &mut HttpRequest, status: StatusCode, to: Url) {
    request.url = to;
    let keep = matches!(
        status,
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT
    );
    if keep {
        return;
    }
    if request.method != Method::HEAD {
        request.method = Method::GET;
    }
    request.body.clear();
    for header in [
        CONTENT_TYPE,
        CONTENT_ENCODING,
        CONTENT_LANGUAGE,
        CONTENT_LOCATION,
    ] {
        request.headers.remove(header);
    }
}

/// The same name, and either the same scheme and port or a step up from http to https.
fn same_host(from: &Url, to: &Url) -> bool {
    let same_name = from.host().is_some() && from.host() == to.host();
    let same_place =
        from.scheme() == to.scheme() && from.port_or_known_default() == to.port_or_known_default();
    let upgrade = from.scheme() == "http" && to.scheme() == "https";
    same_name && (same_place || upgrade)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::HeaderValue;

    fn ask(from: &str, status: u16, location: &str) -> Result<Redirect, HttpError> {
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, HeaderValue::from_str(location).unwrap());
        let status = StatusCode::from_u16(status).unwrap();
        redirect(&Url::parse(from).unwrap(), status, &headers)
    }

    #[test]
    fn the_same_host_is_followed_relative_or_absolute() {
        for (from, location, to) in [
            ("https://a.example/x", "/y?z", "https://a.example/y?z"),
            ("https://a.example/x/y", "z", "https://a.example/x/z"),
            (
                "https://a.example/x",
                "https://A.example:443/y",
                "https://a.example/y",
            ),
            (
                "http://a.example/x",
                "https://a.example/x",
                "https://a.example/x",
            ),
            (
                "https://a.example/",
                "https://u:p@a.example/",
                "https://a.example/",
            ),
        ] {
            let to = Redirect::To(Url::parse(to).unwrap());
            assert_eq!(ask(from, 307, location), Ok(to), "{from} {location}");
        }
    }

    #[test]
    fn elsewhere_is_refused() {
        for (from, location) in [
            ("https://a.example/", "https://b.example/"),
            ("https://a.example/", "//b.example/"),
            ("https://a.example/", "http://a.example/"),
            ("https://a.example/", "https://a.example:8443/"),
            ("http://a.example/", "http://a.example:8080/"),
            ("https://a.example/", "ftp://a.example/"),
            ("https://a.example/", "https://a.example.b.example/"),
        ] {
            assert!(
                matches!(
                    ask(from, 301, location),
                    Err(HttpError::RedirectElsewhere { .. })
                ),
                "{from} {location}"
            );
        }
    }

    #[test]
    fn other_statuses_and_missing_locations_are_answers() {
        for status in [200, 300, 304, 404] {
            assert_eq!(
                ask("https://a.example/", status, "https://b.example/"),
                Ok(Redirect::None)
            );
        }
        let url = Url::parse("https://a.example/").unwrap();
        assert_eq!(
            redirect(&url, StatusCode::FOUND, &HeaderMap::new()),
            Ok(Redirect::None)
        );
    }

    #[test]
    fn only_307_and_308_keep_method_and_body() {
        for (status, method, length) in [
            (301, Method::GET, 0),
            (302, Method::GET, 0),
            (303, Method::GET, 0),
            (307, Method::PUT, 4),
            (308, Method::PUT, 4),
        ] {
            let url = Url::parse("https://a.example/x").unwrap();
            let mut request = HttpRequest::new(Method::PUT, url.clone());
            request.body = Bytes::from_static(b"body");
            let json = HeaderValue::from_static("application/json");
            request.headers.insert(CONTENT_TYPE, json);
            rewrite(&mut request, StatusCode::from_u16(status).unwrap(), url);
            assert_eq!(request.method, method, "{status}");
            assert_eq!(request.body.len(), length, "{status}");
            assert_eq!(request.headers.len(), length / 4, "{status}");
        }
    }
}
