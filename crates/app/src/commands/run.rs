//! `fanfare run`: the standalone mode.

use std::process::ExitCode;

use futures::FutureExt as _;

use crate::compose::standalone::{self, Standalone};
use crate::settings::RunArguments;
use crate::telemetry;

use super::serve::{self, Running};

pub(super) fn execute(arguments: &RunArguments) -> anyhow::Result<ExitCode> {
    telemetry::start(arguments.serve.log_level, arguments.log_encoding)?;
    let plan = serve::Plan {
        arguments: &arguments.serve,
        data_dir: &arguments.data_dir,
        configuration: arguments.configuration.config.display().to_string(),
    };
    serve::execute(&plan, async |registry| {
        let Standalone {
            engine,
            reload,
            hooks,
        } = standalone::start(arguments, registry).await?;
        Ok(Running {
            engine,
            senders: None,
            hooks,
            background: Box::new(|handle, shutdown| reload.run(handle, shutdown).boxed()),
        })
    })
}
