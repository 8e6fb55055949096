//! `fanfare version`.

use std::process::ExitCode;

use serde::Serialize;

use crate::cli::{Format, FormatArgument};
use crate::output;

/// The version of this build.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The version of the reference that this build is a drop-in for.
const REFERENCE: &str = "Flux notification-controller v1.9.3";

#[derive(Serialize)]
struct Version {
    version: &'static str,
    drop_in_for: &'static str,
}

pub(super) fn execute(format: FormatArgument) -> anyhow::Result<ExitCode> {
    match format.output {
        Format::Text => {
            output::print_line(&format!("fanfare {VERSION} (drop-in for {REFERENCE})"))?;
        }
        Format::Json => output::print_json(&Version {
            version: VERSION,
            drop_in_for: REFERENCE,
        })?,
    }
    Ok(ExitCode::SUCCESS)
}
