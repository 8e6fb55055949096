//! Stored events that nobody can read any more.
//!
//! While the target is stopped some events in its store, which are still owed, are overwritten. It must
//! start, say of these that they cannot be read, and deliver all others.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rusqlite::Connection;
use serde_json::{Value, json};

use super::{Card, Fault, Needs, Work};
use crate::destination::{Mode, Role};
use crate::dice::Dice;
use crate::ledger::Settled;
use crate::place::Place;
use crate::plan::{Rhythm, Strike};
use crate::round::Round;
use crate::setup::Setup;
use crate::stamp::Stamp;
use crate::target::fanfare::ask;

/// Events spoiled per strike.
const SPOILED: usize = 3;

/// How long the target may take to settle what it cannot read: longest wait for a destination that was
/// down, and some more.
const PATIENCE: Duration = Duration::from_mins(2);

/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);

/// The fault.
pub(crate) struct PoisonRecord;

impl Fault for PoisonRecord {
    fn card(&self) -> Card {
        Card::new(
            "poison-record",
            "stored events are overwritten while it is stopped: set aside, the rest delivered",
            Rhythm::millis(500..1500, 300..900, 2),
        )
        .needs(Needs::Fanfare("keeps no record of single events"))
    }

    fn prepare(&self, setup: &mut Setup) -> anyhow::Result<()> {
        setup.roles.insert(Role::Victim);
        Ok(())
    }

    fn strike<'a>(&'a self, round: &'a Round, strike: &'a Strike) -> Work<'a> {
        Box::pin(async move {
            let mut dice = strike.dice();
            let Some(victim) = round.destination(Role::Victim) else {
                return Ok(());
            };
            victim.misbehave(Mode::Status(503), strike.lasts).await;
            let mut replica = round.process(0).await?;
            round.stop(&mut replica).await?;
            let place = replica.place.clone();
            let spoiled = spoil(&place.data().join("fanfare.db"), &mut dice)?;
            round.begin(&mut replica).await?;
            drop(replica);
            round.count("stored events spoiled", spoiled.len() as u64);
            for (position, stamp) in &spoiled {
                wait_for_settlement(round, &place, *position, *stamp).await?;
            }
            Ok(())
        })
    }
}

/// Overwrites some events that have live deliveries or are not planned yet; says which.
fn spoil(database: &Path, dice: &mut Dice) -> anyhow::Result<BTreeMap<i64, Stamp>> {
    let connection =
        Connection::open(database).with_context(|| format!("opening {}", database.display()))?;
    let mut statement = connection.prepare(
        "SELECT position, body FROM bodies
         WHERE position > (SELECT value FROM meta WHERE name = 'planned')
            OR position IN (SELECT id >> 16 FROM deliveries WHERE state < 2)
         ORDER BY position LIMIT 1000",
    )?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut candidates: Vec<(i64, Vec<u8>)> = rows.collect::<Result<_, _>>()?;
    let mut spoiled = BTreeMap::new();
    while spoiled.len() < SPOILED && !candidates.is_empty() {
        let index = usize::try_from(dice.below(candidates.len() as u64)).unwrap_or(0);
        let (position, body) = candidates.swap_remove(index);
        let Some(stamp) = Stamp::find_all(&body).first().copied() else {
            continue;
        };
        let garbage: Vec<u8> = match dice.below(3) {
            0 => Vec::new(),
            1 => body.iter().take(body.len() / 2).copied().collect(),
            _ => body.iter().map(|byte| byte ^ 0xa5).collect(),
        };
        connection.execute(
            "UPDATE bodies SET body = ?1 WHERE position = ?2",
            rusqlite::params![garbage, position],
        )?;
        spoiled.insert(position, stamp);
    }
    Ok(spoiled)
}

/// Waits until nothing of an event is live any more, and excuses what of it did not arrive.
async fn wait_for_settlement(
    round: &Round,
    place: &Place,
    position: i64,
    stamp: Stamp,
) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        // It may be down for another fault's sake.
        let reply = ask(place, &json!({"event": {"position": position}}))
            .await
            .ok();
        let event = reply.as_ref().and_then(|reply| reply.get("event"));
        if let Some(dispositions) = event.and_then(|event| settlement(event, round)) {
            for (destination, disposition) in dispositions {
                round.excuse(Settled {
                    destination,
                    stamp,
                    disposition,
                });
            }
            return Ok(());
        }
        if begun.elapsed() > PATIENCE {
            round.complain(format!(
                "an event that cannot be read is not settled after {PATIENCE:?}: {}",
                event.map(Value::to_string).unwrap_or_default()
            ));
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// What became of an event at each destination that did not get it; `None` while something is live.
fn settlement(event: &Value, round: &Round) -> Option<Vec<(usize, String)>> {
    if event.get("planned")?.as_bool() != Some(true) {
        return None;
    }
    let deliveries = event.get("deliveries")?.as_array()?;
    let mut settled = Vec::new();
    for (index, route) in round.routes.iter().enumerate() {
        let delivery = deliveries.iter().find(|delivery| {
            let provider = delivery.get("provider").and_then(|key| key.get("name"));
            provider.and_then(Value::as_str) == Some(route.role.name())
        });
        let Some(delivery) = delivery else {
            let counts = event.get("dispositions").and_then(|all| all.get("counts"));
            let reason = counts?.as_object()?.keys().next()?;
            settled.push((index, reason.clone()));
            continue;
        };
        match delivery.get("state")?.as_str()? {
            "pending" | "parked" => return None,
            "delivered" => {}
            state => settled.push((index, format!("{state}: unreadable"))),
        }
    }
    Some(settled)
}
