//! Recorded requests against ours.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use outbound::{Proxy, ProxyUrl};
use serde_json::Value;
use testkit::SentRequest;
use testkit::corpus::{Case, RecordedRequest};

use super::differences::{
    CREDENTIALS, INERT, MARKED, MATRIX_V3, NETWORK, NUMBERED, RETRIED, STABLE_LABELS, UNASKED,
};
use super::labels;
use super::nats;
use super::protocols;
use super::replay::Replayed;

/// Headers that say who we are, and `Referer`, which the reference's client adds to redirects.
const INFORMATIONAL: [&str; 2] = ["user-agent", "x-tfs-session"];

/// How far apart a recorded wait and ours may be, in seconds.
const TOLERANCE: f64 = 0.6;

/// All differences, in words, and the rules that kept others from being any.
pub(crate) fn compare(case: &Case, replayed: &Replayed) -> (Vec<String>, Vec<&'static str>) {
    let mut found = Vec::new();
    let mut rules = Vec::new();
    if !case.event_status.is_empty() && case.event_status != replayed.statuses {
        found.push(format!(
            "event server answered {:?}, recorded {:?}",
            replayed.statuses, case.event_status
        ));
    }
    // CONNECT is the transport's business; what it says about the route is checked below.
    let recorded: Vec<(usize, &RecordedRequest)> = case
        .requests
        .iter()
        .enumerate()
        .filter(|(_, request)| request.method != "CONNECT" && !nats::is_published(request))
        .collect();
    let (recorded, ours) = comparable(case, &recorded, replayed, &mut rules);
    if recorded.is_empty() && !ours.is_empty() && ignores_network(case) {
        // The reference did not trust the server, whose CA it was given.
        rules.push(NETWORK);
    } else if recorded.len() != ours.len() {
        found.push(format!(
            "{} requests, recorded {}: {:?}",
            ours.len(),
            recorded.len(),
            ours.iter()
                .map(|sent| format!("{} {}", sent.request.method, sent.request.url))
                .collect::<Vec<_>>()
        ));
    }
    for ((index, recorded), sent) in recorded.iter().zip(ours) {
        let translated = protocols::over_https(recorded);
        rules.extend(translated.as_ref().map(|(_, rule)| *rule));
        let recorded = translated
            .as_ref()
            .map_or(*recorded, |(recorded, _)| recorded);
        let mut comparison = Comparison {
            case,
            found: &mut found,
            rules: &mut rules,
        };
        comparison.request(*index, recorded, sent);
    }
    gaps(case, replayed, &mut found);
    found.extend(nats::compare(case, &replayed.published));
    (found, rules)
}

type Recorded<'a> = (usize, &'a RecordedRequest);

/// The requests on both sides that rules leave to be compared.
fn comparable<'a>(
    case: &Case,
    recorded: &'a [Recorded<'a>],
    replayed: &'a Replayed,
    rules: &mut Vec<&'static str>,
) -> (&'a [Recorded<'a>], &'a [SentRequest]) {
    let ours = replayed.sent.as_slice();
    if ours.is_empty() && !recorded.is_empty() && !replayed.failures.is_empty() {
        let is_numberless = change_requests(case).any(|number| number <= 0);
        let is_question = |(_, request): &Recorded<'_>| request.method == "GET";
        let rule = if is_numberless {
            Some(NUMBERED)
        } else {
            recorded.iter().all(is_question).then_some(UNASKED)
        };
        if let Some(rule) = rule {
            rules.push(rule);
            return (&[], ours);
        }
    }
    let edits_a_quotation = |((_, recorded), sent): (&Recorded<'_>, &SentRequest)| {
        matches!(recorded.method.as_str(), "PATCH" | "PUT") && sent.request.method == "POST"
    };
    if has_marker_inside(case)
        && let Some(end) = recorded.iter().zip(ours).position(edits_a_quotation)
    {
        rules.push(MARKED);
        return (&recorded[..end], &ours[..end]);
    }
    if replayed.first_fault == Some(recorded.len()) && ours.len() > recorded.len() {
        rules.push(RETRIED);
        return (recorded, &ours[..recorded.len()]);
    }
    (recorded, ours)
}

fn change_requests(case: &Case) -> impl Iterator<Item = i64> {
    case.all_events().flat_map(|event| {
        let metadata = event["metadata"].as_object().into_iter().flatten();
        let numbers = metadata.filter(|(key, _)| key.ends_with("/change_request"));
        let numbers = numbers.filter_map(|(_, value)| value.as_str()?.parse().ok());
        numbers.collect::<Vec<i64>>()
    })
}

/// Whether there is a comment with a marker that does not begin with it.
fn has_marker_inside(case: &Case) -> bool {
    let bodies = case
        .responses
        .iter()
        .filter_map(|answer| answer.body.as_ref());
    bodies.filter_map(Value::as_array).flatten().any(|comment| {
        let body = comment["body"].as_str().unwrap_or_default();
        body.contains("<!-- flux-") && !body.starts_with("<!-- flux-")
    })
}

/// Whether the case's Provider names a proxy.
fn has_proxy(case: &Case) -> bool {
    case.objects_of("Provider").any(|object| {
        let spec = &object["spec"];
        spec["proxy"].is_string() || spec["proxySecretRef"].is_object()
    })
}

fn gaps(case: &Case, replayed: &Replayed, found: &mut Vec<String>) {
    let times = replayed.sent.iter().map(|sent| sent.at);
    let ours = times
        .clone()
        .zip(times.skip(1))
        .map(|(from, to)| to.duration_since(from).as_secs_f64());
    for (index, (recorded, ours)) in case.gaps_s.iter().zip(ours).enumerate() {
        if (recorded - ours).abs() > TOLERANCE {
            found.push(format!("gap {index}: {ours} s, recorded {recorded} s"));
        }
    }
}

struct Comparison<'a> {
    case: &'a Case,
    found: &'a mut Vec<String>,
    rules: &'a mut Vec<&'static str>,
}

impl Comparison<'_> {
    fn request(&mut self, index: usize, recorded: &RecordedRequest, sent: &SentRequest) {
        let request = &sent.request;
        let place = format!("requests[{index}]");
        self.text(&place, "method", &recorded.method, request.method.as_str());
        let mut url = request.url.clone();
        let mut headers: BTreeMap<String, String> = request
            .headers
            .iter()
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.as_str().to_owned(), value)
            })
            .collect();
        // The real transport turns user information into Basic credentials.
        if !url.username().is_empty() || url.password().is_some() {
            let pair = format!("{}:{}", url.username(), url.password().unwrap_or_default());
            let basic = format!("Basic {}", STANDARD.encode(pair));
            headers.entry("authorization".to_owned()).or_insert(basic);
            url.set_username("").unwrap();
            url.set_password(None).unwrap();
        }
        let newer = recorded
            .url
            .replace("/_matrix/client/r0/", "/_matrix/client/v3/");
        if newer != recorded.url && newer == url.as_str() {
            self.rules.push(MATRIX_V3);
        } else {
            self.text(&place, "url", &recorded.url, url.as_str());
        }
        self.headers(&place, recorded, &headers);
        self.route(index, recorded, sent);
        self.body(&place, recorded, &request.body);
        if let Some(jwt) = &recorded.jwt {
            let authorization = headers.get("authorization").map_or("", String::as_str);
            self.jwt(&place, jwt, authorization);
        }
    }

    fn text(&mut self, place: &str, what: &str, recorded: &str, ours: &str) {
        if !fits(recorded, ours) {
            self.found
                .push(format!("{place}.{what}: `{ours}`, recorded `{recorded}`"));
        }
    }

    fn headers(
        &mut self,
        place: &str,
        recorded: &RecordedRequest,
        ours: &BTreeMap<String, String>,
    ) {
        let counts = |name: &&String| {
            !INFORMATIONAL.contains(&name.as_str()) && *name != "proxy-authorization"
        };
        for (name, value) in recorded.headers.iter().filter(|(name, _)| counts(name)) {
            match ours.get(name) {
                Some(ours) => self.text(place, name, value, ours),
                // What the reference makes of a token that is not there.
                None if self.is_otel() && name == "authorization" && value.trim() == "Bearer" => {
                    self.rules.push(CREDENTIALS);
                }
                None => self
                    .found
                    .push(format!("{place}: no header {name}: {value}")),
            }
        }
        for (name, value) in ours.iter().filter(|(name, _)| counts(name)) {
            let is_given = self.is_otel() && name == "authorization" && !self.has_headers();
            if is_given && !recorded.headers.contains_key(name) {
                self.rules.push(CREDENTIALS);
            } else if !recorded.headers.contains_key(name) {
                self.found
                    .push(format!("{place}: header {name}: {value} is not recorded"));
            }
        }
    }

    fn is_otel(&self) -> bool {
        let mut providers = self.case.objects_of("Provider");
        providers.any(|object| object["spec"]["type"] == "otel")
    }

    /// Whether a Secret of the case holds headers.
    fn has_headers(&self) -> bool {
        let mut secrets = self.case.objects_of("Secret");
        secrets.any(|object| {
            ["stringData", "data"]
                .iter()
                .any(|holder| object[holder]["headers"].is_string())
        })
    }

    fn route(&mut self, index: usize, recorded: &RecordedRequest, sent: &SentRequest) {
        // For https the proxy shows in the CONNECT before the request.
        let connect = index
            .checked_sub(1)
            .map(|before| &self.case.requests[before])
            .filter(|before| before.method == "CONNECT");
        let seen_by_proxy = connect.unwrap_or(recorded);
        let expected = seen_by_proxy
            .via_proxy
            .as_ref()
            .map_or_else(Proxy::default, |proxy| {
                let pair = seen_by_proxy
                    .headers
                    .get("proxy-authorization")
                    .and_then(|value| value.strip_prefix("Basic "))
                    .map(|pair| String::from_utf8(STANDARD.decode(pair).unwrap()).unwrap());
                let userinfo = pair.map(|pair| pair + "@").unwrap_or_default();
                let url = format!("http://{userinfo}{proxy}");
                Proxy::Explicit(ProxyUrl::parse(&url).unwrap())
            });
        let is_same_proxy = match (&sent.route.proxy, &expected) {
            (Proxy::Explicit(ours), Proxy::Explicit(expected)) => {
                ours.endpoint() == expected.endpoint()
            }
            _ => false,
        };
        let is_honoured = expected == Proxy::default() && has_proxy(self.case);
        if sent.route.proxy != expected && is_honoured {
            self.rules.push(NETWORK);
        } else if sent.route.proxy != expected && is_same_proxy && self.is_otel() {
            // The reference shows the proxy the collector's credentials.
            self.rules.push(CREDENTIALS);
        } else if sent.route.proxy != expected {
            self.found.push(format!(
                "requests[{index}]: proxy {:?}, recorded {expected:?}",
                sent.route.proxy
            ));
        }
        if recorded.client_cert_subject.is_some() != sent.has_client_certificate() {
            self.found.push(format!(
                "requests[{index}]: client certificate {}, recorded {:?}",
                sent.has_client_certificate(),
                recorded.client_cert_subject
            ));
        }
    }

    fn body(&mut self, place: &str, recorded: &RecordedRequest, ours: &[u8]) {
        let place = format!("{place}.body");
        let shown = protocols::shown(recorded, ours);
        let ours = match &recorded.body {
            _ if shown.is_some() => shown.unwrap_or_default(),
            Some(Value::String(_)) => Value::String(String::from_utf8_lossy(ours).into_owned()),
            _ if ours.is_empty() => Value::Null,
            _ => serde_json::from_slice(ours)
                .or_else(|_| lines(ours))
                .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(ours).into_owned())),
        };
        let mut recorded = recorded.body.clone().unwrap_or(Value::Null);
        if labels::make_stable_and_valid(&mut recorded) {
            self.rules.push(STABLE_LABELS);
        }
        self.value(&place, &recorded, &ours);
    }

    fn value(&mut self, place: &str, recorded: &Value, ours: &Value) {
        match (recorded, ours) {
            (Value::Object(recorded), Value::Object(ours)) => {
                for (key, value) in recorded {
                    match ours.get(key) {
                        Some(ours) => self.value(&format!("{place}.{key}"), value, ours),
                        None => self.found.push(format!("{place}.{key}: missing")),
                    }
                }
                for key in ours.keys().filter(|key| !recorded.contains_key(*key)) {
                    self.found.push(format!("{place}.{key}: not recorded"));
                }
            }
            (Value::Array(recorded), Value::Array(ours)) => {
                if recorded.len() != ours.len() {
                    let (ours, recorded) = (ours.len(), recorded.len());
                    self.found
                        .push(format!("{place}: {ours} items, recorded {recorded}"));
                }
                let order = |items: &[Value]| {
                    let mut items = items.to_vec();
                    if self.case.unordered.iter().any(|path| path == place) {
                        items.sort_by_key(ToString::to_string);
                    }
                    items
                };
                let pairs = order(recorded).into_iter().zip(order(ours));
                for (index, (recorded, ours)) in pairs.enumerate() {
                    self.value(&format!("{place}[{index}]"), &recorded, &ours);
                }
            }
            (Value::String(recorded), Value::String(ours)) => {
                let sorted = |text: &str| {
                    let mut lines: Vec<&str> = text.lines().collect();
                    lines.sort_unstable();
                    lines.join("\n")
                };
                let same = if self.case.unordered_lines.iter().any(|path| path == place) {
                    sorted(recorded) == sorted(ours)
                } else {
                    fits(recorded, ours)
                };
                if !same && revived(ours) == *recorded {
                    self.rules.push(INERT);
                } else if !same {
                    self.found
                        .push(format!("{place}: {ours:?}, recorded {recorded:?}"));
                }
            }
            (Value::String(recorded), Value::Number(_) | Value::Object(_))
                if is_placeholder(recorded) => {}
            (Value::Number(recorded), Value::Number(ours))
                if recorded.as_f64() == ours.as_f64() => {}
            _ if recorded == ours => {}
            _ => self
                .found
                .push(format!("{place}: {ours}, recorded {recorded}")),
        }
    }

    /// Header and claims of a JWT; `exp_minus_iat_s` is the life it grants itself.
    fn jwt(&mut self, place: &str, recorded: &Value, authorization: &str) {
        let token = authorization.strip_prefix("Bearer ").unwrap_or_default();
        let part = |index: usize| -> Value {
            let part = token.split('.').nth(index).unwrap_or_default();
            let bytes = URL_SAFE_NO_PAD.decode(part).unwrap_or_default();
            serde_json::from_slice(&bytes).unwrap_or_default()
        };
        let (header, claims) = (part(0), part(1));
        self.value(&format!("{place}.jwt.header"), &recorded["header"], &header);
        self.value(&format!("{place}.jwt.claims"), &recorded["claims"], &claims);
        if let Some(life) = recorded["exp_minus_iat_s"].as_i64() {
            let time = |claim: &str| claims[claim].as_i64().unwrap_or_default();
            let ours = time("exp") - time("iat");
            if ours != life {
                self.found
                    .push(format!("{place}.jwt lives {ours} s, recorded {life} s"));
            }
        }
    }
}

/// Whether a recording shows that the reference takes no notice of TLS material or a proxy.
fn ignores_network(case: &Case) -> bool {
    const IGNORED: [&str; 2] = ["W3.3:", "W3.4:"];
    let wart = case.wart.as_deref().unwrap_or_default();
    IGNORED.iter().any(|item| wart.starts_with(item))
}

/// One JSON value per line, as in Sentry's envelopes.
fn lines(body: &[u8]) -> Result<Value, serde_json::Error> {
    let values = serde_json::Deserializer::from_slice(body).into_iter();
    values.collect::<Result<Vec<Value>, _>>().map(Value::Array)
}

/// The text as it was before its mentions were made inert.
fn revived(text: &str) -> String {
    text.replace('\u{200b}', "")
        // In a form.
        .replace("%E2%80%8B", "")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
}

fn is_placeholder(text: &str) -> bool {
    text.starts_with("<<") && text.ends_with(">>") && text.matches("<<").count() == 1
}

/// Whether a text is the recorded one, with anything in place of its placeholders.
fn fits(recorded: &str, ours: &str) -> bool {
    let Some((before, rest)) = recorded.split_once("<<") else {
        return recorded == ours;
    };
    let Some((name, after)) = rest.split_once(">>") else {
        return recorded == ours;
    };
    // Texts of events may hold such brackets by themselves.
    if recorded == ours || name.is_empty() || name.contains(char::is_whitespace) {
        return recorded == ours;
    }
    let Some(ours) = ours.strip_prefix(before) else {
        return false;
    };
    ours.char_indices()
        .skip(1)
        .map(|(position, _)| ours.split_at(position).1)
        .chain([""])
        .any(|rest| fits(after, rest))
}
