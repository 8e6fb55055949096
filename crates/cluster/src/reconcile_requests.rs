//! Asks Flux's controllers for a reconciliation: by an annotation, of which alone the API server is
//! told.

use std::sync::Arc;

use api::receiver::REQUESTED_AT;
use domain::ports::{ObjectError, ReconcileRequest, ReconcileRequester};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::resources::{Kinds, MetadataReader, checked_name, in_time};
use crate::status::FIELD_MANAGER;

/// Asks for reconciliations.
pub struct ReconcileRequests {
    kinds: Arc<Kinds>,
}

impl ReconcileRequests {
    /// Knows the kinds that the reader knows.
    pub fn new(reader: &MetadataReader) -> Self {
        Self {
            kinds: reader.kinds(),
        }
    }

    async fn annotate(&self, request: &ReconcileRequest) -> Result<(), ObjectError> {
        let object = &request.object;
        let api = self.kinds.api(object).await?;
        let name = checked_name(&object.name)?;
        let patch = json!({"metadata": {"annotations": {REQUESTED_AT: request.at.to_string()}}});
        let params = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        match api
            .patch_metadata(name, &params, &Patch::Merge(&patch))
            .await
        {
            Ok(_) => Ok(()),
            Err(error) => Err(self.kinds.error(object, &error)),
        }
    }
}

impl ReconcileRequester for ReconcileRequests {
    fn request<'a>(
        &'a self,
        request: &'a ReconcileRequest,
    ) -> BoxFuture<'a, Result<(), ObjectError>> {
        in_time(self.annotate(request)).boxed()
    }
}
