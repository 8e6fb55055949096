//! What faults of the disk share: the shim in the target's process, and that the target heals.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::plan::Strike;
use crate::power::record;
use crate::power::recording::DATA;
use crate::round::Round;
use crate::setup::Setup;
use crate::shim::{Control, Shim};

const CONTROL: &str = "control";
const RECORD: &str = "record";

/// How long a target may take to accept events again when its disk is well.
const HEALING: Duration = Duration::from_secs(30);

/// Between two looks at it.
const LOOK: Duration = Duration::from_millis(10);

/// The folder that is watched: the data of the first process. It is there before the process, as a
/// mounted volume is.
pub(super) fn watched(folder: &Path) -> PathBuf {
    folder.join("replica-0").join(DATA)
}

/// Has the shim loaded into the target's process.
fn attach(setup: &mut Setup) -> anyhow::Result<()> {
    let watched = watched(&setup.folder);
    std::fs::create_dir_all(&watched)?;
    let control = Control::create(&setup.folder.join(CONTROL))?;
    let shim = Shim::build(&setup.folder)?;
    for (name, value) in shim.environment(&watched, None, Some(&control))? {
        if name == "LD_PRELOAD" {
            setup.preload.push(value);
        } else {
            setup.environment.push((name.to_owned(), value.into()));
        }
    }
    Ok(())
}

/// Has everything recorded, too; says where.
pub(super) fn attach_record(setup: &mut Setup) -> anyhow::Result<PathBuf> {
    attach(setup)?;
    let record = setup.folder.join(RECORD);
    std::fs::create_dir_all(&record)?;
    let variable = (record::VARIABLE.to_owned(), record.clone().into());
    setup.environment.push(variable);
    Ok(record)
}

/// What the shim of a round is told.
pub(super) fn control(round: &Round) -> anyhow::Result<Control> {
    Control::open(&round.setup.folder.join(CONTROL))
}

/// Waits until events are accepted that were not accepted before, and complains when none is.
pub(super) async fn expect_healing(round: &Round, strike: &Strike) {
    let before = round.load().answers().accepted.len();
    let since = Instant::now();
    while round.load().answers().accepted.len() == before {
        if since.elapsed() > HEALING {
            return round.complain(format!(
                "nothing was accepted for {HEALING:?} after {} at {:?} was over",
                strike.fault, strike.at
            ));
        }
        tokio::time::sleep(LOOK).await;
    }
}
