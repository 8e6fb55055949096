//! Counters: requests by outcome, connections by way. Labels never name a host.

use http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::error::HttpError;

/// The counters of one client.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    requests: Family<OutcomeLabels, Counter>,
    connections: Family<ViaLabels, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ViaLabels {
    via: &'static str,
}

/// Which way a connection goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Via {
    Direct,
    Proxy,
}

impl Metrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "fanfare_outbound_requests",
            "Requests to services, by status class or by class of the error that left them without one",
            metrics.requests.clone(),
        );
        registry.register(
            "fanfare_outbound_connections_opened",
            "TCP connections opened for requests to services, by way: direct or through a proxy",
            metrics.connections.clone(),
        );
        metrics
    }

    pub(crate) fn finished(&self, result: Result<StatusCode, &HttpError>) {
        let outcome = match result {
            Ok(status) => status_class(status),
            Err(error) => error.kind().label(),
        };
        self.requests
            .get_or_create(&OutcomeLabels { outcome })
            .inc();
    }

    pub(crate) fn opened(&self, via: Via) {
        let via = match via {
            Via::Direct => "direct",
            Via::Proxy => "proxy",
        };
        self.connections.get_or_create(&ViaLabels { via }).inc();
    }
}

fn status_class(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        5 => "5xx",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Endpoint, Phase};

    #[test]
    fn outcomes_and_ways_are_counted() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        metrics.finished(Ok(StatusCode::NO_CONTENT));
        metrics.finished(Ok(StatusCode::OK));
        metrics.finished(Err(&HttpError::Timeout {
            endpoint: Endpoint::new("https", "hooks.example", 443),
            phase: Phase::Response,
        }));
        metrics.opened(Via::Proxy);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let mut samples: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        samples.sort_unstable();
        assert_eq!(
            samples,
            [
                r#"fanfare_outbound_connections_opened_total{via="proxy"} 1"#,
                r#"fanfare_outbound_requests_total{outcome="2xx"} 2"#,
                r#"fanfare_outbound_requests_total{outcome="timeout"} 1"#,
            ]
        );
    }
}
