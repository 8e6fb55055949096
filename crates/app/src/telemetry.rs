//! Logs: the reference's JSON keys for programs, plain lines for people, always on standard error.

use std::fmt::{self, Write as _};
use std::io::Write as _;

use domain::ports::Clock;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::panics;
use crate::runtime::SystemClock;
use crate::settings::{LogEncoding, LogLevel};

/// Starts logging; called once.
pub(crate) fn start(level: LogLevel, encoding: LogEncoding) -> anyhow::Result<()> {
    let level = match level {
        LogLevel::Trace => LevelFilter::TRACE,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Error => LevelFilter::ERROR,
    };
    let lines = Lines { encoding }.with_filter(level);
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(lines))?;
    panics::tell_in(encoding);
    Ok(())
}

struct Lines {
    encoding: LogEncoding,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        // Libraries speak in their own terms; only their trouble is worth a line.
        let metadata = event.metadata();
        let library = metadata.target().split("::").next().unwrap_or_default();
        let is_ours = is_our_crate(library);
        if !is_ours && (*metadata.level() > Level::WARN || is_indiscreet(library)) {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        write_line(self.encoding, *metadata.level(), fields);
    }
}

/// Writes an error that is not told through `tracing`.
pub(crate) fn write_error(encoding: LogEncoding, message: &str, values: Map<String, Value>) {
    let message = message.to_owned();
    write_line(encoding, Level::ERROR, Fields { message, values });
}

fn write_line(encoding: LogEncoding, level: Level, fields: Fields) {
    let timestamp = SystemClock
        .now()
        .strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
        .to_string();
    let line = match encoding {
        LogEncoding::Json => json_line(&timestamp, level, fields),
        LogEncoding::Console => console_line(&timestamp, level, &fields),
    };
    // There is nobody to tell when logging fails.
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}

/// The Kubernetes client logs answers that it cannot parse, which may be Secrets; and every failed
/// request, which whoever made it reports in better words.
fn is_indiscreet(library: &str) -> bool {
    matches!(library, "kube_client" | "kube_runtime")
}

fn is_our_crate(name: &str) -> bool {
    matches!(
        name,
        "fanfare"
            | "api"
            | "cluster"
            | "delivery"
            | "domain"
            | "expr"
            | "outbound"
            | "providers"
            | "receivers"
            | "server"
            | "standalone"
    )
}

/// Keys as the reference writes them, so that `flux logs` can read them (`operations.md` section 4).
fn json_line(timestamp: &str, level: Level, mut fields: Fields) -> String {
    let mut line = Map::new();
    line.insert("level".to_owned(), word(level).into());
    line.insert("ts".to_owned(), timestamp.into());
    if let Some(logger) = fields.values.remove("logger") {
        line.insert("logger".to_owned(), logger);
    }
    line.insert("msg".to_owned(), fields.message.into());
    line.extend(fields.values);
    let mut text = Value::Object(line).to_string();
    text.push('\n');
    text
}

/// The reference knows no warnings; what is worth one is an error to it, and `flux logs` filters by
/// its words.
fn word(level: Level) -> &'static str {
    match level {
        Level::ERROR | Level::WARN => "error",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

fn console_line(timestamp: &str, level: Level, fields: &Fields) -> String {
    let mut line = format!("{timestamp} {level:5} {}", fields.message);
    for (key, value) in fields.values.iter().filter(|(key, _)| *key != "logger") {
        // Writing to a String cannot fail.
        let _ = match value {
            Value::String(text) if text.is_empty() => Ok(()),
            Value::String(text) if !text.contains([' ', '"', '\n']) => {
                write!(line, " {key}={text}")
            }
            other => write!(line, " {key}={other}"),
        };
    }
    line.push('\n');
    line
}

#[derive(Default)]
struct Fields {
    message: String,
    values: Map<String, Value>,
}

impl Fields {
    fn insert(&mut self, field: &Field, value: Value) {
        self.values.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        if field.name() == "message" {
            self.message = text;
        } else {
            self.insert(field, text.into());
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            self.insert(field, value.into());
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields() -> Fields {
        let mut fields = Fields {
            message: "started".to_owned(),
            ..Fields::default()
        };
        fields.values.insert("logger".to_owned(), "setup".into());
        fields
            .values
            .insert("address".to_owned(), "two words".into());
        fields
    }

    #[test]
    fn every_crate_of_ours_may_speak() {
        let crates = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).unwrap();
        for folder in crates {
            let name = folder.unwrap().file_name().into_string().unwrap();
            let is_product = !matches!(&*name, "app" | "testkit");
            assert_eq!(is_our_crate(&name), is_product, "{name}");
        }
        assert!(is_our_crate(module_path!().split("::").next().unwrap()));
    }

    #[test]
    fn json_lines_have_the_keys_of_the_reference() {
        assert_eq!(
            json_line("2026-08-07T16:01:35.000Z", Level::INFO, fields()),
            "{\"address\":\"two words\",\"level\":\"info\",\"logger\":\"setup\",\"msg\":\"started\",\"ts\":\"2026-08-07T16:01:35.000Z\"}\n"
        );
    }

    #[test]
    fn console_lines_read_alone() {
        assert_eq!(
            console_line("2026-08-07T16:01:35.000Z", Level::WARN, &fields()),
            "2026-08-07T16:01:35.000Z WARN  started address=\"two words\"\n"
        );
    }
}
