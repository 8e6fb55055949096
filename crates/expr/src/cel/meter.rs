//! Counts what an evaluation costs, before the cost arises.

use super::Budget;
use super::error::{EvaluationError, Resource};

/// Bytes that are looked at in one step.
const BYTES_PER_STEP: usize = 64;

/// What is left of a budget.
#[derive(Debug)]
pub(super) struct Meter {
    left: Budget,
}

impl Meter {
    pub(super) fn new(budget: Budget) -> Self {
        Self { left: budget }
    }

    /// Takes steps from the budget.
    pub(super) fn step(&mut self, count: u64) -> Result<(), EvaluationError> {
        let Some(left) = self.left.steps.checked_sub(count) else {
            return Err(self.exhaust(Resource::Steps));
        };
        self.left.steps = left;
        Ok(())
    }

    /// Takes the steps for looking at that many bytes.
    pub(super) fn scan(&mut self, bytes: usize) -> Result<(), EvaluationError> {
        self.step(u64::try_from(bytes / BYTES_PER_STEP).unwrap_or(u64::MAX))
    }

    /// Takes memory from the budget, and the steps for filling it.
    pub(super) fn allocate(&mut self, bytes: usize) -> Result<(), EvaluationError> {
        let wanted = u64::try_from(bytes).unwrap_or(u64::MAX);
        let Some(left) = self.left.bytes.checked_sub(wanted) else {
            return Err(self.exhaust(Resource::Bytes));
        };
        self.left.bytes = left;
        self.scan(bytes)
    }

    /// Takes memory for a list of that many values.
    pub(super) fn allocate_values(&mut self, count: usize) -> Result<(), EvaluationError> {
        self.allocate(count.saturating_mul(size_of::<super::value::Value<'_>>()))
    }

    /// Leaves nothing, so that whoever ignored the error would not get far.
    fn exhaust(&mut self, resource: Resource) -> EvaluationError {
        self.left = Budget { steps: 0, bytes: 0 };
        EvaluationError::BudgetExhausted(resource)
    }
}
