//! `fanfare render`: the exact requests that an event would cause, credentials redacted.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use domain::delivery::Delivery;
use domain::{CatalogSnapshot, CleanEvent};
use serde::Serialize;
use standalone::Current;

use crate::cli::{EventArguments, Format};
use crate::output;
use crate::runtime::{self, SystemClock};

use super::explain::Explained;

#[derive(Serialize)]
struct Rendering {
    alert: String,
    provider: String,
    requests: String,
    problem: Option<String>,
}

pub(super) fn execute(arguments: &EventArguments) -> anyhow::Result<ExitCode> {
    let Explained {
        event,
        configuration,
        catalog,
        explanations,
    } = Explained::read(arguments)?;
    let deliveries: Vec<Delivery> = explanations
        .into_iter()
        .filter_map(|found| found.delivery)
        .collect();
    let secrets = Current::new(configuration);
    let runtime = runtime::small()?;
    let renderings: Vec<Rendering> = deliveries
        .iter()
        .map(|delivery| runtime.block_on(render(delivery, &event, &catalog, &secrets)))
        .collect();
    match arguments.format.output {
        Format::Json => output::print_json(&renderings)?,
        Format::Text => output::print(&text(&renderings))?,
    }
    Ok(
        if renderings
            .iter()
            .any(|rendering| rendering.problem.is_some())
        {
            ExitCode::from(output::FAILED)
        } else {
            ExitCode::SUCCESS
        },
    )
}

async fn render(
    delivery: &Delivery,
    event: &CleanEvent,
    catalog: &CatalogSnapshot,
    secrets: &Current,
) -> Rendering {
    let mut rendering = Rendering {
        alert: delivery.alert.to_string(),
        provider: delivery.provider.to_string(),
        requests: String::new(),
        problem: None,
    };
    let provider = catalog
        .provider(&delivery.provider)
        .and_then(|entry| entry.valid());
    let Some(provider) = provider else {
        rendering.problem = Some("the provider is missing or cannot be used".to_owned());
        return rendering;
    };
    let provider = Arc::clone(provider);
    match providers::render::render(&provider, secrets, delivery, event, &SystemClock).await {
        Ok(rendered) => {
            rendering.requests = rendered.to_text();
        }
        Err(failure) => rendering.problem = Some(failure.detail),
    }
    rendering
}

fn text(renderings: &[Rendering]) -> String {
    if renderings.is_empty() {
        return "no alert sends this event anywhere; `fanfare explain` says why\n".to_owned();
    }
    let mut text = String::new();
    for rendering in renderings {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "# {} to {}", rendering.alert, rendering.provider);
        match &rendering.problem {
            Some(problem) => {
                let _ = writeln!(text, "cannot be sent: {problem}");
            }
            None => text.push_str(&rendering.requests),
        }
        text.push('\n');
    }
    text
}
