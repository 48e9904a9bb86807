//! JSONata, behind this one module: compiled at load, bounded whenever it runs.
//!
//! An expression is a pure function of its root: time and chance come from [`Moment`], and nothing else of the
//! process can be reached. Bounded are its text, running time, recursion, sequence length, every value that it
//! builds, the work of a single built-in, and its result. Numbers are IEEE doubles, as the language defines:
//! integers beyond 2^53 lose their last digits.

pub mod doubt;
mod error;
mod guard;
mod names;
mod patience;
mod regex;
mod result;
mod rewrite;
mod tree;
mod weight;

#[cfg(test)]
mod tests;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use domain::Timestamp;
use jsonata_core::ast::AstNode;
use jsonata_core::evaluator::{Context, Evaluator, EvaluatorError, EvaluatorOptions};
use jsonata_core::functions::boolean::boolean;
use jsonata_core::parser;
use jsonata_core::value::JValue;

pub use error::{ExpressionError, ExpressionErrorKind, Place};

use crate::clock::thread_cpu_time;
use crate::entropy::SharedEntropy;
use error::is_out_of_time;
use guard::HostFunction;
use patience::patiently;

/// Longest text of an expression. The longest real mappings are a few kilobytes.
pub const TEXT_BYTES_MAX: usize = 16 * 1024;

/// Up to this size of the root an expression may be evaluated on an async thread: parsing it takes well under a
/// millisecond, and so does every expression that does not loop. See [`Expression::is_quick`].
pub const QUICK_ROOT_BYTES_MAX: usize = 32 * 1024;

/// What one evaluation may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Computing time, checked between steps; what it is not enough for is tried once more. A single built-in is bounded by the
    /// size of its arguments instead, so the whole may take a few times as long with arguments of megabytes.
    pub time: Duration,
    /// Nested evaluations. A recursive call takes about three.
    pub depth: usize,
    /// Items of one sequence.
    pub sequence: usize,
    /// Any value that an expression builds, in bytes as it would be printed, roughly.
    pub value_bytes: usize,
    /// The printed result.
    pub result_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time: Duration::from_millis(50),
            depth: 600,
            sequence: 100_000,
            value_bytes: 8 * 1024 * 1024,
            result_bytes: 8 * 1024 * 1024,
        }
    }
}

/// The time and chance of one evaluation, and its limits.
#[derive(Clone)]
pub struct Moment {
    /// What `$now()` and `$millis()` say.
    pub now: Timestamp,
    /// What `$random()` and `$shuffle()` draw from.
    pub entropy: SharedEntropy,
    pub limits: Limits,
}

/// What expressions are evaluated against, parsed once for all expressions of a route. It stays on its thread.
pub struct Root {
    value: JValue,
}

impl Root {
    /// Parses JSON text. Of equal keys the last one counts; more than 128 levels are an error.
    pub fn parse(json: &[u8]) -> Result<Self, ExpressionError> {
        serde_json::from_slice(json).map(|value| Self { value }).map_err(ExpressionError::root)
    }

    #[must_use]
    pub fn from_value(value: serde_json::Value) -> Self {
        Self { value: value.into() }
    }
}

/// A compiled expression. Cheap to share between threads; each evaluation is independent.
pub struct Expression {
    text: Box<str>,
    program: AstNode,
    needs: Vec<HostFunction>,
    loops: bool,
}

impl Expression {
    /// Parses and checks `text`. What cannot be bounded or can only be a mistake is refused here, with a place
    /// and a hint, and not at the first event.
    pub fn compile(text: &str) -> Result<Self, ExpressionError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(ExpressionError::too_long(text.len()));
        }
        let parsed = unbroken(|| parser::parse(text))?;
        let mut program = parsed.map_err(|error| ExpressionError::syntax(text, &error))?;
        let findings = rewrite::rewrite(&mut program).map_err(|refusal| ExpressionError::refused(text, refusal))?;
        Ok(Self { text: text.into(), program, needs: findings.needs, loops: findings.loops })
    }

    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether an evaluation against a root of this size is short enough for an async thread. If not, run it with
    /// `tokio::task::spawn_blocking`, behind a semaphore of as many permits as there are cores: it may use
    /// [`Limits::time`] and more.
    #[must_use]
    pub fn is_quick(&self, root_bytes: usize) -> bool {
        !self.loops && root_bytes <= QUICK_ROOT_BYTES_MAX
    }

    /// The result as JSON text; `None` where the language says "nothing".
    pub fn evaluate(&self, root: &Root, moment: &Moment) -> Result<Option<Bytes>, ExpressionError> {
        result::to_json(&self.run(root, moment)?, &moment.limits)
    }

    /// Whether the result counts as true, by the language's own rules: nothing, `null`, `false`, 0, and what is
    /// empty or holds only such do not.
    pub fn is_true(&self, root: &Root, moment: &Moment) -> Result<bool, ExpressionError> {
        let value = self.run(root, moment)?;
        let truth = weight::check(&value, &moment.limits).and_then(|()| Ok(boolean(&value)?));
        Ok(truth.map_err(ExpressionError::failed)?.as_bool().unwrap_or(false))
    }

    fn run(&self, root: &Root, moment: &Moment) -> Result<JValue, ExpressionError> {
        let is_out_of_time = |result: &Result<Result<_, EvaluatorError>, _>| match result {
            Ok(Err(error)) => is_out_of_time(error),
            _ => false,
        };
        let evaluate = |patience| unbroken(|| self.run_once(root, moment, patience));
        let result = patiently(moment.limits.time, thread_cpu_time, is_out_of_time, evaluate);
        result?.map_err(ExpressionError::failed)
    }

    fn run_once(&self, root: &Root, moment: &Moment, patience: Duration) -> Result<JValue, EvaluatorError> {
        let options = EvaluatorOptions {
            timeout_ms: Some(u64::try_from(patience.as_millis()).unwrap_or(u64::MAX)),
            cancel: None,
            max_stack_depth: Some(moment.limits.depth),
            max_sequence_length: Some(moment.limits.sequence),
        };
        let mut evaluator = Evaluator::with_options(Context::new(), options);
        let shared = Rc::new(moment.clone());
        for function in &self.needs {
            guard::register(&mut evaluator, *function, &shared)?;
        }
        evaluator.evaluate(&self.program, &root.value)
    }
}

/// The library is young: should it panic over one event, that one fails and nothing else.
fn unbroken<T>(work: impl FnOnce() -> T) -> Result<T, ExpressionError> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| ExpressionError::broken())
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expression({:?})", self.text)
    }
}
