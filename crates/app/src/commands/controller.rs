//! `fanfare controller`: the Kubernetes mode, in the place of Flux's notification-controller.

use std::process::ExitCode;

use futures::FutureExt as _;

use crate::compose::cluster::{self, InCluster};
use crate::settings::{ControllerArguments, FeatureGates};
use crate::telemetry;

use super::serve::{self, Running};

pub(super) fn execute(arguments: &ControllerArguments) -> anyhow::Result<ExitCode> {
    telemetry::start(arguments.serve.log_level, arguments.log_encoding)?;
    let gates = match FeatureGates::parse(&arguments.feature_gates) {
        Ok(gates) => gates,
        Err(error) => {
            tracing::error!(logger = "setup", error, "unable to load feature gates");
            return Ok(ExitCode::FAILURE);
        }
    };
    if !arguments.default_service_account.is_empty() && !gates.object_level_workload_identity {
        tracing::error!(
            logger = "setup",
            "cannot set default service accounts when the feature gate \
             ObjectLevelWorkloadIdentity is not enabled"
        );
        return Ok(ExitCode::FAILURE);
    }
    let data_dir = cluster::data_dir(arguments);
    let plan = serve::Plan {
        arguments: &arguments.serve,
        data_dir: &data_dir,
        configuration: "the API server".to_owned(),
    };
    serve::execute(&plan, async |registry| {
        let InCluster {
            engine,
            senders,
            hooks,
            following,
        } = cluster::start(arguments, gates, &data_dir, registry).await?;
        Ok(Running {
            engine,
            senders,
            hooks,
            background: Box::new(|handle, shutdown| following.run(handle, shutdown).boxed()),
        })
    })
}
