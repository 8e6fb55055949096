//! One round: a target, its destinations, a load, and strikes of faults, up to the account.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex as StdMutex, MutexGuard as StdGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::sync::{Mutex, MutexGuard};

use crate::destination::{Arrivals, Destination, Mode, Role};
use crate::ledger::{self, Account};
use crate::load::{Load, Pace};
use crate::place::Place;
use crate::process::Process;
use crate::setup::Setup;
use crate::stalls::Stalls;
use crate::tally::{Tally, counts};
use crate::target::{self, Route, Target};

/// Between two looks at a round that is being emptied.
const DRAIN: Duration = Duration::from_millis(250);

/// Longest attempt at a destination.
const ATTEMPT: Duration = Duration::from_secs(2);

/// Longest time until an event is at a destination that is well, whatever the others do. Restarts count
/// in, and so does a busy machine.
const PUNCTUAL: Duration = Duration::from_secs(15);

/// A process of the target, if it runs.
pub(crate) struct Replica {
    /// Where it is.
    pub(crate) place: Place,
    process: Option<Process>,
}

/// A running round.
pub(crate) struct Round {
    /// What is being tortured.
    pub(crate) target: Arc<dyn Target>,
    /// What was decided before.
    pub(crate) setup: Setup,
    /// Where notifications go.
    pub(crate) destinations: Vec<Destination>,
    /// The same, as the target is told.
    pub(crate) routes: Vec<Route>,
    places: Vec<Place>,
    replicas: Vec<Mutex<Replica>>,
    arrivals: Arrivals,
    load: Load,
    tally: StdMutex<Tally>,
    stalls: Stalls,
    /// Events that a fault has destroyed on purpose, by what became of them.
    excused: StdMutex<Vec<ledger::Settled>>,
}

impl Round {
    /// Starts target, destinations and load.
    pub(crate) async fn start(target: Arc<dyn Target>, setup: Setup) -> anyhow::Result<Self> {
        let arrivals = Arrivals::default();
        let mut destinations = Vec::new();
        for (index, role) in setup.roles.iter().enumerate() {
            destinations.push(Destination::start(*role, index, &arrivals).await);
        }
        let routes: Vec<Route> = destinations
            .iter()
            .map(|destination| Route {
                role: destination.role,
                url: destination.url(),
                authority: destination.authority().map(str::to_owned),
                timeout: ATTEMPT,
            })
            .collect();
        let mut places = Vec::new();
        for number in 0..setup.replicas {
            let folder = setup.folder.join(format!("replica-{number}"));
            let place = Place::make(&*target, folder)?;
            target.configure(&place, &routes)?;
            places.push(place);
        }
        let replicas = places
            .iter()
            .map(|place| {
                Mutex::new(Replica {
                    place: place.clone(),
                    process: None,
                })
            })
            .collect();
        let endpoints: Vec<SocketAddr> = places.iter().map(|place| place.events).collect();
        let mut round = Self {
            load: Load::start(&target, &[], &Pace { rate: 1, lanes: 0 }),
            target,
            destinations,
            routes,
            places,
            replicas,
            arrivals,
            tally: StdMutex::default(),
            stalls: Stalls::watch(),
            excused: StdMutex::default(),
            setup,
        };
        for replica in &round.replicas {
            round.begin(&mut *replica.lock().await).await?;
        }
        let pace = Pace {
            rate: round.setup.rate,
            lanes: round.setup.lanes,
        };
        round.load = Load::start(&round.target, &endpoints, &pace);
        Ok(round)
    }

    /// The destination of a role; the steady one if there is none.
    pub(crate) fn destination(&self, role: Role) -> Option<&Destination> {
        self.destinations
            .iter()
            .find(|destination| destination.role == role)
    }

    /// Folder and ports of a replica.
    pub(crate) fn place(&self, replica: usize) -> Option<&Place> {
        self.places.get(replica)
    }

    /// Holds a replica: as long as the guard lives nobody else stops or starts it.
    pub(crate) async fn process(&self, replica: usize) -> anyhow::Result<MutexGuard<'_, Replica>> {
        let replica = self.replicas.get(replica).context("no such replica")?;
        Ok(replica.lock().await)
    }

    /// How many replicas there are.
    pub(crate) fn replicas(&self) -> usize {
        self.replicas.len()
    }

    /// What the senders were answered.
    pub(crate) fn load(&self) -> &Load {
        &self.load
    }

    /// How many different events were acknowledged by the destination of a role.
    pub(crate) fn delivered(&self, role: Role) -> usize {
        let index = self
            .destinations
            .iter()
            .position(|known| known.role == role);
        self.arrivals()
            .iter()
            .filter(|arrival| arrival.is_acknowledged && Some(arrival.destination) == index)
            .map(|arrival| arrival.stamp)
            .collect::<HashSet<_>>()
            .len()
    }

    /// Notes that something was not as it must be.
    pub(crate) fn complain(&self, complaint: impl Into<String>) {
        let (mut tally, complaint) = (self.tally(), complaint.into());
        // One that repeats itself says no more.
        if tally.complaints.len() < 20 && !tally.complaints.contains(&complaint) {
            tally.complaints.push(complaint);
        }
    }

    /// Notes something worth knowing.
    pub(crate) fn note(&self, note: impl Into<String>) {
        let mut tally = self.tally();
        if tally.notes.len() < 20 {
            tally.notes.push(note.into());
        }
    }

    /// Counts something, for the report.
    pub(crate) fn count(&self, what: &str, more: u64) {
        *self.tally().counts.entry(what.to_owned()).or_default() += more;
    }

    /// Says that an event cannot arrive any more because of what a fault did to it, and what became of it.
    pub(crate) fn excuse(&self, settled: ledger::Settled) {
        let mut excused = self.excused.lock().unwrap_or_else(PoisonError::into_inner);
        excused.push(settled);
    }

    /// `kill -9`.
    pub(crate) async fn kill(&self, replica: &mut Replica) -> anyhow::Result<()> {
        self.complain_if_ended(replica)?;
        if let Some(mut process) = replica.process.take() {
            process.kill().await?;
            self.tally().kills += 1;
        }
        Ok(())
    }

    /// SIGTERM, and a complaint if it does not end in time and well.
    pub(crate) async fn stop(&self, replica: &mut Replica) -> anyhow::Result<()> {
        self.complain_if_ended(replica)?;
        let Some(mut process) = replica.process.take() else {
            return Ok(());
        };
        let asked = Instant::now();
        match process.terminate(self.target.longest_stop()).await {
            Ok(status) if status.success() => {}
            Ok(status) => self.complain(format!("after SIGTERM it ended with {status}")),
            Err(error) => self.complain(format!("{error:#}")),
        }
        let mut tally = self.tally();
        tally.stops += 1;
        tally.longest_stop = tally.longest_stop.max(asked.elapsed());
        Ok(())
    }

    /// Starts a replica that does not run, and waits until it is ready.
    pub(crate) async fn begin(&self, replica: &mut Replica) -> anyhow::Result<()> {
        let place = &replica.place;
        let mut command = self.target.command(place);
        command.args(&self.setup.arguments);
        for (name, value) in &self.setup.environment {
            command.env(name, value);
        }
        if !self.setup.preload.is_empty() {
            let paths: Vec<_> = self
                .setup
                .preload
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            command.env("LD_PRELOAD", paths.join(":"));
        }
        let process = target::start(&*self.target, place, command).await?;
        let mut tally = self.tally();
        tally.longest_restart = tally.longest_restart.max(process.started().elapsed());
        drop(tally);
        replica.process = Some(process);
        Ok(())
    }

    /// Resident bytes of a replica now.
    pub(crate) async fn resident(&self, replica: usize) -> anyhow::Result<u64> {
        let replica = self.process(replica).await?;
        let process = replica.process.as_ref().context("it does not run")?;
        let resident = process.resident()?;
        let mut tally = self.tally();
        tally.most_resident = tally.most_resident.max(resident);
        Ok(resident)
    }

    /// Writes the configuration anew, on all replicas.
    pub(crate) async fn configure(&self, routes: &[Route]) -> anyhow::Result<()> {
        for place in &self.places {
            self.target.configure(place, routes)?;
            self.target.reload(place).await?;
        }
        Ok(())
    }

    /// The account as of now.
    pub(crate) fn account(&self, settled: &[ledger::Settled]) -> Account {
        let names: Vec<String> = self
            .routes
            .iter()
            .map(|route| route.role.name().to_owned())
            .collect();
        let answers = self.load.answers();
        ledger::account(&answers.accepted, &names, &self.arrivals(), settled)
    }

    /// Ends the load and waits until everything has arrived, is settled, or counts as lost.
    pub(crate) async fn drain(&self) -> anyhow::Result<Account> {
        for destination in &self.destinations {
            destination.set(Mode::Healthy);
        }
        self.load.stop().await;
        let mut last_count = usize::MAX;
        let mut last_news = Instant::now();
        let mut stalled_before = self.stalls.total();
        let mut idle = 0;
        loop {
            for replica in &self.replicas {
                let mut replica = replica.lock().await;
                self.complain_if_ended(&mut replica)?;
                if replica.process.is_none() {
                    self.begin(&mut replica).await?;
                }
            }
            let settled = self.settled().await?;
            let account = self.account(&settled);
            if account.lost == 0 {
                return Ok(account);
            }
            let count = self.arrivals().len() + settled.len();
            if count != last_count {
                (last_count, last_news) = (count, Instant::now());
                stalled_before = self.stalls.total();
            }
            // It may have become idle between the two questions.
            idle = if self.is_idle().await { idle + 1 } else { 0 };
            // What this program slept through does not count.
            let stalled = self.stalls.total().saturating_sub(stalled_before);
            if idle > 8 || last_news.elapsed() > self.target.patience() + stalled {
                return Ok(account);
            }
            tokio::time::sleep(DRAIN).await;
        }
    }

    /// Everything that was given up, on all replicas.
    async fn settled(&self) -> anyhow::Result<Vec<ledger::Settled>> {
        let mut all = self
            .excused
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for place in &self.places {
            all.extend(self.target.settled(place, &self.routes).await?);
        }
        Ok(all)
    }

    async fn is_idle(&self) -> bool {
        for place in &self.places {
            if self.target.is_idle(place).await != Some(true) {
                return false;
            }
        }
        true
    }

    /// Ends the round: stops the target and complains about whatever promise was broken.
    pub(crate) async fn finish(&self, account: &Account) -> anyhow::Result<Tally> {
        for number in 0..self.replicas.len() {
            self.resident(number).await.ok();
        }
        for replica in &self.replicas {
            self.stop(&mut *replica.lock().await).await?;
        }
        let promise = self.target.promise();
        if promise.is_durable && account.lost > 0 {
            self.complain(format!(
                "{} of {} lost: {}",
                account.lost,
                account.owed,
                account.examples.join("; ")
            ));
        }
        if promise.is_ordered && account.disordered > 0 {
            self.complain(format!(
                "{} out of order: {}",
                account.disordered,
                account.examples.join("; ")
            ));
        }
        let (refused, given_up, accepted) = {
            let answers = self.load.answers();
            (
                answers.refused.clone(),
                answers.given_up,
                answers.accepted.len(),
            )
        };
        if !refused.is_empty() {
            self.complain(format!("good events were refused: {}", counts(&refused)));
        }
        if given_up > 0 {
            self.complain(format!("{given_up} senders never got an answer"));
        }
        if accepted == 0 {
            self.complain("nothing was accepted, so nothing was tried");
        }
        Ok(self.tally().clone())
    }

    /// Complains when deliveries to the steady destination took too long; for faults that must not be
    /// seen there. Where the process was stopped, too, that says nothing.
    pub(crate) fn complain_if_late(&self) {
        let was_stopped = {
            let tally = self.tally();
            tally.kills + tally.stops > 0
        };
        if was_stopped {
            return;
        }
        let account = self.account(&[]);
        // Roles are in order, and this one is the first.
        let longest = account.longest.get(&0).copied().unwrap_or_default();
        // What this program did not get of the processors the target did not get either.
        if longest > PUNCTUAL + self.stalls.total() {
            self.complain(format!(
                "the destination that was well waited up to {} ms for its events",
                longest.as_millis()
            ));
        }
    }

    fn complain_if_ended(&self, replica: &mut Replica) -> anyhow::Result<()> {
        if let Some(process) = &mut replica.process
            && let Some(status) = process.ended()?
        {
            let words = process.last_words();
            replica.process = None;
            self.complain(format!("it ended by itself with {status}: {words}"));
        }
        Ok(())
    }

    fn arrivals(&self) -> StdGuard<'_, Vec<ledger::Arrival>> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tally(&self) -> StdGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
