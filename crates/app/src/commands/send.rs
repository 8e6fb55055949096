//! `fanfare send`: post an event as a controller would.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Method, StatusCode};
use outbound::{HttpRequest, HttpResponse, HttpTransport, Route, SendOptions};
use prometheus_client::registry::Registry;
use serde::Serialize;

use crate::cli::{Format, SendArguments};
use crate::hints::Hinted;
use crate::{compose, output, runtime};

/// Controllers give up after 5 s; a little more shows slow answers for what they are.
const DEADLINE: Duration = Duration::from_secs(10);

#[derive(Serialize)]
struct Sent {
    status: u16,
    accepted: bool,
    meaning: String,
}

pub(super) fn execute(arguments: &SendArguments) -> anyhow::Result<ExitCode> {
    // Look at it first: a mistake in the file is better told here than by a status.
    super::read_event(&arguments.event)?;
    let body = super::read_event_file(&arguments.event)?;
    let url = url::Url::parse(&arguments.url)
        .with_context(|| format!("--url `{}` is no URL", arguments.url))?;
    let response = runtime::small()?.block_on(post(url, body))?;
    let sent = Sent {
        status: response.status.as_u16(),
        accepted: response.status == StatusCode::ACCEPTED,
        meaning: meaning(&response),
    };
    match arguments.format.output {
        Format::Text => output::print_line(&format!("{}: {}", sent.status, sent.meaning))?,
        Format::Json => output::print_json(&sent)?,
    }
    Ok(if sent.accepted {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(output::FAILED)
    })
}

async fn post(url: url::Url, body: Vec<u8>) -> anyhow::Result<HttpResponse> {
    let client = compose::client(outbound::EgressPolicy::default(), &mut Registry::default())?;
    let mut request = HttpRequest::new(Method::POST, url);
    request
        .headers
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    request.body = Bytes::from(body);
    client
        .send(request, &Route::default(), &SendOptions::within(DEADLINE))
        .await
        .map_err(|error| {
            Hinted::error(
                format!("sending the event: {error}"),
                "is `fanfare run` running, and does --url name its --events-addr?",
            )
        })
}

fn meaning(response: &HttpResponse) -> String {
    match response.status {
        StatusCode::ACCEPTED => "accepted, it is on disk".to_owned(),
        StatusCode::TOO_MANY_REQUESTS => {
            let until = response
                .headers
                .get(RETRY_AFTER)
                .and_then(|value| value.to_str().ok())
                .unwrap_or("later");
            format!("duplicate, the same event was accepted already and counts again from {until}")
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            "not stored, the store is full or failed; controllers try again".to_owned()
        }
        StatusCode::PAYLOAD_TOO_LARGE => "refused, larger than 3 MiB".to_owned(),
        StatusCode::BAD_REQUEST => {
            let text = String::from_utf8_lossy(&response.body);
            format!(
                "refused, {}",
                text.lines().next().unwrap_or("it is no event")
            )
        }
        status => format!("unexpected answer {status}; is this Fanfare's event port?"),
    }
}
