//! Requests that break rules or stretch them, each on every port.

use futures::future::join_all;

use super::doors::{Door, House};

/// MiB that the process may take at its peak, with all cases at once on all ports: two budgets of
/// 64 MiB for bodies, one of 64 MiB for heads, and what a debug build takes by itself.
const MOST_MEMORY: u64 = 320;

/// What must come back. In no case a 5xx other than 501, 503 and 505.
#[derive(Clone, Copy)]
enum Verdict {
    /// Nothing that means success, or nothing at all.
    Refused,
    /// Exactly the answer that a good request gets.
    Good,
    /// 413 where bodies are read; elsewhere whatever the path says.
    TooLarge,
    /// Refused where bodies are read, elsewhere whatever.
    BadBody,
    /// Refused where bodies are understood; a generic webhook takes any.
    BadContent,
    /// Taken or refused, but understood as no more than one request.
    AtMostOne,
    /// Any answers.
    Any,
}
use Verdict::{Any, AtMostOne, BadBody, BadContent, Good, Refused, TooLarge};

/// Makes the bytes for a port.
type Request = Box<dyn Fn(&Door) -> Vec<u8> + Send + Sync>;

struct Case {
    name: &'static str,
    request: Request,
    /// Whether the client says that nothing follows.
    half_close: bool,
    verdict: Verdict,
}

fn case(
    name: &'static str,
    verdict: Verdict,
    request: impl Fn(&Door) -> Vec<u8> + Send + Sync + 'static,
) -> Case {
    Case {
        name,
        request: Box::new(request),
        half_close: false,
        verdict,
    }
}

/// The same bytes for every port.
fn bytes(name: &'static str, verdict: Verdict, bytes: &'static [u8]) -> Case {
    case(name, verdict, move |_| bytes.to_vec())
}

/// A request with a body that is written down as it is.
fn raw(fields: &'static str, body: Vec<u8>) -> impl Fn(&Door) -> Vec<u8> + Send + Sync {
    move |door| [door.head(fields).into_bytes(), body.clone()].concat()
}

/// A chunked body that is written down as it is.
fn chunked(name: &'static str, verdict: Verdict, body: impl Into<Vec<u8>>) -> Case {
    let fields = "Connection: close\r\nTransfer-Encoding: chunked\r\n";
    case(name, verdict, raw(fields, body.into()))
}

/// A good request but for some header fields, which are lines that end with CR LF.
fn fields(name: &'static str, verdict: Verdict, fields: impl Into<Vec<u8>>) -> Case {
    let fields = fields.into();
    case(name, verdict, move |door| {
        let request = door.request("Connection: close\r\nX-Fields: here\r\n");
        let marker = b"X-Fields: here\r\n";
        let at = request
            .windows(marker.len())
            .position(|window| window == marker)
            .unwrap();
        let (before, after) = (&request[..at], &request[at + marker.len()..]);
        [before, &fields, after].concat()
    })
}

/// A good request but for its first line.
fn line(name: &'static str, verdict: Verdict, line: fn(&Door) -> Vec<u8>) -> Case {
    case(name, verdict, move |door| {
        let request = door.request("Connection: close\r\n");
        let end = request.iter().position(|byte| *byte == b'\r').unwrap();
        [&line(door), &request[end..]].concat()
    })
}

const MIB: usize = 1 << 20;

fn cases() -> Vec<Case> {
    [
        heads(),
        first_lines(),
        lengths(),
        chunks(),
        bodies(),
        protocols(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn heads() -> Vec<Case> {
    vec![
        fields("a head of 2 MiB", Refused, big_field(2 * MIB)),
        fields("a head of just over 256 KiB", Refused, big_field(270_000)),
        fields("20,000 fields", Refused, "X-Many: 1\r\n".repeat(20_000)),
        fields("5,000 short fields", Refused, "A: 1\r\n".repeat(5_000)),
        fields("NUL in a value", Refused, "X-Value: a\0b\r\n"),
        fields("NUL in a name", Refused, "X-\0: a\r\n"),
        fields("a space before the colon", Refused, "X-Value : a\r\n"),
        fields("no colon", Refused, "nonsense\r\n"),
        fields("an empty name", Refused, ": a\r\n"),
        fields("a folded field", Refused, "X-Value: a\r\n b\r\n"),
        fields("a CR in a value", Refused, "X-Value: a\rb\r\n"),
        fields("invalid UTF-8 in a value", Good, b"X-Value: \xff\xfe\r\n"),
        fields("invalid UTF-8 in a name", Refused, b"X-\xff: a\r\n"),
        fields("two hosts", AtMostOne, "Host: other\r\n"),
        fields("line feeds only", AtMostOne, "X-Value: a\n"),
        fields(
            "a message in a header",
            Good,
            "X-Value: %0d%0aSet-Cookie: a=b\r\n",
        ),
    ]
}

fn big_field(size: usize) -> String {
    format!("X-Big: {}\r\n", "x".repeat(size))
}

fn first_lines() -> Vec<Case> {
    vec![
        line("an unknown method", AtMostOne, |door| {
            format!("BREW {} HTTP/1.1", door.path).into_bytes()
        }),
        line("a method of 100 KiB", AtMostOne, |_| {
            [&vec![b'A'; 100 * 1024][..], b" / HTTP/1.1"].concat()
        }),
        line("a method in lower case", AtMostOne, |door| {
            format!("post {} HTTP/1.1", door.path).into_bytes()
        }),
        line("CONNECT", Refused, |_| {
            b"CONNECT internal.example:443 HTTP/1.1".to_vec()
        }),
        line("an absolute target", Any, |door| {
            format!("POST http://other.example{} HTTP/1.1", door.path).into_bytes()
        }),
        line("an asterisk", AtMostOne, |_| b"OPTIONS * HTTP/1.1".to_vec()),
        line("NUL in the path", Refused, |_| {
            b"POST /a\0b HTTP/1.1".to_vec()
        }),
        line("invalid UTF-8 in the path", AtMostOne, |_| {
            b"POST /\xff\xfe HTTP/1.1".to_vec()
        }),
        line("escapes that are none", AtMostOne, |_| {
            b"POST /%zz%f HTTP/1.1".to_vec()
        }),
        line("a path out of the root", AtMostOne, |_| {
            b"POST /../../etc/passwd HTTP/1.1".to_vec()
        }),
        line("a path of 200 KiB", AtMostOne, |_| {
            [b"POST /", &vec![b'a'; 200 * 1024][..], b" HTTP/1.1"].concat()
        }),
        line("no path", Refused, |_| b"POST HTTP/1.1".to_vec()),
        line("spaces in the path", Refused, |_| {
            b"POST /a b HTTP/1.1".to_vec()
        }),
        line("HTTP/9.9", Refused, |_| b"POST / HTTP/9.9".to_vec()),
        line("HTTP/0.9", Refused, |_| b"GET /".to_vec()),
        line("HTTP/1.0", Good, |door| {
            let method = if door.reads_bodies() { "POST" } else { "GET" };
            format!("{method} {} HTTP/1.0", door.path).into_bytes()
        }),
    ]
}

fn lengths() -> Vec<Case> {
    let length = |name, verdict, value: &str, body: &'static [u8]| {
        let head = format!("Connection: close\r\nContent-Length: {value}\r\n");
        case(name, verdict, move |door: &Door| {
            [door.head(&head).as_bytes(), body].concat()
        })
    };
    let mut short = length("a body shorter than said", BadBody, "1000", b"{");
    short.half_close = true;
    vec![
        short,
        length("a negative length", Refused, "-1", b""),
        length("a length with a sign", Refused, "+5", b"hello"),
        length("a length in hexadecimal", Refused, "0x5", b"hello"),
        length("a length that is no number", Refused, "five", b"hello"),
        length(
            "a length beyond 64 bits",
            Refused,
            "18446744073709551616",
            b"",
        ),
        length("a length of 64 bits", BadBody, "9223372036854775807", b"{}"),
        length("two lengths in one field", Refused, "5, 6", b"hello"),
        length(
            "a body longer than said",
            BadContent,
            "2",
            b"{}{}{}{}\r\n\r\n",
        ),
        length("two lengths", Refused, "5\r\nContent-Length: 6", b"hello!"),
        // Whoever reads the length sees one request here, whoever reads the chunks sees two.
        case("a length and chunks", AtMostOne, |door| {
            let second = door.head("");
            let body = format!("0\r\n\r\n{second}");
            let both = format!(
                "Content-Length: {}\r\nTransfer-Encoding: chunked\r\n",
                body.len()
            );
            format!("{}{body}", door.head(&both)).into_bytes()
        }),
        case("chunks and a length", AtMostOne, |door| {
            let second = door.head("");
            let body = format!("0\r\n\r\n{second}");
            let both = format!(
                "Transfer-Encoding: chunked\r\nContent-Length: {}\r\n",
                body.len()
            );
            format!("{}{body}", door.head(&both)).into_bytes()
        }),
        fields(
            "an unknown transfer encoding",
            Refused,
            "Transfer-Encoding: gzip\r\n",
        ),
        fields(
            "chunked is not last",
            Refused,
            "Transfer-Encoding: chunked, gzip\r\n",
        ),
        case("chunks in HTTP/1.0", AtMostOne, |door| {
            let head = door.head("Transfer-Encoding: chunked\r\n");
            let head = head.replace("HTTP/1.1", "HTTP/1.0");
            format!("{head}0\r\n\r\n{}", door.head("")).into_bytes()
        }),
    ]
}

fn chunks() -> Vec<Case> {
    let extension = |size| format!("1;a={}\r\nx\r\n0\r\n\r\n", "e".repeat(size));
    vec![
        chunked("a chunk beyond 64 bits", BadBody, "fffffffffffffffff\r\nx"),
        chunked(
            "a chunk of 64 bits",
            BadBody,
            "ffffffffffffffff\r\nx\r\n0\r\n\r\n",
        ),
        chunked("a negative chunk", BadBody, "-1\r\nx\r\n0\r\n\r\n"),
        chunked("a chunk size with 0x", BadBody, "0x1\r\nx\r\n0\r\n\r\n"),
        chunked("no chunk size", BadBody, "\r\nx\r\n0\r\n\r\n"),
        chunked(
            "a chunk longer than said",
            BadBody,
            "1\r\nxxxx\r\n0\r\n\r\n",
        ),
        chunked("line feeds only in chunks", BadBody, "1\nx\n0\n\n"),
        chunked("an extension of 4 MiB", BadBody, extension(4 * MIB)),
        chunked(
            "an extension in each of 100,000 chunks",
            BadContent,
            "1;abcdefgh=ijklmnop\r\nx\r\n".repeat(100_000) + "0\r\n\r\n",
        ),
        chunked(
            "a million chunks of one byte",
            BadContent,
            "1\r\nx\r\n".repeat(1_000_000) + "0\r\n\r\n",
        ),
        chunked(
            "a trailer of 4 MiB",
            BadBody,
            format!("0\r\nX-Big: {}\r\n\r\n", "x".repeat(4 * MIB)),
        ),
        chunked(
            "100,000 trailers",
            BadBody,
            format!("0\r\n{}\r\n", "A: 1\r\n".repeat(100_000)),
        ),
        Case {
            half_close: true,
            ..chunked("chunks that break off", BadBody, "5\r\nhel")
        },
    ]
}

fn bodies() -> Vec<Case> {
    let body = |name, verdict, body: Vec<u8>| {
        case(name, verdict, move |door: &Door| {
            let fields = format!("Connection: close\r\nContent-Length: {}\r\n", body.len());
            [door.head(&fields).into_bytes(), body.clone()].concat()
        })
    };
    let deep = format!("{}{}", "[".repeat(500_000), "]".repeat(500_000));
    let chunk = format!("{:x}\r\n{}\r\n", MIB, "x".repeat(MIB));
    vec![
        body("an empty body", BadContent, Vec::new()),
        body("a body of NULs", BadContent, vec![0; 1000]),
        body(
            "invalid UTF-8 in a body",
            BadContent,
            b"{\"a\":\"\xff\xfe\"}".to_vec(),
        ),
        body(
            "half a surrogate",
            BadContent,
            br#"{"message":"\ud800"}"#.to_vec(),
        ),
        body("500,000 brackets", BadContent, deep.into_bytes()),
        body("a body of 4 MiB", TooLarge, vec![b'x'; 4 * MIB]),
        chunked("chunks of 5 MiB", TooLarge, chunk.repeat(5) + "0\r\n\r\n"),
        chunked("chunks of 40 MiB", Any, chunk.repeat(40) + "0\r\n\r\n"),
    ]
}

fn protocols() -> Vec<Case> {
    vec![
        bytes(
            "the preface of HTTP/2",
            Refused,
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        ),
        bytes(
            "the hello of TLS",
            Refused,
            b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00\r\n\r\n",
        ),
        bytes("bytes from nowhere", Refused, b"\x00\x01\x02\xff\r\n\r\n"),
        bytes("SSH", Refused, b"SSH-2.0-OpenSSH_9.9\r\n\r\n"),
        Case {
            half_close: true,
            ..bytes("nothing at all", Refused, b"")
        },
        Case {
            half_close: true,
            ..bytes("half a head", Refused, b"POST / HTTP/1.1\r\nHo")
        },
        Case {
            half_close: true,
            ..case("a half-closed connection", Good, |door| {
                door.request("Connection: close\r\n")
            })
        },
        fields("100-continue", Good, "Expect: 100-continue\r\n"),
        fields("an unknown expectation", AtMostOne, "Expect: 200-ok\r\n"),
        fields(
            "an upgrade to WebSocket",
            Good,
            "Upgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
        ),
        fields(
            "an upgrade to HTTP/2",
            Good,
            "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        ),
    ]
}

/// What is wrong with what came back, if anything is.
async fn try_case(door: &Door, case: &Case) -> Option<String> {
    let request = (case.request)(door);
    let answers = door.exchange(&request, case.half_close).await;
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    let is_refusal = |status: &u16| *status >= 300;
    let is_sane = statuses
        .iter()
        .all(|status| *status != 101 && (*status < 500 || matches!(status, 501 | 503 | 505)));
    let is_as_wanted = match case.verdict {
        Refused => statuses.iter().all(is_refusal),
        Good => matches!(*statuses, [status] if door.is_good(status)),
        // Commands have one status for all that is wrong with them.
        TooLarge if door.name == "control" => statuses == [400],
        TooLarge if door.reads_bodies() => statuses == [413],
        BadBody if door.reads_bodies() => statuses.iter().all(is_refusal),
        BadContent if door.reads_bodies() && door.name != "webhooks" => {
            statuses.iter().all(is_refusal)
        }
        AtMostOne => statuses.len() <= 1,
        Any | TooLarge | BadBody | BadContent => true,
    };
    let told = format!("{}: {}: {statuses:?}", door.name, case.name);
    (!is_sane || !is_as_wanted).then_some(told)
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_break_rules_are_refused_on_every_port() {
    let house = House::open();
    let cases = cases();
    let all = house
        .doors
        .iter()
        .flat_map(|door| cases.iter().map(move |case| try_case(door, case)));
    let wrong: Vec<String> = join_all(all).await.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    house.assert_well("broken requests", MOST_MEMORY).await;
}
