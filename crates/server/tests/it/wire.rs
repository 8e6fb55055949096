//! Recorded requests as bytes on the wire.

use serde_json::Value;

/// A request as the recordings describe it.
pub(crate) fn request_bytes(request: &Value) -> Vec<u8> {
    if let Some(raw) = request["raw"].as_str() {
        return latin1(raw);
    }
    let method = request["method"].as_str().unwrap();
    let target = request["target"].as_str().unwrap();
    let version = request["http"].as_str().unwrap_or("1.1");
    let body = body_bytes(&request["body"]);
    let mut head = format!("{method} {target} HTTP/{version}\r\n");
    let mut names = Vec::new();
    for pair in request["headers"].as_array().into_iter().flatten() {
        let header = pair[0].as_str().unwrap();
        names.push(header.to_lowercase());
        head.extend([header, ": ", &fill(&pair[1]), "\r\n"]);
    }
    let has = |name: &str| names.iter().any(|found| found == name);
    if !has("host") && request["no_host"] != true {
        head.push_str("Host: receiver.example.com\r\n");
    }
    let chunk = request["chunked"].as_u64();
    let sends_length = !body.is_empty() || matches!(method, "POST" | "PUT" | "PATCH");
    if chunk.is_some() {
        head.push_str("Transfer-Encoding: chunked\r\n");
    } else if !has("content-length") && !has("transfer-encoding") && sends_length {
        head.extend(["Content-Length: ", &body.len().to_string(), "\r\n"]);
    }
    head.push_str("\r\n");
    // What is no UTF-8 was recorded as Latin-1.
    let mut bytes = if request["header_utf8"] == true {
        head.into_bytes()
    } else {
        latin1(&head)
    };
    match chunk {
        None => bytes.extend(body),
        Some(size) => {
            for part in body.chunks(usize::try_from(size).unwrap()) {
                bytes.extend(format!("{:x}\r\n", part.len()).into_bytes());
                bytes.extend(part);
                bytes.extend(b"\r\n");
            }
            bytes.extend(b"0\r\n\r\n");
        }
    }
    bytes
}

fn fill(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other["fill"]
            .as_str()
            .unwrap()
            .repeat(usize::try_from(other["count"].as_u64().unwrap()).unwrap()),
    }
}

/// A body as the recordings describe it.
pub(crate) fn body_bytes(body: &Value) -> Vec<u8> {
    if let Some(text) = body.as_str() {
        return text.as_bytes().to_vec();
    }
    if let Some(text) = body["base64"].as_str() {
        return decode_base64(text);
    }
    if let Some(pad) = body.get("pad") {
        let part = |name: &str| pad[name].as_str().unwrap_or_default();
        let size = usize::try_from(pad["size"].as_u64().unwrap()).unwrap();
        let inner = size - part("prefix").len() - part("suffix").len();
        let filling = part("fill").repeat(inner / part("fill").len().max(1));
        return [part("prefix"), &filling, part("suffix")]
            .concat()
            .into_bytes();
    }
    if let Some(text) = body["gzip"].as_str() {
        // What matters is that these bytes are no JSON.
        return [&[0x1f, 0x8b, 8, 0], text.as_bytes()].concat();
    }
    Vec::new()
}

/// One byte per character.
pub(crate) fn latin1(text: &str) -> Vec<u8> {
    text.chars()
        .map(|character| u8::try_from(u32::from(character)).unwrap())
        .collect()
}

/// Standard base64.
pub(crate) fn decode_base64(text: &str) -> Vec<u8> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| *byte != b'=')
        .map(value)
        .collect();
    let mut bytes = Vec::new();
    for group in digits.chunks(4) {
        let bits = group
            .iter()
            .fold(0_u32, |bits, digit| (bits << 6) | u32::from(*digit))
            << (6 * (4 - group.len()));
        bytes.extend(&bits.to_be_bytes()[1..group.len()]);
    }
    bytes
}
