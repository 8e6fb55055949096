//! `fanfare explain`: what would become of an event, Alert by Alert.

use std::process::ExitCode;

use domain::alert::matching::Labels;
use domain::plan::Rules;
use domain::plan::explain::{Explanation, Verdict, explain};
use domain::ports::Clock;
use domain::{CatalogSnapshot, CleanEvent};
use providers::Directory;
use standalone::{Configuration, directory};

use crate::cli::{EventArguments, Format};
use crate::compose::standalone::source;
use crate::output;
use crate::runtime::SystemClock;

/// An event held against a configuration.
pub(super) struct Explained {
    pub(super) event: CleanEvent,
    pub(super) configuration: Configuration,
    pub(super) catalog: CatalogSnapshot,
    pub(super) explanations: Vec<Explanation>,
}

impl Explained {
    /// Reads both and explains.
    pub(super) fn read(arguments: &EventArguments) -> anyhow::Result<Self> {
        let event = super::read_event(&arguments.event)?;
        let configuration = directory::read(&source(&arguments.configuration), &Directory);
        for problem in configuration.problems() {
            output::complain(&format!("note: {problem}"));
        }
        let catalog = configuration.catalog();
        let labels = match configuration.labels(&event.event().involved_object) {
            Some(labels) => Labels::Known(labels.clone()),
            None => Labels::Unknown,
        };
        let rules = Rules {
            no_cross_namespace_references: arguments.no_cross_namespace_refs,
        };
        let explanations = explain(&event, &catalog, &labels, rules, SystemClock.now());
        Ok(Self {
            event,
            configuration,
            catalog,
            explanations,
        })
    }
}

pub(super) fn execute(arguments: &EventArguments) -> anyhow::Result<ExitCode> {
    let explained = Explained::read(arguments)?;
    match arguments.format.output {
        Format::Json => output::print_json(&explained.explanations)?,
        Format::Text => output::print(&text(&explained))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn text(explained: &Explained) -> String {
    let object = &explained.event.event().involved_object;
    let heading = format!(
        "{}/{}/{}, severity {}, reason {}\n\n",
        object.kind,
        object.namespace,
        object.name,
        explained.event.event().severity,
        explained.event.event().reason,
    );
    if explained.explanations.is_empty() {
        return heading + "there are no usable alerts, so nothing would be sent\n";
    }
    let rows: Vec<Vec<String>> = explained
        .explanations
        .iter()
        .map(|found| {
            vec![
                found.alert.to_string(),
                verdict(found.verdict).to_owned(),
                found.provider.to_string(),
                found.detail.clone(),
            ]
        })
        .collect();
    heading + &output::table(&["ALERT", "RESULT", "PROVIDER", "WHY"], &rows)
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Delivers => "sent",
        Verdict::Waits => "would wait",
        Verdict::Dropped => "not sent",
        Verdict::NoMatch => "no match",
    }
}
