//! What came back on a connection, taken apart.

/// One answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// All final answers in what a connection gave, in order; an incomplete one at the end counts.
/// `100 Continue` is no answer.
pub(super) fn answers(mut bytes: &[u8]) -> Vec<Answer> {
    let mut answers = Vec::new();
    while let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        bytes = &bytes[end + 4..];
        let status = head
            .strip_prefix("HTTP/1.")
            .and_then(|head| head.split(' ').nth(1))
            .and_then(|status| status.parse().ok())
            .unwrap_or_else(|| panic!("no answer begins with {head:?}"));
        if status == 100 {
            continue;
        }
        let length = head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .map_or(0, |(_, length)| length.parse().unwrap());
        let (body, rest) = bytes.split_at(bytes.len().min(length));
        let body = body.to_vec();
        bytes = rest;
        answers.push(Answer { status, body });
    }
    answers
}

#[test]
fn answers_are_told_apart() {
    let bytes = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok\
        HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
    let answer = |status, body: &[u8]| Answer {
        status,
        body: body.to_vec(),
    };
    assert_eq!(answers(bytes), [answer(200, b"ok"), answer(400, b"")]);
}
