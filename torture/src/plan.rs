//! Which fault strikes when and for how long: a pure function of the seed.

use std::ops::Range;
use std::time::Duration;

use serde::Serialize;

use crate::dice::Dice;

/// How often a fault strikes and how long one strike lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rhythm {
    /// From the end of one strike to the next.
    pub(crate) wait: Range<Duration>,
    /// How long a strike lasts; what that means is up to the fault.
    pub(crate) lasts: Range<Duration>,
    /// Strikes of a short run of this fault alone.
    pub(crate) brief: usize,
}

impl Rhythm {
    /// A rhythm in milliseconds.
    pub(crate) fn millis(wait: Range<u64>, lasts: Range<u64>, brief: usize) -> Self {
        let of = |range: Range<u64>| {
            Duration::from_millis(range.start)..Duration::from_millis(range.end)
        };
        Self {
            wait: of(wait),
            lasts: of(lasts),
            brief,
        }
    }
}

/// How much longer faults wait when they are mixed, so that there is time to deliver something.
const BREATH: Duration = Duration::from_millis(400);

/// One time that a fault strikes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Strike {
    /// Name of the fault.
    pub(crate) fault: &'static str,
    /// When, from the start of the load.
    pub(crate) at: Duration,
    /// For how long.
    pub(crate) lasts: Duration,
    /// Decides everything else about it.
    pub(crate) seed: u64,
}

impl Strike {
    /// The dice of this strike.
    pub(crate) fn dice(&self) -> Dice {
        Dice::of(self.seed)
    }
}

/// So many strikes of one fault, one after the other.
pub(crate) fn alone(seed: u64, fault: &'static str, rhythm: &Rhythm, count: usize) -> Vec<Strike> {
    let mut dice = Dice::of_purpose(seed, fault);
    let mut at = Duration::ZERO;
    (0..count)
        .map(|_| {
            at += dice.between(&rhythm.wait);
            let strike = Strike {
                fault,
                at,
                lasts: dice.between(&rhythm.lasts),
                seed: dice.number(),
            };
            at += strike.lasts;
            strike
        })
        .collect()
}

/// Strikes of all these faults within a span, overlapping as it comes, in order of time. Each fault
/// waits longer the more there are, so that a run is about as rough whatever their number.
pub(crate) fn mixed(seed: u64, faults: &[(&'static str, Rhythm)], span: Duration) -> Vec<Strike> {
    let stretch = u32::try_from(faults.len()).unwrap_or(1).div_ceil(4).max(1);
    let mut strikes = Vec::new();
    for (fault, rhythm) in faults {
        let mut dice = Dice::of_purpose(seed, fault);
        let mut at = Duration::ZERO;
        loop {
            at += (dice.between(&rhythm.wait) + BREATH) * stretch;
            let lasts = dice.between(&rhythm.lasts);
            let seed = dice.number();
            if at + lasts > span {
                break;
            }
            strikes.push(Strike {
                fault,
                at,
                lasts,
                seed,
            });
            // A rhythm without any time in it still ends.
            at += lasts.max(Duration::from_millis(1));
        }
    }
    strikes.sort_by(|one, other| (one.at, one.fault).cmp(&(other.at, other.fault)));
    strikes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rhythm() -> Rhythm {
        Rhythm::millis(100..500, 50..200, 3)
    }

    #[test]
    fn a_plan_is_a_function_of_its_seed() {
        assert_eq!(
            alone(1, "kill", &rhythm(), 50),
            alone(1, "kill", &rhythm(), 50)
        );
        assert_ne!(
            alone(1, "kill", &rhythm(), 50),
            alone(2, "kill", &rhythm(), 50)
        );
        let faults = [("kill", rhythm()), ("hang", rhythm())];
        let span = Duration::from_secs(20);
        assert_eq!(mixed(1, &faults, span), mixed(1, &faults, span));
        assert_ne!(mixed(1, &faults, span), mixed(2, &faults, span));
    }

    #[test]
    fn strikes_of_one_fault_follow_each_other() {
        let plan = alone(9, "kill", &rhythm(), 100);
        assert_eq!(plan.len(), 100);
        for pair in plan.windows(2) {
            assert!(pair[0].at + pair[0].lasts <= pair[1].at);
        }
    }

    #[test]
    fn a_mixed_plan_is_in_order_has_every_fault_and_ends_in_time() {
        let faults = [("a", rhythm()), ("b", rhythm()), ("c", rhythm())];
        let span = Duration::from_secs(30);
        let plan = mixed(5, &faults, span);
        assert!(plan.is_sorted_by_key(|strike| strike.at));
        assert!(plan.iter().all(|strike| strike.at + strike.lasts <= span));
        for (fault, _) in faults {
            assert!(plan.iter().filter(|strike| strike.fault == fault).count() > 5);
        }
    }

    #[test]
    fn more_faults_do_not_make_a_run_rougher_without_end() {
        let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
        let many: Vec<_> = names.map(|name| (name, rhythm())).into();
        let span = Duration::from_mins(1);
        let (few, many) = (mixed(5, &many[..4], span), mixed(5, &many, span));
        assert!(many.len() < few.len() * 2, "{} {}", few.len(), many.len());
    }
}
