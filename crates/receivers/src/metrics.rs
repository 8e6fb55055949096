//! Counters of calls, of requests for reconciliation, and of what was turned away. No label names a
//! Receiver or a path.

use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::table::Table;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    r#type: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RejectionLabels {
    r#type: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    outcome: &'static str,
}

/// The counters.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    calls: Family<CallLabels, Counter>,
    rejections: Family<RejectionLabels, Counter>,
    requests: Family<RequestLabels, Counter>,
    coalesced: Counter,
}

impl Metrics {
    /// Registers them.
    pub fn new(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "fanfare_receiver_calls",
            "Calls of webhooks, by receiver type and outcome; the type is empty where no Receiver has the path",
            metrics.calls.clone(),
        );
        registry.register(
            "fanfare_receiver_verification_failures",
            "Calls that are not genuine or cannot be read, by receiver type and reason",
            metrics.rejections.clone(),
        );
        registry.register(
            "fanfare_receiver_reconcile_requests",
            "Objects that were asked to reconcile, by outcome",
            metrics.requests.clone(),
        );
        registry.register(
            "fanfare_receiver_coalesced",
            "Requests for reconciliation that one shortly before or after covers",
            metrics.coalesced.clone(),
        );
        metrics
    }

    pub(crate) fn call(&self, r#type: &'static str, outcome: &'static str) {
        let labels = CallLabels { r#type, outcome };
        self.calls.get_or_create(&labels).inc();
    }

    pub(crate) fn rejection(&self, r#type: &'static str, reason: &'static str) {
        let labels = RejectionLabels { r#type, reason };
        self.rejections.get_or_create(&labels).inc();
    }

    pub(crate) fn request(&self, outcome: &'static str) {
        self.requests
            .get_or_create(&RequestLabels { outcome })
            .inc();
    }

    pub(crate) fn coalesced(&self) {
        self.coalesced.inc();
    }
}

/// Whether all Receivers are known, at the time of asking.
#[derive(Clone)]
pub(crate) struct Completeness(pub(crate) Arc<Table>);

impl std::fmt::Debug for Completeness {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Completeness")
    }
}

impl Collector for Completeness {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let gauge = ConstGauge::new(i64::from(self.0.is_complete()));
        let family = encoder.encode_descriptor(
            "fanfare_receivers_known",
            "1 if all Receivers have been read, so that an unknown path is answered 404; 0 while it is answered 503",
            None,
            EncodeMetric::metric_type(&gauge),
        )?;
        EncodeMetric::encode(&gauge, family)
    }
}
