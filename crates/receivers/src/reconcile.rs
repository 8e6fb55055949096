//! From a genuine call to requests for reconciliation: which objects it names, which of them the
//! filters let through, and what became of asking them.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use api::ObjectReference;
use domain::ValidReceiver;
use domain::ports::{Clock, ObjectError, ReconcileRequest, Resources};
use domain::receiver::filter::Seen;
use domain::receiver::{Select, Target};
use expr::cel::Budget;
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _, stream};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::bursts::{Asked, Bursts};

/// Time for everything: senders give up after ten seconds, and want an answer within five.
const DEADLINE: Duration = Duration::from_millis(4500);
/// Time in which expressions may keep a thread busy for one call.
const FILTER_TIME: Duration = Duration::from_secs(2);
/// Objects read or asked at once for one call.
const AT_ONCE: usize = 16;
/// Objects that one entry may select.
const MOST_SELECTED: usize = 1000;
/// Calls whose filters are evaluated at once; each may take a thread and some ten MiB.
const FILTERS_AT_ONCE: usize = 4;

/// What filters get to see.
#[derive(Clone, Debug, Default)]
pub(crate) struct Content {
    /// What was sent.
    pub(crate) payload: Value,
    /// The claims of the token.
    pub(crate) claims: Option<Value>,
}

/// What became of a call.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Objects that were asked or are covered.
    pub(crate) asked: usize,
    /// Objects that the filters left out.
    pub(crate) filtered: usize,
    /// Objects that do not exist.
    pub(crate) missing: usize,
    /// Entries that can never work.
    pub(crate) unusable: usize,
    /// Objects that failed for good.
    pub(crate) failed: usize,
    /// Objects that could not be read or asked right now.
    pub(crate) unavailable: usize,
}

/// Turns calls into requests.
pub(crate) struct Reconciler {
    resources: Arc<dyn Resources>,
    bursts: Arc<Bursts>,
    clock: Arc<dyn Clock>,
    filters: Arc<Semaphore>,
}

/// An object that an entry selects.
struct Selected {
    entry: usize,
    reference: ObjectReference,
    /// Read only where a filter wants to see it.
    object: Option<Arc<Value>>,
}

impl Reconciler {
    pub(crate) fn new(
        resources: Arc<dyn Resources>,
        bursts: Arc<Bursts>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            resources,
            bursts,
            clock,
            filters: Arc::new(Semaphore::new(FILTERS_AT_ONCE)),
        }
    }

    /// Does what a call asks for. `content` is there if the Receiver has filters.
    pub(crate) async fn run(
        &self,
        receiver: &Arc<ValidReceiver>,
        content: Option<Content>,
    ) -> Report {
        let deadline = tokio::time::Instant::now() + DEADLINE;
        let mut report = Report::default();
        let selected = self.select(receiver, deadline, &mut report).await;
        let accepted = match content {
            Some(content) if receiver.has_filters() => {
                self.filter(receiver, content, selected, &mut report).await
            }
            _ => selected.into_iter().map(|found| found.reference).collect(),
        };
        self.ask(receiver, accepted, deadline, &mut report).await;
        report
    }

    /// Asks for one object that a filter let through earlier.
    pub(crate) async fn run_object(
        &self,
        receiver: &Arc<ValidReceiver>,
        object: ObjectReference,
    ) -> Report {
        let deadline = tokio::time::Instant::now() + DEADLINE;
        let mut report = Report::default();
        self.ask(receiver, vec![object], deadline, &mut report)
            .await;
        report
    }

    async fn select(
        &self,
        receiver: &ValidReceiver,
        deadline: tokio::time::Instant,
        report: &mut Report,
    ) -> Vec<Selected> {
        let mut usable = Vec::new();
        for (entry, target) in receiver.targets.iter().enumerate() {
            match target {
                Ok(target) => usable.push((entry, target)),
                Err(fault) => {
                    report.unusable += 1;
                    say(receiver, entry, &fault.to_string());
                }
            }
        }
        let wants_objects = |target: &Target| receiver.filter.is_some() || target.filter.is_some();
        let readings: Vec<BoxFuture<'_, _>> = usable
            .iter()
            .map(|(entry, target)| {
                let reading = self.read(*entry, target, wants_objects(target));
                tokio::time::timeout_at(deadline, reading).boxed()
            })
            .collect();
        let read: Vec<_> = stream::iter(readings).buffered(AT_ONCE).collect().await;
        let mut selected = Vec::new();
        for ((entry, _), read) in usable.into_iter().zip(read) {
            match read.unwrap_or_else(|_| Err(out_of_time())) {
                Ok(objects) => selected.extend(objects),
                Err(error) => {
                    note(report, &error);
                    say(receiver, entry, &error.to_string());
                }
            }
        }
        selected
    }

    async fn read(
        &self,
        entry: usize,
        target: &Target,
        wants_object: bool,
    ) -> Result<Vec<Selected>, ObjectError> {
        match &target.select {
            Select::Nothing => Ok(Vec::new()),
            Select::Named(name) => {
                let reference = target.object(name);
                let object = if wants_object {
                    Some(self.resources.get(&reference).await?)
                } else {
                    None
                };
                Ok(vec![Selected {
                    entry,
                    reference,
                    object,
                }])
            }
            Select::Labelled(labels) => {
                let like = target.object("");
                let objects = self.resources.list(&like, labels, MOST_SELECTED).await?;
                let named = objects.into_iter().filter_map(|object| {
                    let name = object.get("metadata")?.get("name")?.as_str()?;
                    Some(Selected {
                        entry,
                        reference: target.object(name),
                        object: Some(object),
                    })
                });
                Ok(named.collect())
            }
        }
    }

    /// Evaluates all filters on a thread of their own, within limits of steps and time.
    async fn filter(
        &self,
        receiver: &Arc<ValidReceiver>,
        content: Content,
        selected: Vec<Selected>,
        report: &mut Report,
    ) -> Vec<ObjectReference> {
        let Ok(_permit) = self.filters.clone().acquire_owned().await else {
            return Vec::new();
        };
        let receiver = receiver.clone();
        let evaluated = tokio::task::spawn_blocking(move || {
            let started = Instant::now();
            let mut outcome = (Vec::new(), 0, 0);
            for found in selected {
                let (accepted, filtered, failed) = &mut outcome;
                let verdict = if started.elapsed() > FILTER_TIME {
                    Err("the filters of this call took too long".to_owned())
                } else {
                    accepts(&receiver, &content, &found)
                };
                match verdict {
                    Ok(true) => accepted.push(found.reference),
                    Ok(false) => *filtered += 1,
                    Err(error) => {
                        *failed += 1;
                        say(&receiver, found.entry, &error);
                    }
                }
            }
            outcome
        });
        let Ok((accepted, filtered, failed)) = evaluated.await else {
            report.failed += 1;
            return Vec::new();
        };
        report.filtered += filtered;
        report.failed += failed;
        accepted
    }

    async fn ask(
        &self,
        receiver: &Arc<ValidReceiver>,
        accepted: Vec<ObjectReference>,
        deadline: tokio::time::Instant,
        report: &mut Report,
    ) {
        // An object that several entries name is asked once.
        let mut seen = HashSet::new();
        let requests = accepted
            .into_iter()
            .filter(|object| seen.insert(object.clone()))
            .map(|object| ReconcileRequest {
                object,
                at: self.clock.now(),
                receiver: receiver.key.clone(),
            })
            .collect::<Vec<_>>();
        let asking: Vec<BoxFuture<'_, _>> = requests
            .iter()
            .map(|request| {
                let asking = self.bursts.request(request.clone(), &receiver.uid);
                tokio::time::timeout_at(deadline, asking).boxed()
            })
            .collect();
        let asked: Vec<_> = stream::iter(asking).buffered(AT_ONCE).collect().await;
        for (request, asked) in requests.iter().zip(asked) {
            match asked.unwrap_or_else(|_| Err(out_of_time())) {
                Ok(Asked::Now | Asked::Covered) => report.asked += 1,
                Err(error) => {
                    note(report, &error);
                    let object = &request.object;
                    tracing::error!(
                        logger = "receiver-server",
                        "reconciler kind" = "Receiver",
                        name = receiver.key.name,
                        namespace = receiver.key.namespace,
                        resource = format!("{}/{}.{}", object.kind, object.name, object.namespace),
                        %error,
                        "unable to request reconciliation"
                    );
                }
            }
        }
    }
}

/// The filter for all entries first; when it says no, that of the entry is not asked.
fn accepts(receiver: &ValidReceiver, content: &Content, found: &Selected) -> Result<bool, String> {
    let entry = receiver.targets.get(found.entry);
    let own = entry.and_then(|target| target.as_ref().ok()?.filter.as_ref());
    let nothing = Value::Null;
    let seen = Seen {
        object: found.object.as_deref().unwrap_or(&nothing),
        payload: &content.payload,
        claims: content.claims.as_ref(),
    };
    for filter in receiver.filter.iter().chain(own) {
        let accepted = filter.accepts(seen, Budget::default());
        if !accepted.map_err(|error| error.to_string())? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn note(report: &mut Report, error: &ObjectError) {
    match error {
        ObjectError::NotFound => report.missing += 1,
        ObjectError::Unavailable(_) => report.unavailable += 1,
        ObjectError::Refused(_) => report.failed += 1,
    }
}

fn out_of_time() -> ObjectError {
    ObjectError::Unavailable("no answer within the time that senders wait".to_owned())
}

fn say(receiver: &ValidReceiver, entry: usize, error: &str) {
    tracing::error!(
        logger = "receiver-server",
        "reconciler kind" = "Receiver",
        name = receiver.key.name,
        namespace = receiver.key.namespace,
        entry = format!("spec.resources[{entry}]"),
        error,
        "unable to request reconciliation"
    );
}
