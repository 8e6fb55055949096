//! Runs one target on many inputs and keeps the one that breaks it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::os::unix::fs::FileExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::mutate::{Mutator, Random};
use crate::targets::Target;
use crate::{corpus, features};

/// Longer than any input may take; most take microseconds.
const HANG: Duration = Duration::from_secs(20);

/// Features that are told apart; a target that shows more of them names what users wrote.
const MOST_FEATURES: usize = 2000;

/// What the last panic said, also one that was caught by the code under test.
static PANIC: Mutex<Option<String>> = Mutex::new(None);

/// Fuzzes for a while; `false` when something broke. `grow` keeps what showed something new.
pub(crate) fn run(target: &Target, time: Duration, grow: bool) -> Result<bool> {
    note_panics();
    #[expect(
        clippy::disallowed_methods,
        reason = "the one setting of a tool that is run by hand"
    )]
    let given = std::env::var("FUZZ_SEED");
    let seed = match given {
        Ok(seed) => seed.parse().context("FUZZ_SEED is no number")?,
        Err(_) => RandomState::new().build_hasher().finish(),
    };
    // What broke something once, then what showed something, then where all began.
    let kept = corpus::regressions(target)
        .into_iter()
        .chain(corpus::corpus(target));
    let mut seeds: Vec<Vec<u8>> = kept.map(|(_, input)| input).collect();
    seeds.extend((target.seeds)());
    let mut mutator = Mutator::new(Random::new(seed), seeds.clone(), target.words);
    let current = Current::open(target)?;
    let watch = Watch::start();
    let started = Instant::now();
    let mut inputs = 0_u64;
    let mut shown: BTreeSet<u64> = BTreeSet::new();
    let mut found = Vec::new();
    let mut unchanged = seeds.into_iter();
    while started.elapsed() < time {
        // The seeds themselves come first.
        let seed_input = unchanged.next();
        let is_seed = seed_input.is_some();
        let input = seed_input.unwrap_or_else(|| mutator.next());
        current.write(&input)?;
        watch.tick();
        if let Err(problem) = try_one(target, &input) {
            let path = keep(target, &input)?;
            println!("{}: {problem}", target.name);
            println!("  kept as {}, seed {seed}", path.display());
            println!("  fuzz/run --replay {} {}", target.name, path.display());
            current.forget()?;
            return Ok(false);
        }
        inputs += 1;
        let features = features::take();
        let is_new = features.iter().any(|feature| !shown.contains(feature));
        if is_new && shown.len() < MOST_FEATURES {
            shown.extend(&features);
            if !is_seed {
                mutator.learn(input.clone());
            }
            if input.len() <= corpus::LARGEST {
                found.push((input, features));
            }
        }
    }
    if grow {
        let count = corpus::rewrite(target, found)?;
        println!("{}: {count} inputs are kept", target.name);
    }
    current.forget()?;
    println!(
        "{}: {inputs} inputs in {:.0?} showed {} features, nothing broke (seed {seed})",
        target.name,
        started.elapsed(),
        shown.len()
    );
    Ok(true)
}

/// Runs one kept input.
pub(crate) fn replay(target: &Target, file: &Path) -> Result<bool> {
    note_panics();
    // The script starts in this crate's folder, people start in the repository's.
    let input = fs::read(file)
        .or_else(|_| fs::read(Path::new("..").join(file)))
        .with_context(|| format!("reading {}", file.display()))?;
    let watch = Watch::start();
    watch.tick();
    match try_one(target, &input) {
        Ok(()) => {
            println!("{}: nothing broke", target.name);
            Ok(true)
        }
        Err(problem) => {
            println!("{}: {problem}", target.name);
            Ok(false)
        }
    }
}

pub(crate) fn try_one(target: &Target, input: &[u8]) -> Result<(), String> {
    let result = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    if let Some(panic) = last_panic().take() {
        return Err(panic);
    }
    result.unwrap_or_else(|_| Err("it panicked".to_owned()))
}

fn last_panic() -> std::sync::MutexGuard<'static, Option<String>> {
    PANIC.lock().unwrap_or_else(PoisonError::into_inner)
}

fn note_panics() {
    std::panic::set_hook(Box::new(|panic| {
        last_panic().get_or_insert_with(|| panic.to_string());
    }));
}

fn crashes() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("crashes")
}

fn keep(target: &Target, input: &[u8]) -> Result<PathBuf> {
    fs::create_dir_all(crashes())?;
    let path = crashes().join(format!("{}-{}", target.name, corpus::name(input)));
    fs::write(&path, input)?;
    Ok(path)
}

/// The input under test, in a file, for the case that the process does not survive it.
struct Current {
    path: PathBuf,
    file: File,
}

impl Current {
    fn open(target: &Target) -> Result<Self> {
        fs::create_dir_all(crashes())?;
        let path = crashes().join(format!("{}.current", target.name));
        let file = File::create(&path)?;
        Ok(Self { path, file })
    }

    fn write(&self, input: &[u8]) -> Result<()> {
        self.file.write_all_at(input, 0)?;
        self.file.set_len(u64::try_from(input.len())?)?;
        Ok(())
    }

    fn forget(&self) -> Result<()> {
        Ok(fs::remove_file(&self.path)?)
    }
}

/// Ends the process when one input takes too long.
struct Watch {
    ticks: Arc<AtomicU64>,
}

impl Watch {
    fn start() -> Self {
        let ticks = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&ticks);
        std::thread::spawn(move || {
            let mut last = 0;
            loop {
                std::thread::sleep(HANG);
                let now = seen.load(Ordering::Relaxed);
                if now == last {
                    eprintln!("one input takes longer than {HANG:?}");
                    std::process::abort();
                }
                last = now;
            }
        });
        Self { ticks }
    }

    fn tick(&self) {
        self.ticks.fetch_add(1, Ordering::Relaxed);
    }
}
