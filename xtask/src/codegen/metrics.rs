//! The metrics reference: names, types and help as a started binary exposes them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::fanfare::{self, Fanfare, Running, Scratch};
use crate::quickstart::sink::{self, Sink};
use crate::{quickstart, tree};

/// The last metric to appear: it takes a destination that is down.
const LAST: &str = "fanfare_destination_down";

/// How long that may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// So many failures make a destination count as down; each comes from an object of its own, since
/// deliveries of one object wait for each other.
const EVENTS: usize = 8;

const DOWN: &str = "\
apiVersion: notification.toolkit.fluxcd.io/v1beta3
kind: Provider
metadata:
  name: down
  namespace: flux-system
spec:
  type: generic
  address: http://127.0.0.1:1/
---
apiVersion: notification.toolkit.fluxcd.io/v1beta3
kind: Alert
metadata:
  name: down
  namespace: flux-system
spec:
  providerRef:
    name: down
  eventSources:
    - kind: Kustomization
      name: '*'
---
apiVersion: notification.toolkit.fluxcd.io/v1beta3
kind: Alert
metadata:
  name: no-match
  namespace: flux-system
spec:
  providerRef:
    name: down
  eventSources:
    - kind: Bucket
      name: '*'
";

/// Starts the binary, has it deliver, fail and ignore something, and reads its metrics.
///
/// Metrics with labels exist only once they have a value.
pub(super) fn render(fanfare: &Fanfare) -> Result<String> {
    let scratch = Scratch::new("metrics")?;
    let sink = Sink::start(sink::DEFAULT_PORT)?;
    let example = tree::root().join("examples/quickstart");
    let config = quickstart::copy_manifests(&example, scratch.path(), sink.port())?;
    std::fs::write(config.join("down.yaml"), DOWN)?;
    let running = fanfare.start(&config, &scratch.path().join("data"))?;
    send_events(fanfare, &running, &example, scratch.path())?;
    let mut page = String::from(
        "# Metrics\n\n\
         Served at `--metrics-addr` under `/metrics`, in the OpenMetrics format.\n\
         Counters are exposed with the ending `_total`, histograms with `_bucket`, `_sum` and `_count`.\n\
         Metrics with labels appear once they have a value.\n\n\
         | Name | Type | Labels | Meaning |\n|---|---|---|---|\n",
    );
    for (name, metric) in parse(&wait_for_all(&running)?) {
        let labels = metric.labels.join(", ");
        writeln!(
            page,
            "| `{name}` | {} | {labels} | {} |",
            metric.kind, metric.help
        )?;
    }
    Ok(page)
}

fn send_events(fanfare: &Fanfare, running: &Running, example: &Path, scratch: &Path) -> Result<()> {
    let event = std::fs::read_to_string(example.join("event.json"))?;
    let url = format!("http://{}/", running.events);
    for number in 0..EVENTS {
        let file = scratch.join(format!("{number}.json"));
        let name = format!("\"name\": \"webapp-{number}\"");
        std::fs::write(&file, event.replace("\"name\": \"webapp\"", &name))?;
        let file = file.to_string_lossy();
        fanfare.text(&["send", "--event", &file, "--url", &url])?;
    }
    Ok(())
}

fn wait_for_all(running: &Running) -> Result<String> {
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        let answer = fanfare::get(running.metrics, "/metrics")?;
        let (_, exposition) = answer
            .split_once("\r\n\r\n")
            .context("the metrics have no body")?;
        if exposition.contains(LAST) {
            return Ok(exposition.to_owned());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    bail!("`{LAST}` did not appear within {PATIENCE:?}");
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Metric {
    kind: String,
    help: String,
    labels: Vec<String>,
}

/// Metrics by name.
fn parse(exposition: &str) -> BTreeMap<String, Metric> {
    let mut metrics: BTreeMap<String, Metric> = BTreeMap::new();
    let mut current = String::new();
    for line in exposition.lines() {
        let mut words = line.splitn(4, ' ');
        if let (Some("#"), Some(what), Some(name), text) =
            (words.next(), words.next(), words.next(), words.next())
        {
            name.clone_into(&mut current);
            let text = text.unwrap_or_default().trim_end_matches('.').to_owned();
            let metric = metrics.entry(name.to_owned()).or_default();
            match what {
                "TYPE" => metric.kind = text,
                "HELP" => metric.help = text,
                _ => {}
            }
        } else if let Some(metric) = metrics.get_mut(&current)
            && metric.labels.is_empty()
        {
            metric.labels = labels(line);
        }
    }
    metrics
}

/// Names of labels in a line, without the bounds of buckets.
fn labels(line: &str) -> Vec<String> {
    let Some((_, rest)) = line.split_once('{') else {
        return Vec::new();
    };
    // The part before each `="` ends with a label's name.
    let mut pieces: Vec<&str> = rest.split("=\"").collect();
    pieces.pop();
    pieces
        .into_iter()
        .filter_map(|piece| piece.rsplit(['{', ',']).next())
        .filter(|name| *name != "le")
        .map(|name| format!("`{name}`"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_types_labels_and_help_are_read() {
        let parsed = parse(
            "# HELP a_b Things done.\n# TYPE a_b counter\na_b_total{kind=\"x\",result=\"a, b\"} 1\n# EOF\n",
        );
        assert_eq!(parsed.len(), 1);
        let expected = Metric {
            kind: "counter".to_owned(),
            help: "Things done".to_owned(),
            labels: vec!["`kind`".to_owned(), "`result`".to_owned()],
        };
        assert_eq!(parsed["a_b"], expected);
    }

    #[test]
    fn bounds_of_buckets_are_no_labels() {
        assert_eq!(labels("a_bucket{le=\"0.1\",code=\"202\"} 1"), ["`code`"]);
        assert_eq!(labels("a_sum 1"), Vec::<String>::new());
    }
}
