//! A clock that stands still until a test moves it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::ports::Clock;
use jiff::Timestamp;

/// A movable clock.
#[derive(Debug)]
pub struct MovableClock(Mutex<Timestamp>);

impl MovableClock {
    /// A clock at a time.
    pub fn at(time: Timestamp) -> Self {
        Self(Mutex::new(time))
    }

    /// Moves it to a time.
    pub fn set(&self, time: Timestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = time;
    }

    /// Moves it forward.
    pub fn advance(&self, by: Duration) {
        let mut time = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *time = domain::delivery::retry::later(*time, by);
    }
}

impl Default for MovableClock {
    /// 2024-03-05T09:10:11Z.
    fn default() -> Self {
        Self::at(Timestamp::constant(1_709_629_811, 0))
    }
}

impl Clock for MovableClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
