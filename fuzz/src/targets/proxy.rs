//! Proxy variables and waits: `HTTP_PROXY`, `NO_PROXY`, a target and a `Retry-After`, one per line.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::RETRY_AFTER;
use outbound::{ProxyEnvironment, ProxyUrl, retry_after};
use url::Url;

use super::{Target, first_line};
use crate::features::feature;

pub(super) const TARGET: Target = Target {
    name: "proxy",
    seeds: || {
        [
            "http://user:MARKEDSECRETpw0@proxy.example.com:3128\n.example.com,10.0.0.0/8,[::1]\nhttps://www.example.com/\n120",
            "socks5h://proxy:1080\n*\nhttp://10.1.2.3:8080/\nSun, 06 Nov 1994 08:49:37 GMT",
            "https://[::1]:443\nexample.com:8080\nhttp://example.com:8080/\n1.5",
            "proxy.example.com:80\n\nhttp://a/\n99999999999999999999",
        ]
        .map(|text| text.as_bytes().to_vec())
        .to_vec()
    },
    words: &[
        "http://",
        "https://",
        "socks5://",
        "socks5h://",
        "ftp://",
        "@",
        ":",
        "/",
        "%",
        "%00",
        "[::1]",
        "::ffff:10.0.0.1",
        "10.0.0.0/33",
        ".",
        "*",
        ",",
        " ",
        "\n",
        "MARKEDSECRET",
        "localhost",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "1e3",
        "-1",
        "xn--",
        "%40",
    ],
    run,
};

/// Errors repeat no credentials, and waits are finite.
fn run(input: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(input);
    let (proxy, rest) = first_line(&text);
    let (exceptions, rest) = first_line(rest);
    let (target, wait) = first_line(rest);
    if let Err(error) = ProxyUrl::parse(proxy) {
        let error = error.to_string();
        feature(&error);
        if error.contains("MARKEDSECRET") {
            return Err(format!("an error with a secret: {error}"));
        }
    }
    match ProxyEnvironment::parse(Some(proxy), Some(proxy), Some(exceptions)) {
        Ok(environment) => {
            if let Ok(target) = Url::parse(target) {
                let found = environment.proxy_for(&target).is_some();
                feature(if found { "through a proxy" } else { "directly" });
            }
            if format!("{environment:?}").contains("MARKEDSECRETpw0@") {
                return Err("credentials show".to_owned());
            }
        }
        Err(error) => feature(&error.to_string()),
    }
    let mut headers = HeaderMap::new();
    if let Ok(wait) = wait.parse() {
        headers.insert(RETRY_AFTER, wait);
    }
    match retry_after(&headers, SystemTime::UNIX_EPOCH) {
        Some(wait) if wait > Duration::from_hours(367 * 24) => Err(format!("a wait of {wait:?}")),
        Some(_) => {
            feature("a wait");
            Ok(())
        }
        None => Ok(()),
    }
}
