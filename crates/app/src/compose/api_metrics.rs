//! Metrics of what we ask the API server and how looks at objects go, under the names that dashboards
//! of Flux use (`operations.md` section 3).
//!
//! There are no work queues here, so there are no `workqueue_*` metrics: a change is acted upon in the
//! next round.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use api::ObjectKey;
use cluster::{LookObserver, LookResult, LookedAt, RequestObserver};
use http::{Method, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Receivers that get label values of their own; the rest share one.
const MOST_RECEIVERS: usize = 1000;

/// The label of the rest.
const OTHERS: &str = "other";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    code: String,
    method: String,
    host: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ControllerLabels {
    controller: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    controller: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ObjectLabels {
    kind: &'static str,
    name: String,
    namespace: String,
}

/// Makes a histogram for looks; their times differ by orders of magnitude.
type HistogramMaker = fn() -> Histogram;

/// The metrics.
pub(crate) struct ApiMetrics {
    requests: Family<RequestLabels, Counter>,
    looks: Family<ResultLabels, Counter>,
    errors: Family<ControllerLabels, Counter>,
    terminal_errors: Family<ControllerLabels, Counter>,
    times: Family<ControllerLabels, Histogram, HistogramMaker>,
    receivers: Family<ObjectLabels, Histogram, HistogramMaker>,
    labelled: Mutex<std::collections::BTreeSet<ObjectKey>>,
}

impl ApiMetrics {
    /// Registers them.
    pub(crate) fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            looks: Family::default(),
            errors: Family::default(),
            terminal_errors: Family::default(),
            times: Family::new_with_constructor(look_times),
            receivers: Family::new_with_constructor(reconcile_durations),
            labelled: Mutex::default(),
        };
        registry.register(
            "rest_client_requests",
            "Requests to the API server, by status code (<error> for none), method and host",
            metrics.requests.clone(),
        );
        registry.register(
            "controller_runtime_reconcile",
            "Looks at Providers and Receivers with their Secrets, by result",
            metrics.looks.clone(),
        );
        registry.register(
            "controller_runtime_reconcile_errors",
            "Looks that found an object that cannot be used, or got no answer",
            metrics.errors.clone(),
        );
        registry.register(
            "controller_runtime_terminal_reconcile_errors",
            "Looks that found an object that only a change of its own can heal",
            metrics.terminal_errors.clone(),
        );
        registry.register(
            "controller_runtime_reconcile_time_seconds",
            "Time of a look at a Provider or Receiver with its Secrets",
            metrics.times.clone(),
        );
        registry.register(
            "gotk_reconcile_duration_seconds",
            "Time of a look at a Receiver with its Secret",
            metrics.receivers.clone(),
        );
        metrics
    }

    fn receiver(&self, object: &ObjectKey) -> ObjectLabels {
        let mut labelled = self.labelled.lock().unwrap_or_else(PoisonError::into_inner);
        let has_room = labelled.contains(object) || labelled.len() < MOST_RECEIVERS;
        if has_room {
            labelled.insert(object.clone());
            labels_of(object)
        } else {
            labels_of(&ObjectKey::new(OTHERS, OTHERS))
        }
    }
}

impl RequestObserver for ApiMetrics {
    fn answered(&self, method: &Method, host: &str, status: Option<StatusCode>) {
        let labels = RequestLabels {
            code: status.map_or_else(|| "<error>".to_owned(), |status| status.as_str().to_owned()),
            method: method.to_string(),
            host: host.to_owned(),
        };
        self.requests.get_or_create(&labels).inc();
    }
}

impl LookObserver for ApiMetrics {
    fn looked(&self, kind: LookedAt, object: &ObjectKey, took: Duration, result: LookResult) {
        let controller = match kind {
            LookedAt::Provider => "provider",
            LookedAt::Receiver => "receiver",
        };
        let result = match result {
            LookResult::Well => "success",
            LookResult::Troubled | LookResult::Broken => {
                let labels = ControllerLabels { controller };
                self.errors.get_or_create(&labels).inc();
                if result == LookResult::Broken {
                    self.terminal_errors.get_or_create(&labels).inc();
                }
                "error"
            }
        };
        let labels = ResultLabels { controller, result };
        self.looks.get_or_create(&labels).inc();
        let seconds = took.as_secs_f64();
        let labels = ControllerLabels { controller };
        self.times.get_or_create(&labels).observe(seconds);
        if kind == LookedAt::Receiver {
            let labels = self.receiver(object);
            self.receivers.get_or_create(&labels).observe(seconds);
        }
    }

    fn gone(&self, kind: LookedAt, object: &ObjectKey) {
        if kind != LookedAt::Receiver {
            return;
        }
        let mut labelled = self.labelled.lock().unwrap_or_else(PoisonError::into_inner);
        if labelled.remove(object) {
            self.receivers.remove(&labels_of(object));
        }
    }
}

fn labels_of(object: &ObjectKey) -> ObjectLabels {
    ObjectLabels {
        kind: "Receiver",
        name: object.name.clone(),
        namespace: object.namespace.clone(),
    }
}

fn look_times() -> Histogram {
    Histogram::new([0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0])
}

/// The reference's buckets.
fn reconcile_durations() -> Histogram {
    Histogram::new([
        0.01,
        0.038_364,
        0.147_176,
        0.564_622,
        2.166_091,
        8.309_901,
        31.879_757,
        122.302_172,
        469.194_959,
        1800.0,
    ])
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    fn shown(registry: &Registry) -> String {
        let mut text = String::new();
        encode(&mut text, registry).unwrap();
        text
    }

    #[test]
    fn looks_are_counted_and_those_at_receivers_go_with_them() {
        let mut registry = Registry::default();
        let metrics = ApiMetrics::new(&mut registry);
        let hook = ObjectKey::new("apps", "hook");
        let took = Duration::from_millis(20);
        metrics.looked(LookedAt::Receiver, &hook, took, LookResult::Well);
        metrics.looked(LookedAt::Receiver, &hook, took, LookResult::Broken);
        metrics.looked(LookedAt::Provider, &hook, took, LookResult::Troubled);
        let text = shown(&registry);
        for line in [
            "controller_runtime_reconcile_total{controller=\"receiver\",result=\"success\"} 1",
            "controller_runtime_reconcile_total{controller=\"provider\",result=\"error\"} 1",
            "controller_runtime_reconcile_errors_total{controller=\"receiver\"} 1",
            "controller_runtime_terminal_reconcile_errors_total{controller=\"receiver\"} 1",
            "controller_runtime_reconcile_time_seconds_count{controller=\"receiver\"} 2",
            "gotk_reconcile_duration_seconds_count{kind=\"Receiver\",name=\"hook\",namespace=\"apps\"} 2",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        metrics.gone(LookedAt::Receiver, &hook);
        assert!(!shown(&registry).contains("name=\"hook\""));
    }

    #[test]
    fn receivers_beyond_the_bound_share_a_label() {
        let mut registry = Registry::default();
        let metrics = ApiMetrics::new(&mut registry);
        for number in 0..MOST_RECEIVERS + 5 {
            let key = ObjectKey::new("apps", number.to_string());
            metrics.looked(LookedAt::Receiver, &key, Duration::ZERO, LookResult::Well);
        }
        let line = "gotk_reconcile_duration_seconds_count{kind=\"Receiver\",name=\"other\",namespace=\"other\"} 5";
        assert!(shown(&registry).contains(line));
    }

    #[test]
    fn requests_without_an_answer_are_counted_too() {
        let mut registry = Registry::default();
        let metrics = ApiMetrics::new(&mut registry);
        metrics.answered(&Method::GET, "api:443", Some(StatusCode::OK));
        metrics.answered(&Method::GET, "api:443", None);
        let text = shown(&registry);
        for code in ["200", "<error>"] {
            let line = format!(
                "rest_client_requests_total{{code=\"{code}\",method=\"GET\",host=\"api:443\"}} 1"
            );
            assert!(text.contains(&line), "{line}\n{text}");
        }
    }
}
