//! Whether a list goes on, and where: on the same host only, so that no list sends our token elsewhere.

use http::header::LINK;
use outbound::HttpResponse;
use url::Url;

/// The page that `Link` calls the next one.
pub(crate) fn next(response: &HttpResponse, here: &Url) -> Option<Url> {
    let url = here.join(next_link(response)?).ok()?;
    (url.origin() == here.origin()).then_some(url)
}

/// Whether there is more behind the first `seen` entries, in any of the ways of GitHub, GitLab and
/// Gitea; for lists whose pages are asked for by number, since behind a proxy the links may name
/// another host than the address does.
pub(crate) fn has_more(response: &HttpResponse, seen: usize) -> bool {
    let number = |name: &str| -> Option<usize> {
        let value = response.headers.get(name)?.to_str().ok()?;
        value.trim().parse().ok()
    };
    next_link(response).is_some()
        // GitLab leaves it empty on the last page.
        || number("x-next-page").is_some()
        || number("x-total-count").is_some_and(|total| total > seen)
}

fn next_link(response: &HttpResponse) -> Option<&str> {
    let fields = response.headers.get_all(LINK).into_iter();
    fields
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split('<'))
        .find_map(|link| {
            let (target, parameters) = link.split_once('>')?;
            let mut parameters = parameters.split([';', ',']).map(str::trim);
            parameters
                .any(|parameter| matches!(parameter, "rel=\"next\"" | "rel=next"))
                .then_some(target)
        })
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
    fn a_list_goes_on_when_any_header_says_so() {
        for (name, value, more) in [
            (
                "link",
                "<https://elsewhere.example/?page=2>; rel=\"next\"",
                true,
            ),
            (
                "link",
                "<https://api.github.com/?page=1>; rel=\"prev\"",
                false,
            ),
            ("x-next-page", "2", true),
            ("x-next-page", "", false),
            ("x-total-count", "51", true),
            ("x-total-count", "50", false),
            ("x-total-count", "many", false),
        ] {
            let response = HttpResponse {
                status: StatusCode::OK,
                headers: [(name.parse().unwrap(), value.parse().unwrap())]
                    .into_iter()
                    .collect(),
                body: Bytes::new(),
                truncated: false,
            };
            assert_eq!(has_more(&response, 50), more, "{name}: {value}");
        }
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
