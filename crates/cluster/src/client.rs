//! The connection to the API server: found as `kubectl` and client-go find it, one for the process.
//!
//! Building a client makes no request, so it works while the API server is down.

use std::ffi::OsStr;
use std::sync::Arc;

use http::HeaderValue;
use kube::client::ClientBuilder;
use kube::config::{Config, InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError};
use thiserror::Error;

use crate::requests::{Observed, RequestObserver};

/// A handle on the API server; clones share its connections.
pub use kube::Client;

/// Why there is no client.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// `KUBECONFIG` names files that cannot be used.
    #[error("KUBECONFIG: {0}")]
    Kubeconfig(#[source] Box<KubeconfigError>),
    /// Neither a pod's service account nor a kubeconfig file is there.
    #[error(
        "no API server: not in a pod ({in_cluster}), and no kubeconfig ({kubeconfig}); set KUBECONFIG"
    )]
    Nowhere {
        /// Why the pod's service account was not used.
        in_cluster: Box<InClusterError>,
        /// Why the kubeconfig in the home directory was not used.
        kubeconfig: Box<KubeconfigError>,
    },
    /// The configuration cannot be used, for example because a certificate in it is damaged.
    #[error("the configuration of the API server cannot be used: {0}")]
    Unusable(#[source] Box<kube::Error>),
}

/// Makes a client: from the files that `KUBECONFIG` names, if it is set (`kubeconfig`), else with the
/// pod's service account, else from the kubeconfig in the home directory.
///
/// Its [`Client::default_namespace`] is the pod's, or that of the kubeconfig's context. `observer` hears
/// of every request. Must be called within a runtime.
pub async fn connect(
    kubeconfig: Option<&OsStr>,
    agent: HeaderValue,
    observer: Arc<dyn RequestObserver>,
) -> Result<Client, ConnectError> {
    let mut config = match kubeconfig.filter(|paths| !paths.is_empty()) {
        Some(paths) => from_files(paths).await.map_err(ConnectError::Kubeconfig)?,
        None => from_surroundings().await?,
    };
    // Whoever asks has retries of their own, which know what can wait.
    config.default_retry = false;
    config.headers.push((http::header::USER_AGENT, agent));
    let builder = ClientBuilder::try_from(config);
    let builder = builder.map_err(|error| ConnectError::Unusable(Box::new(error)))?;
    Ok(builder.with_layer(&Observed(observer)).build())
}

async fn from_files(paths: &OsStr) -> Result<Config, Box<KubeconfigError>> {
    let mut merged = Kubeconfig::default();
    for path in std::env::split_paths(paths).filter(|path| !path.as_os_str().is_empty()) {
        merged = merged.merge(Kubeconfig::read_from(path)?)?;
    }
    Ok(Config::from_custom_kubeconfig(merged, &KubeConfigOptions::default()).await?)
}

async fn from_surroundings() -> Result<Config, ConnectError> {
    let in_cluster = match Config::incluster() {
        Ok(config) => return Ok(config),
        Err(error) => Box::new(error),
    };
    Config::from_kubeconfig(&KubeConfigOptions::default())
        .await
        .map_err(|kubeconfig| ConnectError::Nowhere {
            in_cluster,
            kubeconfig: Box::new(kubeconfig),
        })
}
