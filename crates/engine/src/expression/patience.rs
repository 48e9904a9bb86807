//! How often an evaluation that ran out of time is tried again.
//!
//! The library measures by the wall clock, which runs out while nothing is computed on a busy machine. The thread's own time
//! is better, and not to be trusted either: a host that stops a virtual machine, or reads its memory back from a disk, lets
//! that time pass as if it had been used. An event must not be dead because of either.

use std::time::Duration;

/// How many times its computing time an evaluation may take by the wall clock, when the machine is busy.
const PATIENCE_MAX: u32 = 16;

/// How often it must have used its computing time up: what loops does so every time, what a machine held up does not.
const EXHAUSTED_MAX: u32 = 2;

/// Runs `evaluate`, which is given the wall time that it may take, until it ends or has shown that `limit` is not enough
/// for it. `computed` says how much time the thread has used so far, `is_out_of_time` whether a result is that of one
/// which took too long.
pub(super) fn patiently<T>(
    limit: Duration,
    computed: impl Fn() -> Duration,
    is_out_of_time: impl Fn(&T) -> bool,
    mut evaluate: impl FnMut(Duration) -> T,
) -> T {
    let (mut patience, mut exhausted) = (limit, 0);
    loop {
        let started = computed();
        let result = evaluate(patience);
        if !is_out_of_time(&result) {
            return result;
        }
        if computed().saturating_sub(started) >= limit {
            exhausted += 1;
        } else if patience < limit * PATIENCE_MAX {
            patience *= 2;
        } else {
            return result;
        }
        if exhausted == EXHAUSTED_MAX {
            return result;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    const LIMIT: Duration = Duration::from_millis(50);

    /// Runs with evaluations that use so much of the thread's time and end as told, the last of them again and again.
    /// Gives how it ended, and the wall time that each was given.
    fn run(evaluations: &[(u64, Result<u8, ()>)]) -> (Result<u8, ()>, Vec<u128>) {
        let (computed, mut given) = (Cell::new(Duration::ZERO), Vec::new());
        let evaluate = |patience: Duration| {
            let (used, result) = evaluations[given.len().min(evaluations.len() - 1)];
            given.push(patience.as_millis());
            computed.set(computed.get() + Duration::from_millis(used));
            result
        };
        let result = patiently(LIMIT, || computed.get(), Result::is_err, evaluate);
        (result, given)
    }

    #[test]
    fn what_ends_is_evaluated_once_however_long_it_took() {
        assert_eq!(run(&[(1, Ok(7))]), (Ok(7), vec![50]));
        assert_eq!(run(&[(90, Ok(7))]), (Ok(7), vec![50]));
    }

    #[test]
    fn what_the_machine_was_busy_for_is_given_more_of_its_time() {
        assert_eq!(run(&[(3, Err(())), (9, Err(())), (20, Ok(7))]), (Ok(7), vec![50, 100, 200]));
        assert_eq!(run(&[(3, Err(()))]), (Err(()), vec![50, 100, 200, 400, 800]));
    }

    #[test]
    fn one_stall_that_was_counted_as_its_own_does_not_end_it() {
        assert_eq!(run(&[(60, Err(())), (1, Ok(7))]), (Ok(7), vec![50, 50]));
        assert_eq!(run(&[(60, Err(())), (5, Err(())), (1, Ok(7))]), (Ok(7), vec![50, 50, 100]));
    }

    #[test]
    fn what_uses_its_time_up_twice_has_had_its_chance() {
        assert_eq!(run(&[(50, Err(()))]), (Err(()), vec![50, 50]));
        assert_eq!(run(&[(60, Err(())), (5, Err(())), (70, Err(()))]), (Err(()), vec![50, 50, 100]));
    }
}
