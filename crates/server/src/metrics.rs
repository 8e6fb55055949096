//! Metrics of the event and the webhook port, under the reference's names (`operations.md` section 3.1).

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Method, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// How many paths get a label value of their own.
const MOST_PATHS: usize = 100;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    service: &'static str,
    handler: String,
    method: &'static str,
    code: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HandlerLabels {
    service: &'static str,
    handler: String,
}

/// Durations, sizes and requests under way.
#[derive(Clone)]
pub(crate) struct Metrics {
    duration: Family<RequestLabels, Histogram>,
    size: Family<RequestLabels, Histogram>,
    in_flight: Family<HandlerLabels, Gauge>,
    /// What labels a request when its path does not.
    handler: &'static str,
    /// `None` labels every request alike.
    paths: Option<Arc<Mutex<HashSet<String>>>>,
}

impl Metrics {
    /// Metrics of the port `port`, the word in their names.
    pub(crate) fn new(
        registry: &mut Registry,
        port: &str,
        handler: &'static str,
        export_paths: bool,
    ) -> Self {
        let metrics = Self {
            duration: Family::new_with_constructor(|| {
                Histogram::new([
                    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
                ])
            }),
            size: Family::new_with_constructor(|| {
                Histogram::new([1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9])
            }),
            in_flight: Family::default(),
            handler,
            paths: export_paths.then(Arc::default),
        };
        registry.register(
            format!("gotk_{port}_http_request_duration_seconds"),
            "The latency of the HTTP requests",
            metrics.duration.clone(),
        );
        registry.register(
            format!("gotk_{port}_http_response_size_bytes"),
            "The size of the HTTP responses",
            metrics.size.clone(),
        );
        registry.register(
            format!("gotk_{port}_http_requests_inflight"),
            "The number of inflight requests being handled at the same time",
            metrics.in_flight.clone(),
        );
        metrics
    }

    /// The label for a path.
    pub(crate) fn handler(&self, path: &str) -> String {
        let Some(paths) = &self.paths else {
            return self.handler.to_owned();
        };
        let mut paths = paths.lock().unwrap_or_else(PoisonError::into_inner);
        if paths.contains(path) {
            return path.to_owned();
        }
        if paths.len() < MOST_PATHS && path.len() <= 256 {
            paths.insert(path.to_owned());
            return path.to_owned();
        }
        "other".to_owned()
    }

    /// A request begins; it is under way until what is given is dropped, however it ends.
    pub(crate) fn started(&self, handler: &str) -> UnderWay {
        let labels = HandlerLabels {
            service: "",
            handler: handler.to_owned(),
        };
        let in_flight = self.in_flight.get_or_create_owned(&labels);
        in_flight.inc();
        UnderWay { in_flight }
    }

    pub(crate) fn finished(
        &self,
        handler: String,
        method: &Method,
        status: StatusCode,
        took: Duration,
        bytes: usize,
    ) {
        let labels = RequestLabels {
            service: "",
            handler,
            method: method_label(method),
            code: status.as_u16(),
        };
        self.duration
            .get_or_create(&labels)
            .observe(took.as_secs_f64());
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.size.get_or_create(&labels).observe(f64::from(bytes));
    }
}

/// A request that has no answer yet. Its connection may break, or it may panic, so that it never gets
/// one.
pub(crate) struct UnderWay {
    in_flight: Gauge,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.in_flight.dec();
    }
}

/// Methods are what clients make up; only the known ones become label values.
fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_under_way_until_it_ends_however_that_is() {
        let metrics = Metrics::new(&mut Registry::default(), "event", "/", false);
        let in_flight = metrics.in_flight.get_or_create_owned(&HandlerLabels {
            service: "",
            handler: "/".to_owned(),
        });
        let answered = metrics.started("/");
        let broken = metrics.started("/");
        assert_eq!(in_flight.get(), 2);
        drop(broken);
        assert_eq!(in_flight.get(), 1);
        drop(answered);
        assert_eq!(in_flight.get(), 0);
    }
}
