//! Asking for smaller pages when a source says that a page is too much for it: how much smaller, how often, and when
//! it is enough.

use std::time::Duration;

use super::super::node::{Node, Read};
use super::super::problem::{Fault, Problem};
use super::super::trouble::Trouble;

/// Most reductions in a row, and most repetitions at the smallest size, that a manifest may ask for.
const ATTEMPTS_MAX: u32 = 100;
/// Longest wait before a page is asked for again that a manifest may ask for, per attempt.
const BACKOFF_SECONDS_MAX: f64 = 3_600.0;

/// What the manifest says about smaller pages.
#[derive(Clone, Debug, PartialEq)]
pub struct PageSizeReduction {
    factor: f64,
    minimum: u64,
    max_attempts: u32,
    backoff: Duration,
    retries_at_minimum: u32,
    failure_message: Option<String>,
    resets_after_success: bool,
}

/// The page size of one slice that is being read.
#[derive(Clone, Debug)]
pub struct Reducer<'a> {
    plan: &'a PageSizeReduction,
    configured: Option<u64>,
    size: Option<u64>,
    attempts: u32,
    retries_at_minimum: u32,
}

impl PageSizeReduction {
    /// Begins a slice with the paginator's own page size.
    #[must_use]
    pub const fn begin(&self, configured: Option<u64>) -> Reducer<'_> {
        Reducer { plan: self, configured, size: None, attempts: 0, retries_at_minimum: 0 }
    }
}

impl Reducer<'_> {
    /// The page size to ask for, while it is not the paginator's own.
    #[must_use]
    pub const fn size(&self) -> Option<u64> {
        self.size
    }

    /// The source refused a page of this size: how long to wait before the same page is asked for again.
    ///
    /// # Errors
    /// If it can be made no smaller, or was often enough.
    pub fn reduce(&mut self) -> Result<Duration, Trouble> {
        let current = self.size.or(self.configured).ok_or(Trouble::NoPageSize)?;
        // Division by more than one, so it stays within the integers.
        let reduced = ((current as f64 / self.plan.factor).floor() as u64).max(self.plan.minimum);
        if reduced >= current {
            return self.repeat(current);
        }
        self.attempts += 1;
        if self.attempts > self.plan.max_attempts {
            return Err(self.smallest(current, "no size was accepted", false));
        }
        self.size = Some(reduced);
        Ok(self.plan.backoff * self.attempts)
    }

    /// The size is the smallest there is: waiting is all that is left.
    fn repeat(&mut self, current: u64) -> Result<Duration, Trouble> {
        if self.retries_at_minimum < self.plan.retries_at_minimum {
            self.retries_at_minimum += 1;
            return Ok(self.plan.backoff * self.retries_at_minimum);
        }
        if self.size.is_none() && self.plan.minimum > 1 {
            let reason = "it is not above 'minimum_page_size'; raise the page size or lower the minimum";
            return Err(self.smallest(current, reason, true));
        }
        Err(self.smallest(current, "the source refuses even the smallest page", false))
    }

    fn smallest(&self, size: u64, reason: &'static str, is_config: bool) -> Trouble {
        let message = self.plan.failure_message.as_deref().map(str::trim).filter(|message| !message.is_empty());
        let message = message.filter(|_| !is_config).map_or_else(String::new, |message| format!(". {message}"));
        Trouble::SmallestPage { size, reason, message, is_config }
    }

    /// A page came: what was counted in a row begins anew.
    pub const fn accepted(&mut self) {
        self.attempts = 0;
        self.retries_at_minimum = 0;
        if self.plan.resets_after_success {
            self.size = None;
        }
    }
}

impl Read for PageSizeReduction {
    fn read(node: &Node) -> Result<Self, Problem> {
        let wrong = |message: String| Err(node.problem(Fault::Wrong, message));
        let factor: f64 = node.or("reduction_factor", 2.0)?;
        if !factor.is_finite() || factor <= 1.0 {
            return wrong("'reduction_factor' must be more than 1".to_owned());
        }
        let minimum: u64 = node.or("minimum_page_size", 1)?;
        let max_attempts: u32 = node.or("max_attempts", 5)?;
        if minimum == 0 || max_attempts == 0 {
            return wrong("'minimum_page_size' and 'max_attempts' must be at least 1".to_owned());
        }
        let seconds: f64 = node.or("backoff_seconds", 0.5)?;
        if !(0.0..=BACKOFF_SECONDS_MAX).contains(&seconds) {
            return wrong(format!("'backoff_seconds' must be from 0 to {BACKOFF_SECONDS_MAX}"));
        }
        let retries_at_minimum: u32 = node.or("retries_at_minimum_page_size", 0)?;
        if max_attempts.max(retries_at_minimum) > ATTEMPTS_MAX {
            return wrong(format!("'max_attempts' and 'retries_at_minimum_page_size' may be {ATTEMPTS_MAX} at most"));
        }
        let resets_after_success = match node.or("reset_policy", "NEVER".to_owned())?.as_str() {
            "NEVER" => false,
            "AFTER_SUCCESSFUL_PAGE" => true,
            _ => return wrong("'reset_policy' must be NEVER or AFTER_SUCCESSFUL_PAGE".to_owned()),
        };
        Ok(Self {
            factor,
            minimum,
            max_attempts,
            backoff: Duration::from_secs_f64(seconds),
            retries_at_minimum,
            failure_message: node.maybe("failure_message")?,
            resets_after_success,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> PageSizeReduction {
        PageSizeReduction {
            factor: 2.0,
            minimum: 1,
            max_attempts: 5,
            backoff: Duration::from_millis(500),
            retries_at_minimum: 0,
            failure_message: Some(" Narrow the query. ".to_owned()),
            resets_after_success: false,
        }
    }

    #[test]
    fn a_refused_page_is_halved_with_growing_waits_until_it_is_enough() {
        let plan = PageSizeReduction { max_attempts: 2, ..plan() };
        let mut reducer = plan.begin(Some(25));
        assert_eq!(reducer.size(), None);
        assert_eq!(reducer.reduce(), Ok(Duration::from_millis(500)));
        assert_eq!(reducer.size(), Some(12));
        assert_eq!(reducer.reduce(), Ok(Duration::from_secs(1)));
        assert_eq!(reducer.size(), Some(6));
        let error = reducer.reduce().expect_err("two in a row are allowed");
        assert!(error.to_string().ends_with("(no size was accepted). Narrow the query."), "{error}");
        reducer.accepted();
        assert_eq!((reducer.reduce(), reducer.size()), (Ok(Duration::from_millis(500)), Some(3)));
    }

    #[test]
    fn a_smallest_page_is_repeated_as_often_as_the_manifest_says() {
        let plan = PageSizeReduction { retries_at_minimum: 1, ..plan() };
        let mut reducer = plan.begin(Some(1));
        assert_eq!((reducer.reduce(), reducer.size()), (Ok(Duration::from_millis(500)), None));
        assert!(matches!(reducer.reduce(), Err(Trouble::SmallestPage { is_config: false, .. })));
    }

    #[test]
    fn a_page_that_was_never_above_the_minimum_is_a_mistake_of_the_config() {
        let plan = PageSizeReduction { minimum: 10, ..plan() };
        assert!(matches!(plan.begin(Some(10)).reduce(), Err(Trouble::SmallestPage { is_config: true, .. })));
        assert_eq!(plan.begin(None).reduce(), Err(Trouble::NoPageSize));
    }

    #[test]
    fn the_size_is_restored_after_a_page_if_the_manifest_says_so() {
        let plan = PageSizeReduction { resets_after_success: true, ..plan() };
        let mut reducer = plan.begin(Some(8));
        assert!(reducer.reduce().is_ok() && reducer.size() == Some(4));
        reducer.accepted();
        assert_eq!(reducer.size(), None);
    }
}
