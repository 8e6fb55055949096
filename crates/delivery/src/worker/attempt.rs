//! One claimed delivery: attempt, settle, tell.

use std::time::Duration;

use domain::delivery::{DeliveryState, Failure, FailureClass, Outcome};
use domain::ports::Notice;
use jiff::Timestamp;

use super::{AttemptKey, BreakerVerdict, RETRY, Report, Shared};
use crate::settlement;
use crate::store::{Claimed, Settlement, StoreError};

/// No attempt takes longer, whatever a Provider's timeout says.
const LONGEST_ATTEMPT: Duration = Duration::from_mins(10);

/// Makes one attempt, or finds that none is due any more, and keeps what came of it.
pub(super) async fn attempt(shared: &Shared, claimed: Claimed) {
    let now = shared.clock.now();
    let key = AttemptKey::of(&claimed);
    let provider = claimed.delivery.provider.clone();
    let (settlement, verdict) = match settlement::before_attempt(&claimed, shared.policy, now) {
        Some(settlement) => (settlement, BreakerVerdict::Nothing),
        None => try_once(shared, &claimed).await,
    };
    let answered = Report::Answered {
        provider: provider.clone(),
        verdict,
    };
    // The worker is gone only when all is being shut down.
    let _ = shared.report.send(answered).await;
    report(shared, &claimed, &settlement);
    let next_due = settle(shared, &claimed, settlement).await;
    let settled = Report::Settled {
        attempt: key,
        provider,
        next_due,
    };
    let _ = shared.report.send(settled).await;
}

async fn try_once(shared: &Shared, claimed: &Claimed) -> (Settlement, BreakerVerdict) {
    let number = claimed.attempts.saturating_add(1);
    let started = tokio::time::Instant::now();
    let outcome = match &claimed.event {
        Some(event) => {
            let delivering = shared.courier.deliver(&claimed.delivery, event, number);
            tokio::time::timeout(LONGEST_ATTEMPT, delivering)
                .await
                .unwrap_or_else(|_| {
                    let text = format!("the attempt took longer than {LONGEST_ATTEMPT:?}");
                    Outcome::Failed(Failure::new(FailureClass::Unreachable, text))
                })
        }
        None => Outcome::Failed(Failure::new(FailureClass::Rejected, "no event")),
    };
    shared
        .metrics
        .attempted(&claimed.delivery, &outcome, started.elapsed());
    let verdict = match &outcome {
        Outcome::Delivered(receipt) if receipt.unchanged => BreakerVerdict::Nothing,
        Outcome::Delivered(_) => BreakerVerdict::Alive,
        Outcome::Dropped(_) => BreakerVerdict::Nothing,
        Outcome::Failed(failure) => BreakerVerdict::Failed(failure.clone()),
    };
    let now = shared.clock.now();
    let jitter = shared.random.fraction();
    let settlement = settlement::after_attempt(claimed, outcome, shared.policy, now, jitter);
    (settlement, verdict)
}

/// Settles until it works: what was sent must not be sent again because the disk was full.
async fn settle(shared: &Shared, claimed: &Claimed, settlement: Settlement) -> Option<Timestamp> {
    loop {
        match shared.store.settle(claimed, settlement.clone()).await {
            Ok(next_due) => return next_due,
            Err(StoreError::Closed) => return None,
            Err(error) => {
                tracing::error!(%error, delivery.id = %claimed.delivery.id, "settling a delivery failed; trying again");
            }
        }
        tokio::time::sleep(RETRY).await;
    }
}

fn report(shared: &Shared, claimed: &Claimed, settlement: &Settlement) {
    let delivery = &claimed.delivery;
    shared.metrics.settled(delivery, settlement);
    if let Some(notices) = &shared.notices {
        notices.settled(Notice {
            delivery,
            event: claimed.event.as_deref(),
            state: settlement.state,
            attempts: claimed.attempts + u32::from(settlement.attempted),
            class: settlement.last.class,
            status: settlement.last.status,
            detail: &settlement.last.detail,
            at: settlement.now,
        });
    }
    let first_failure = claimed.attempts == 0 && settlement.last.class.is_some();
    let level_is_warn = match settlement.state {
        DeliveryState::Failed | DeliveryState::Expired => true,
        DeliveryState::Parked | DeliveryState::Pending => first_failure,
        DeliveryState::Delivered | DeliveryState::Superseded | DeliveryState::Dropped => false,
    };
    let object = claimed.event.as_ref().map(|event| {
        let object = &event.event().involved_object;
        format!("{}/{}/{}", object.kind, object.namespace, object.name)
    });
    // One line each time something goes wrong or ends badly; successes are detail.
    macro_rules! line {
        ($level:ident, $message:literal) => {
            tracing::$level!(
                logger = "event-server",
                delivery.id = %delivery.id,
                provider.name = delivery.provider.name,
                provider.namespace = delivery.provider.namespace,
                controllerKind = "Alert",
                name = delivery.alert.name,
                namespace = delivery.alert.namespace,
                object = object.as_deref().unwrap_or_default(),
                state = settlement.state.label(),
                attempts = claimed.attempts + u32::from(settlement.attempted),
                detail = settlement.last.detail,
                $message
            )
        };
    }
    if level_is_warn {
        line!(warn, "failed to send notification");
    } else {
        line!(debug, "delivery settled");
    }
}
