//! How large a value is when everything it shares is written out.
//!
//! Values share their parts, so `[$x, $x]` costs nothing to build however large `$x` is, and twice as much to walk:
//! forty such steps are a value that no machine can print or compare.

use jsonata_core::evaluator::EvaluatorError;
use jsonata_core::value::JValue;

use super::Limits;

/// What a value costs beside its text: its slot, its comma, its brackets.
const NODE_BYTES: usize = 16;

/// Deepest nesting of a value that is built. Readers of JSON commonly stop at 128.
pub(super) const NESTING_MAX: usize = 128;

/// Marks errors that are about a limit of ours, so that they are told from errors of the expression.
pub(super) const LIMIT_MARK: &str = "limit: ";

pub(super) fn over_limit(words: &str) -> EvaluatorError {
    EvaluatorError::EvaluationError(format!("{LIMIT_MARK}{words}"))
}

/// Fails if the value is larger or deeper than allowed. Takes no longer than walking the allowed size.
pub(super) fn check(value: &JValue, limits: &Limits) -> Result<(), EvaluatorError> {
    let mut left = limits.value_bytes;
    let mut pending = vec![(value, 0)];
    while let Some((value, depth)) = pending.pop() {
        let text_bytes = match value {
            JValue::String(text) => text.len(),
            _ => 0,
        };
        left = left
            .checked_sub(NODE_BYTES + text_bytes)
            .ok_or_else(|| over_limit(&format!("a value of more than {} bytes", limits.value_bytes)))?;
        if depth > NESTING_MAX {
            return Err(over_limit(&format!("a value of more than {NESTING_MAX} levels")));
        }
        match value {
            JValue::Array(items) => pending.extend(items.iter().map(|item| (item, depth + 1))),
            JValue::Object(fields) => {
                for (name, field) in fields.iter() {
                    left = left.saturating_sub(name.len());
                    pending.push((field, depth + 1));
                }
            }
            _ => {}
        }
    }
    Ok(())
}
