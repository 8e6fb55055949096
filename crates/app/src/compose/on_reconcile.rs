//! What the standalone mode does for an object that a webhook asks to reconcile: there is nothing to
//! annotate, so it calls back.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use api::{Event, ObjectReference};
use bytes::Bytes;
use delivery::{Intake, NotAccepted};
use domain::CleanEvent;
use domain::ports::{ObjectError, ReconcileRequest, ReconcileRequester};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method};
use outbound::{HttpRequest, HttpTransport, Route, SendOptions};
use serde_json::json;
use tokio::process::{Child, Command};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

/// Time for one call back; whoever called the webhook waits for it.
const DEADLINE: Duration = Duration::from_secs(4);
/// How long a command may run on after that.
const LONGEST_RUN: Duration = Duration::from_mins(5);
/// Commands at once.
const MOST_COMMANDS: usize = 8;

/// The call back that was chosen.
pub(crate) struct OnReconcile {
    action: Action,
}

enum Action {
    /// An event about the object, for Alerts to take.
    Event(Intake),
    /// A POST with the object as JSON.
    Post(Url, Arc<dyn HttpTransport>),
    /// A shell command with the object in its environment.
    Run(String, Arc<Semaphore>),
}

impl OnReconcile {
    /// Reads the flag: `event`, a URL, or a shell command.
    pub(crate) fn new(
        chosen: &str,
        intake: Intake,
        transport: Arc<dyn HttpTransport>,
    ) -> anyhow::Result<Self> {
        let action = match chosen {
            "event" => Action::Event(intake),
            url if url.starts_with("http://") || url.starts_with("https://") => {
                Action::Post(Url::parse(url)?, transport)
            }
            command if command.trim().is_empty() => {
                anyhow::bail!("expected `event`, a URL or a command")
            }
            command => Action::Run(command.to_owned(), Arc::new(Semaphore::new(MOST_COMMANDS))),
        };
        Ok(Self { action })
    }
}

impl ReconcileRequester for OnReconcile {
    fn request<'a>(
        &'a self,
        request: &'a ReconcileRequest,
    ) -> BoxFuture<'a, Result<(), ObjectError>> {
        async move {
            match &self.action {
                Action::Event(intake) => announce(intake, request).await,
                Action::Post(url, transport) => post(url, &**transport, request).await,
                Action::Run(command, room) => run(command, room, request).await,
            }
        }
        .boxed()
    }
}

async fn announce(intake: &Intake, request: &ReconcileRequest) -> Result<(), ObjectError> {
    let event = Event {
        involved_object: request.object.clone(),
        severity: api::event::SEVERITY_INFO.to_owned(),
        timestamp: Some(request.at),
        // The time keeps one request from being taken for a repeat of the last one.
        message: format!(
            "reconciliation requested through Receiver {} at {}",
            request.receiver, request.at
        ),
        reason: "ReconciliationRequested".to_owned(),
        reporting_controller: "fanfare".to_owned(),
        ..Event::default()
    };
    let (event, key) =
        CleanEvent::from_wire(event).map_err(|error| ObjectError::Refused(error.to_string()))?;
    match intake.accept(event, key).await {
        Ok(_) | Err(NotAccepted::Duplicate { .. }) => Ok(()),
        Err(NotAccepted::Unavailable { reason }) => Err(ObjectError::Unavailable(reason)),
    }
}

async fn post(
    url: &Url,
    transport: &dyn HttpTransport,
    request: &ReconcileRequest,
) -> Result<(), ObjectError> {
    let ObjectReference {
        api_version,
        kind,
        namespace,
        name,
        ..
    } = &request.object;
    let body = json!({
        "apiVersion": api_version,
        "kind": kind,
        "namespace": namespace,
        "name": name,
        "requestedAt": request.at.to_string(),
        "receiver": {"namespace": request.receiver.namespace, "name": request.receiver.name},
    });
    let mut message = HttpRequest::new(Method::POST, url.clone());
    message
        .headers
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    message.body = Bytes::from(body.to_string());
    let route = Route::default();
    let options = SendOptions::within(DEADLINE);
    let answer = transport.send(message, &route, &options).await;
    let answer = answer.map_err(|error| ObjectError::Unavailable(error.to_string()))?;
    let said = format!(
        "the call back was answered with status {}",
        answer.status.as_u16()
    );
    if answer.status.is_success() {
        Ok(())
    } else if answer.status.is_client_error() {
        Err(ObjectError::Refused(said))
    } else {
        Err(ObjectError::Unavailable(said))
    }
}

/// Runs the command. Nothing of the request is part of its text, so nothing in it can be mistaken for
/// shell syntax.
async fn run(
    command: &str,
    room: &Arc<Semaphore>,
    request: &ReconcileRequest,
) -> Result<(), ObjectError> {
    let unavailable = |words: String| ObjectError::Unavailable(words);
    let permit = tokio::time::timeout(DEADLINE, room.clone().acquire_owned())
        .await
        .ok()
        .and_then(Result::ok)
        .ok_or_else(|| unavailable("too many commands run already".to_owned()))?;
    let object = &request.object;
    let mut child = Command::new("/bin/sh")
        .arg("-c")
        .arg(command)
        .env("FANFARE_API_VERSION", &object.api_version)
        .env("FANFARE_KIND", &object.kind)
        .env("FANFARE_NAMESPACE", &object.namespace)
        .env("FANFARE_NAME", &object.name)
        .env("FANFARE_REQUESTED_AT", request.at.to_string())
        .env("FANFARE_RECEIVER", request.receiver.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| unavailable(format!("the command cannot be run: {error}")))?;
    match tokio::time::timeout(DEADLINE, child.wait()).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(unavailable(format!("the command failed: {status}"))),
        Ok(Err(error)) => Err(unavailable(format!("the command was lost: {error}"))),
        Err(_) => {
            tokio::spawn(see_through(child, permit));
            Ok(())
        }
    }
}

/// Lets a long command run on, within a limit.
async fn see_through(mut child: Child, permit: OwnedSemaphorePermit) {
    match tokio::time::timeout(LONGEST_RUN, child.wait()).await {
        Ok(Ok(status)) if status.success() => {}
        Ok(Ok(status)) => {
            tracing::error!(logger = "receiver-server", %status, "the command of --on-reconcile failed");
        }
        Ok(Err(error)) => {
            tracing::error!(logger = "receiver-server", %error, "the command of --on-reconcile was lost");
        }
        Err(_) => {
            tracing::error!(
                logger = "receiver-server",
                "the command of --on-reconcile ran too long and was stopped"
            );
        }
    }
    drop(permit);
}
