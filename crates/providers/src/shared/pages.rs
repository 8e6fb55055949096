//! Finds the next page of a list, on the same host only: a list must not send our token elsewhere.

use http::header::LINK;
use outbound::HttpResponse;
use url::Url;

/// The page that `Link` calls the next one.
pub(crate) fn next(response: &HttpResponse, here: &Url) -> Option<Url> {
    let fields = response.headers.get_all(LINK).into_iter();
    let target = fields
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split('<'))
        .find_map(|link| {
            let (target, parameters) = link.split_once('>')?;
            let mut parameters = parameters.split([';', ',']).map(str::trim);
            parameters
                .any(|parameter| matches!(parameter, "rel=\"next\"" | "rel=next"))
                .then_some(target)
        })?;
    let url = here.join(target).ok()?;
    (url.origin() == here.origin()).then_some(url)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue, StatusCode};

    use super::*;

    fn next_of(links: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for link in links {
            headers.append(LINK, HeaderValue::from_str(link).unwrap());
        }
        let response = HttpResponse {
            status: StatusCode::OK,
            headers,
            body: Bytes::new(),
            truncated: false,
        };
        let here = Url::parse("https://api.github.com/x").unwrap();
        next(&response, &here).map(String::from)
    }

    #[test]
    fn the_next_page_is_found_among_others() {
        for links in [
            &[
                r#"<https://api.github.com/x?page=1>; rel="prev", <https://api.github.com/x?page=3>; rel="next""#,
            ][..],
            &[r#"<https://api.github.com/x?page=3>; title="a"; rel=next"#],
            &[
                r#"<https://api.github.com/x?page=9>; rel="last""#,
                r#"</x?page=3>; rel="next""#,
            ],
        ] {
            let found = next_of(links);
            assert_eq!(found.as_deref(), Some("https://api.github.com/x?page=3"));
        }
        assert_eq!(next_of(&[]), None);
        assert_eq!(
            next_of(&[r#"<https://api.github.com/x>; rel="last""#]),
            None
        );
        assert_eq!(next_of(&["nonsense; rel=next", "<; rel=next"]), None);
    }

    #[test]
    fn no_other_host_is_asked() {
        for elsewhere in [
            "https://elsewhere.example/x",
            "http://api.github.com/x",
            "https://api.github.com:444/x",
            "//elsewhere.example/x",
        ] {
            assert_eq!(next_of(&[&format!("<{elsewhere}>; rel=\"next\"")]), None);
        }
    }
}
