//! Ports whose panics end where they happen: an attempt fails, a label is unknown, a notice is lost, and
//! the stages and lanes behind go on.
//!
//! What a panic says is kept nowhere, since it may hold a secret; the process's hook tells the place.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use api::{ObjectKey, ObjectReference};
use domain::CleanEvent;
use domain::delivery::{Delivery, Failure, FailureClass, Outcome};
use domain::ports::{Courier, Notice, NoticeSink, ObjectReader};
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;

/// A port that never panics.
pub(crate) struct Contained<P: ?Sized>(pub(crate) Arc<P>);

impl Courier for Contained<dyn Courier> {
    fn deliver<'a>(
        &'a self,
        delivery: &'a Delivery,
        event: &'a CleanEvent,
        attempt: u32,
    ) -> BoxFuture<'a, Outcome> {
        async move {
            let attempt = async { self.0.deliver(delivery, event, attempt).await };
            let outcome = AssertUnwindSafe(attempt).catch_unwind().await;
            outcome.unwrap_or_else(|_| {
                // It would panic again.
                let text = "the attempt panicked, which is a bug; the log says where";
                Outcome::Failed(Failure::new(FailureClass::Rejected, text))
            })
        }
        .boxed()
    }
}

impl ObjectReader for Contained<dyn ObjectReader> {
    fn labels<'a>(
        &'a self,
        object: &'a ObjectReference,
    ) -> BoxFuture<'a, Option<BTreeMap<String, String>>> {
        let reading = async { self.0.labels(object).await };
        let reading = AssertUnwindSafe(reading).catch_unwind();
        reading.map(Result::unwrap_or_default).boxed()
    }
}

impl NoticeSink for Contained<dyn NoticeSink> {
    fn settled(&self, notice: Notice<'_>) {
        let _ = catch_unwind(AssertUnwindSafe(|| self.0.settled(notice)));
    }

    fn paused(&self, provider: &ObjectKey, until: Option<Timestamp>) {
        let _ = catch_unwind(AssertUnwindSafe(|| self.0.paused(provider, until)));
    }
}
