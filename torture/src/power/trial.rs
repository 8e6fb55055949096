//! The target is started on what a power cut left, and must keep every promise.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use testkit::{Answer, HttpSink};
use tokio::sync::watch;

use super::disk::Image;
use super::image;
use super::load::{self, DESTINATIONS};
use super::promises::Notification;
use super::recording::DATA;
use crate::process::Process;
use crate::round;
use crate::stamp::Stamp;
use crate::target::{self, Place, Reply, Target};

/// How long everything that is owed may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// The event that every trial sends, after all others of its lane.
const FRESH: Stamp = Stamp {
    lane: 0,
    number: 900_000_000,
};

/// A place for trials, one after the other.
pub(crate) struct Stand {
    target: Arc<dyn Target>,
    place: Place,
    arrivals: Arc<Mutex<Vec<Notification>>>,
    arrived: watch::Receiver<usize>,
    sinks: Vec<HttpSink>,
}

impl Stand {
    /// Sets one up in a folder.
    pub(crate) async fn new(target: &Arc<dyn Target>, folder: PathBuf) -> anyhow::Result<Self> {
        let place = round::place(&**target, folder)?;
        let arrivals: Arc<Mutex<Vec<Notification>>> = Arc::default();
        let (told, arrived) = watch::channel(0);
        let mut sinks = Vec::new();
        for number in 0..DESTINATIONS.len() {
            let sink = HttpSink::start().await;
            sink.keep_nothing();
            let (kept, told) = (Arc::clone(&arrivals), told.clone());
            sink.answer_by(move |request| {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                let stamps = Stamp::find_all(&request.body);
                kept.extend(stamps.into_iter().map(|stamp| (number, stamp)));
                let count = kept.len();
                drop(kept);
                told.send_replace(count);
                Answer::status(200)
            });
            sinks.push(sink);
        }
        target.configure(&place, &load::routes(&sinks))?;
        Ok(Self {
            target: Arc::clone(target),
            place,
            arrivals,
            arrived,
            sinks,
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
        self.hear_out().await;
        self.arrivals().clear();
        // What it says about former images is of no interest.
        std::fs::write(self.place.folder.join("log"), "")?;
        let command = self.target.command(&self.place);
        let mut process = target::start(&*self.target, &self.place, command).await?;
        let tried = self.try_process(&mut process, owed).await;
        // The next one wants its ports.
        process.kill().await?;
        tried?;
        self.check_order()
    }

    /// Waits for what the process of the trial before had sent when it was killed: it would look like
    /// something that this one sends.
    async fn hear_out(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.sinks.iter().any(|sink| sink.connections().open > 0) && Instant::now() < deadline
        {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn try_process(
        &mut self,
        process: &mut Process,
        owed: &BTreeSet<Notification>,
    ) -> anyhow::Result<()> {
        let status = load::post(&*self.target, self.place.events, &mut None, FRESH).await;
        let reply = status.map(|status| self.target.reply(status));
        anyhow::ensure!(
            reply == Some(Reply::Accepted),
            "a new event is answered with {status:?}"
        );
        let mut wanted = owed.clone();
        wanted.extend((0..DESTINATIONS.len()).map(|destination| (destination, FRESH)));
        let missing = self.wait_for(&wanted).await;
        if let Some(status) = process.ended()? {
            anyhow::bail!("it ended ({status}): {}", process.last_words());
        }
        if !missing.is_empty() {
            let some: Vec<String> = missing
                .iter()
                .take(5)
                .map(|(destination, stamp)| format!("{stamp} to destination {destination}"))
                .collect();
            anyhow::bail!(
                "{} of {} promised notifications never came: {}; log: {}",
                missing.len(),
                wanted.len(),
                some.join(", "),
                process.last_words()
            );
        }
        Ok(())
    }

    fn arrivals(&self) -> MutexGuard<'_, Vec<Notification>> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until all came; what did not.
    async fn wait_for(&mut self, wanted: &BTreeSet<Notification>) -> BTreeSet<Notification> {
        let arrivals = Arc::clone(&self.arrivals);
        let all_came = self.arrived.wait_for(|count| {
            if *count < wanted.len() {
                return false;
            }
            let arrivals = arrivals.lock().unwrap_or_else(PoisonError::into_inner);
            let came: BTreeSet<&Notification> = arrivals.iter().collect();
            wanted
                .iter()
                .all(|notification| came.contains(notification))
        });
        // What is missing is seen below.
        let _ = tokio::time::timeout(PATIENCE, all_came).await;
        let came: BTreeSet<Notification> = self.arrivals().iter().copied().collect();
        wanted.difference(&came).copied().collect()
    }

    /// Repeats are allowed, since an outcome can be lost; disorder is not.
    fn check_order(&self) -> anyhow::Result<()> {
        let mut highest: BTreeMap<(usize, u32), u64> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for (destination, stamp) in self.arrivals().iter() {
            let highest = highest.entry((*destination, stamp.lane)).or_default();
            anyhow::ensure!(
                !seen.insert((*destination, *stamp)) || stamp.number >= *highest,
                "{stamp} came first after event {highest} of its lane"
            );
            *highest = stamp.number.max(*highest);
        }
        Ok(())
    }
}
