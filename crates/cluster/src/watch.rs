//! Follows one resource for as long as the process lives, whatever the API server does meanwhile.
//!
//! Lists are read in pages and handed over as a whole, changes one by one. After a failure the watch
//! is resumed or begun anew, soon at first and then every few seconds, and the log says so now and
//! then.

use std::fmt::Debug;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep};

/// Objects per page of a list: large ones, and many of them, must not fill the memory.
const PAGE: u32 = 100;

/// First pause after a failure; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// Longest pause after a failure: how late we may notice that the server is back.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// Pause after a refusal, which lasts until somebody grants what is missing.
const FORBIDDEN_PAUSE: Duration = Duration::from_secs(30);

/// After so many failures in a row everything is listed anew.
const PATIENCE: u32 = 4;

/// How often the log repeats that a watch does not work.
const REMINDER: Duration = Duration::from_mins(1);

/// What happened to a resource.
#[derive(Debug)]
pub(crate) enum Change<T> {
    /// These are all objects there are.
    Listed(Vec<T>),
    /// One was created or changed.
    Applied(T),
    /// One was deleted.
    Deleted(T),
    /// Nothing is heard until further notice.
    Failed(WatchFailure),
}

/// Why nothing is heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WatchFailure {
    /// HTTP status, if the server answered.
    pub(crate) status: Option<u16>,
    /// What happened.
    pub(crate) reason: String,
}

impl WatchFailure {
    /// We may not list or watch this.
    pub(crate) fn is_forbidden(&self) -> bool {
        matches!(self.status, Some(401 | 403))
    }
}

/// Everything that happens to a resource, in order.
pub(crate) struct Feed<K, T> {
    name: String,
    api: Api<K>,
    config: watcher::Config,
    events: BoxStream<'static, watcher::Result<Event<K>>>,
    read: Box<dyn FnMut(K) -> Option<T> + Send>,
    listed: Vec<T>,
    trouble: Trouble,
    /// How long to wait before the server is asked again.
    pause: Option<Duration>,
}

impl<K, T> Feed<K, T>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    /// Starts to follow when it is first asked. `name` is for the log; `read` makes of each object
    /// what is kept of it, `None` passes it over.
    pub(crate) fn new(
        name: impl Into<String>,
        api: Api<K>,
        config: watcher::Config,
        read: impl FnMut(K) -> Option<T> + Send + 'static,
    ) -> Self {
        let config = config.page_size(PAGE);
        Self {
            name: name.into(),
            events: watcher(api.clone(), config.clone()).boxed(),
            api,
            config,
            read: Box::new(read),
            listed: Vec::new(),
            trouble: Trouble::default(),
            pause: None,
        }
    }

    /// Nothing is amiss if this may not be watched.
    pub(crate) fn optional(mut self) -> Self {
        self.trouble.is_optional = true;
        self
    }

    /// What happens next; never ends.
    pub(crate) async fn next(&mut self) -> Change<T> {
        loop {
            if let Some(pause) = self.pause.take() {
                sleep(pause).await;
            }
            let Some(event) = self.events.next().await else {
                // A watcher goes on for ever.
                return std::future::pending().await;
            };
            if let Some(change) = self.take(event) {
                return change;
            }
        }
    }

    fn take(&mut self, event: watcher::Result<Event<K>>) -> Option<Change<T>> {
        match event {
            Ok(Event::Init) => {
                self.listed.clear();
                None
            }
            Ok(Event::InitApply(object)) => {
                let read = (self.read)(object);
                self.listed.extend(read);
                None
            }
            Ok(Event::InitDone) => {
                self.trouble.is_over(&self.name);
                Some(Change::Listed(std::mem::take(&mut self.listed)))
            }
            Ok(Event::Apply(object)) => {
                self.trouble.is_over(&self.name);
                (self.read)(object).map(Change::Applied)
            }
            Ok(Event::Delete(object)) => {
                self.trouble.is_over(&self.name);
                (self.read)(object).map(Change::Deleted)
            }
            Err(error) => {
                let failure = failure(&error);
                self.pause = Some(self.trouble.note(&self.name, &failure));
                // A watcher resumes from the version that it knows. A server that lost or forgot that
                // version, for example after a restore, would refuse it for ever.
                if failure.status == Some(410) || self.trouble.failures >= PATIENCE {
                    self.events = watcher(self.api.clone(), self.config.clone()).boxed();
                }
                Some(Change::Failed(failure))
            }
        }
    }
}

/// What went wrong since a watch last worked.
#[derive(Default)]
struct Trouble {
    is_optional: bool,
    failures: u32,
    last_line: Option<Instant>,
}

impl Trouble {
    /// Takes note of a failure, tells the log, and answers how long to wait.
    fn note(&mut self, name: &str, failure: &WatchFailure) -> Duration {
        // A list that got too old is a part of normal life.
        let is_routine = failure.status == Some(410) && self.failures == 0;
        let now = Instant::now();
        if self.is_optional && failure.is_forbidden() {
            if self.last_line.replace(now).is_none() {
                tracing::info!(
                    logger = "runtime",
                    resource = name,
                    reason = failure.reason,
                    "watching is not permitted; looking again now and then instead"
                );
            }
        } else if !is_routine && self.last_line.is_none_or(|last| now - last >= REMINDER) {
            self.last_line = Some(now);
            tracing::warn!(
                logger = "runtime",
                resource = name,
                error = failure.reason,
                "watching failed; trying again until it works, with what is known meanwhile"
            );
        }
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(8));
        self.failures = self.failures.saturating_add(1);
        if failure.is_forbidden() {
            return FORBIDDEN_PAUSE;
        }
        pause.min(LONGEST_PAUSE)
    }

    fn is_over(&mut self, name: &str) {
        if self.last_line.take().is_some() {
            tracing::info!(logger = "runtime", resource = name, "watching works again");
        }
        self.failures = 0;
    }
}

fn failure(error: &watcher::Error) -> WatchFailure {
    use watcher::Error::{
        InitialListFailed, NoResourceVersion, WatchError, WatchFailed, WatchStartFailed,
    };
    match error {
        InitialListFailed(error) | WatchStartFailed(error) | WatchFailed(error) => {
            failure_of(error)
        }
        WatchError(status) => WatchFailure {
            status: Some(status.code),
            reason: cut(&status.message),
        },
        NoResourceVersion => WatchFailure {
            status: None,
            reason: "the answer has no resource version".to_owned(),
        },
    }
}

/// What a request to the API server failed with.
pub(crate) fn failure_of(error: &kube::Error) -> WatchFailure {
    match error {
        kube::Error::Api(status) => WatchFailure {
            status: Some(status.code),
            reason: cut(&status.message),
        },
        other => WatchFailure {
            status: None,
            reason: cut(&with_causes(other)),
        },
    }
}

fn with_causes(error: &kube::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        let said = next.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = next.source();
    }
    text
}

/// Servers, and whoever answers in their place, may say anything.
fn cut(text: &str) -> String {
    const LONGEST: usize = 300;
    let end = text.floor_char_boundary(LONGEST);
    text.get(..end).unwrap_or_default().to_owned()
}
