//! The target is started on what a power cut left, and must keep every promise.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use testkit::{Answer, HttpSink};
use tokio::sync::mpsc;

use super::disk::Image;
use super::image;
use super::load::{self, AGAIN, DESTINATIONS};
use super::promises::Notification;
use super::recording::DATA;
use crate::place::Place;
use crate::process::Process;
use crate::stalls::Stalls;
use crate::stamp::Stamp;
use crate::target::{self, Reply, Target};

/// Between two looks at the clock while nothing arrives.
const LOOK: Duration = Duration::from_millis(100);

/// The event that every trial sends, after all others of its lane.
const FRESH: Stamp = Stamp {
    lane: 0,
    number: 900_000_000,
};

/// A place for trials, one after the other.
pub(crate) struct Stand {
    target: Arc<dyn Target>,
    place: Place,
    /// How many trials there were. Each has a path of its own at the destinations: what a process had
    /// sent when it was killed may be read after its trial.
    trials: usize,
    arrivals: mpsc::UnboundedReceiver<Arrival>,
    sinks: Vec<HttpSink>,
    stalls: Stalls,
}

/// Something that arrived: at which path, and what.
type Arrival = (String, Notification);

impl Stand {
    /// Sets one up in a folder.
    pub(crate) async fn new(target: &Arc<dyn Target>, folder: PathBuf) -> anyhow::Result<Self> {
        let (sender, arrivals) = mpsc::unbounded_channel();
        let mut sinks = Vec::new();
        for number in 0..DESTINATIONS.len() {
            let sink = HttpSink::start().await;
            sink.keep_nothing();
            let sender = sender.clone();
            sink.answer_by(move |request| {
                for stamp in Stamp::find_all(&request.body) {
                    // Nobody listens only when the stand is gone.
                    let _ = sender.send((request.target.clone(), (number, stamp)));
                }
                Answer::status(200)
            });
            sinks.push(sink);
        }
        Ok(Self {
            target: Arc::clone(target),
            place: Place::make(&**target, folder)?,
            trials: 0,
            arrivals,
            sinks,
            stalls: Stalls::watch(),
        })
    }

    /// Tries one image; the error says what is wrong with what the target does.
    pub(crate) async fn try_image(
        &mut self,
        image: &Image,
        owed: &BTreeSet<Notification>,
    ) -> anyhow::Result<()> {
        let data = self.place.folder.join(DATA);
        if data.exists() {
            std::fs::remove_dir_all(&data)?;
        }
        image::write(image, &self.place.folder)?;
        self.trials += 1;
        let mut trial = Trial {
            path: format!("/trial-{}", self.trials),
            missing: owed.clone(),
            order: Order::default(),
        };
        let fresh = (0..DESTINATIONS.len()).map(|destination| (destination, FRESH));
        trial.missing.extend(fresh);
        let routes = load::routes(&self.sinks, &trial.path);
        self.target.configure(&self.place, &routes)?;
        // What it says about former images is of no interest.
        std::fs::write(self.place.folder.join("log"), "")?;
        let command = self.target.command(&self.place);
        let mut process = target::start(&*self.target, &self.place, command).await?;
        let tried = self.try_process(&mut process, &mut trial).await;
        // The next one wants its ports.
        process.kill().await?;
        tried?;
        while let Ok(arrival) = self.arrivals.try_recv() {
            trial.take(arrival)?;
        }
        Ok(())
    }

    async fn try_process(
        &mut self,
        process: &mut Process,
        trial: &mut Trial,
    ) -> anyhow::Result<()> {
        let (begun, stalled) = (Instant::now(), self.stalls.total());
        let patience = self.target.patience();
        let mut is_accepted = false;
        while !is_accepted || !trial.missing.is_empty() {
            let mut status = None;
            if !is_accepted {
                status = load::post(&*self.target, self.place.events, &mut None, FRESH).await;
                match status.map(|status| self.target.reply(status)) {
                    Some(Reply::Accepted) => is_accepted = true,
                    Some(Reply::Refused) => {
                        anyhow::bail!("a new event is answered with {status:?}")
                    }
                    Some(Reply::Later) | None => tokio::time::sleep(AGAIN).await,
                }
            }
            if let Some(status) = process.ended()? {
                anyhow::bail!("it ended ({status}): {}", process.last_words());
            }
            // Time in which this program stood still does not count.
            if begun.elapsed() > patience + self.stalls.total().saturating_sub(stalled) {
                anyhow::ensure!(
                    is_accepted,
                    "a new event is answered with {status:?} for {patience:?}; log: {}",
                    process.last_words()
                );
                anyhow::bail!("{}; log: {}", trial.complaint(), process.last_words());
            }
            if is_accepted
                && let Ok(arrival) = tokio::time::timeout(LOOK, self.arrivals.recv()).await
            {
                let arrival =
                    arrival.ok_or_else(|| anyhow::anyhow!("the destinations are gone"))?;
                trial.take(arrival)?;
            }
        }
        Ok(())
    }
}

/// What one process must do.
struct Trial {
    path: String,
    missing: BTreeSet<Notification>,
    order: Order,
}

impl Trial {
    fn take(&mut self, (path, notification): Arrival) -> anyhow::Result<()> {
        if path != self.path {
            return Ok(());
        }
        self.missing.remove(&notification);
        self.order.check(notification)
    }

    fn complaint(&self) -> String {
        let some: Vec<String> = self
            .missing
            .iter()
            .take(5)
            .map(|(destination, stamp)| format!("{stamp} to destination {destination}"))
            .collect();
        format!(
            "{} promised notifications never came: {}",
            self.missing.len(),
            some.join(", ")
        )
    }
}

/// What came so far. Repeats are allowed, since an outcome can be lost; disorder is not.
#[derive(Default)]
struct Order {
    highest: BTreeMap<(usize, u32), u64>,
    seen: BTreeSet<Notification>,
}

impl Order {
    fn check(&mut self, (destination, stamp): Notification) -> anyhow::Result<()> {
        let highest = self.highest.entry((destination, stamp.lane)).or_default();
        anyhow::ensure!(
            !self.seen.insert((destination, stamp)) || stamp.number >= *highest,
            "{stamp} came first after event {highest} of its lane"
        );
        *highest = stamp.number.max(*highest);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(number: u64) -> Stamp {
        Stamp { lane: 1, number }
    }

    #[test]
    fn what_the_process_of_another_trial_sent_counts_for_nothing() {
        let mut trial = Trial {
            path: "/trial-2".to_owned(),
            missing: BTreeSet::from([(0, event(1)), (1, event(1))]),
            order: Order::default(),
        };
        trial.take(("/trial-1".to_owned(), (0, event(1)))).unwrap();
        trial.take(("/trial-1".to_owned(), (1, event(9)))).unwrap();
        assert_eq!(trial.missing.len(), 2);
        trial.take(("/trial-2".to_owned(), (1, event(1)))).unwrap();
        let complaint = trial.complaint();
        assert!(complaint.starts_with("1 promised"), "{complaint}");
        assert!(complaint.ends_with("to destination 0"), "{complaint}");
    }

    #[test]
    fn a_repeat_is_no_disorder_and_a_late_first_one_is() {
        let mut order = Order::default();
        for number in [1, 2, 1, 2, 4] {
            order.check((0, event(number))).unwrap();
        }
        // Another destination, another order.
        order.check((1, event(3))).unwrap();
        assert!(order.check((0, event(3))).is_err());
    }
}
