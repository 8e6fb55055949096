//! OTLP messages, read with the official definitions and shown as OTLP/JSON.
//!
//! As in the recordings: ids in hexadecimal, enums as numbers, defaults left out.

use std::fmt::Write as _;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;
use serde_json::{Map, Value, json};

/// An `ExportTraceServiceRequest` as JSON; `None` if the bytes are none.
pub fn traces_as_json(bytes: &[u8]) -> Option<Value> {
    let request = ExportTraceServiceRequest::decode(bytes).ok()?;
    let spans: Vec<Value> = request.resource_spans.iter().map(resource_spans).collect();
    Some(json!({"resourceSpans": spans}))
}

fn resource_spans(spans: &ResourceSpans) -> Value {
    let resource = spans.resource.clone().unwrap_or_default();
    let scopes: Vec<Value> = spans.scope_spans.iter().map(scope_spans).collect();
    without_defaults(json!({
        "resource": {"attributes": attributes(&resource.attributes)},
        "scopeSpans": scopes,
        "schemaUrl": spans.schema_url,
    }))
}

fn scope_spans(spans: &ScopeSpans) -> Value {
    let scope = spans.scope.clone().unwrap_or_default();
    let scope = without_defaults(json!({"name": scope.name, "version": scope.version}));
    without_defaults(json!({
        "scope": scope,
        "spans": spans.spans.iter().map(span).collect::<Vec<_>>(),
        "schemaUrl": spans.schema_url,
    }))
}

fn span(span: &Span) -> Value {
    let status = span.status.clone().unwrap_or_default();
    let status = without_defaults(json!({"message": status.message, "code": status.code}));
    without_defaults(json!({
        "traceId": hexadecimal(&span.trace_id),
        "spanId": hexadecimal(&span.span_id),
        "traceState": span.trace_state,
        "parentSpanId": hexadecimal(&span.parent_span_id),
        "flags": span.flags,
        "name": span.name,
        "kind": span.kind,
        "startTimeUnixNano": span.start_time_unix_nano.to_string(),
        "endTimeUnixNano": span.end_time_unix_nano.to_string(),
        "attributes": attributes(&span.attributes),
        "droppedAttributesCount": span.dropped_attributes_count,
        "events": vec![Value::Null; span.events.len()],
        "links": vec![Value::Null; span.links.len()],
        "status": status,
    }))
}

fn attributes(attributes: &[KeyValue]) -> Vec<Value> {
    let shown = attributes.iter().map(|attribute| {
        let value = match &attribute.value {
            Some(AnyValue {
                value: Some(Any::StringValue(text)),
            }) => json!({"stringValue": text}),
            other => json!(format!("{other:?}")),
        };
        json!({"key": attribute.key, "value": value})
    });
    shown.collect()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn without_defaults(value: Value) -> Value {
    let Value::Object(members) = value else {
        return value;
    };
    let kept: Map<String, Value> = members
        .into_iter()
        .filter(|(_, value)| {
            !(value == "" || *value == json!(0) || *value == json!([]) || *value == json!({}))
        })
        .collect();
    Value::Object(kept)
}
