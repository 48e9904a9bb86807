//! What stands between an expression and the built-ins: a check of the arguments before each built-in whose work or
//! result is not proportional to them, a check of what is built, and time and chance from the outside.

use std::rc::Rc;

use jsonata_core::evaluator::{Evaluator, EvaluatorError, HostFnResult};
use jsonata_core::value::JValue;

use super::Moment;
use super::regex;
use super::weight::{check, over_limit};

/// Widest padding. Columns are tens of characters wide.
const PAD_CHARS_MAX: f64 = 10_000.0;
/// Most items that are compared with each other, each with each.
const DISTINCT_ITEMS_MAX: usize = 2_000;
/// Pattern weight times text bytes that one match may cost: about 50 ms.
const REGEX_WORK_MAX: usize = 5_000_000;
/// Longest text whose matches are listed or replaced: each match is an object of some 600 bytes.
const REGEX_TEXT_BYTES_MAX: usize = 64 * 1024;
/// Longest picture of a number or date; real ones have some twenty letters.
const PICTURE_BYTES_MAX: usize = 256;

/// A function of ours that a rewritten expression calls. Checks have names that nobody can write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum HostFunction {
    /// Gives its argument back if that is within [`super::Limits::value_bytes`].
    Bounded,
    Pad,
    Join,
    Split,
    Replace,
    Match,
    Contains,
    Distinct,
    Picture,
    Now,
    Millis,
    Random,
    Shuffle,
}

impl HostFunction {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bounded => "!bounded",
            Self::Pad => "!pad",
            Self::Join => "!join",
            Self::Split => "!split",
            Self::Replace => "!replace",
            Self::Match => "!match",
            Self::Contains => "!contains",
            Self::Distinct => "!distinct",
            Self::Picture => "!picture",
            Self::Now => "now",
            Self::Millis => "millis",
            Self::Random => "random",
            Self::Shuffle => "shuffle",
        }
    }

    /// The check that a built-in needs before it is called.
    pub fn check_of(builtin: &str) -> Option<Self> {
        match builtin {
            "pad" => Some(Self::Pad),
            "join" => Some(Self::Join),
            "split" => Some(Self::Split),
            "replace" => Some(Self::Replace),
            "match" => Some(Self::Match),
            "contains" => Some(Self::Contains),
            "distinct" => Some(Self::Distinct),
            "formatNumber" | "formatInteger" | "parseInteger" | "fromMillis" | "toMillis" => Some(Self::Picture),
            _ => None,
        }
    }

    /// The function that takes the place of a built-in which reads the clock or draws.
    pub fn replacement_of(builtin: &str) -> Option<Self> {
        [Self::Now, Self::Millis, Self::Random, Self::Shuffle].into_iter().find(|function| function.name() == builtin)
    }
}

/// Makes `function` callable. The first argument of a check is the context, the others are the built-in's.
pub(super) fn register(
    evaluator: &mut Evaluator,
    function: HostFunction,
    moment: &Rc<Moment>,
) -> Result<(), EvaluatorError> {
    let moment = Rc::clone(moment);
    evaluator.register_fn_override(function.name(), move |args: &[JValue]| call(function, args, &moment))
}

fn call(function: HostFunction, args: &[JValue], moment: &Moment) -> HostFnResult {
    match function {
        HostFunction::Bounded => {
            let value = args.first().unwrap_or(&JValue::Undefined);
            return check(value, &moment.limits).map(|()| value.clone());
        }
        HostFunction::Now => return Ok(JValue::string(format_now(moment))),
        HostFunction::Millis => return Ok(JValue::from(moment.now.as_millis())),
        HostFunction::Random => return Ok(JValue::from(moment.entropy.unit())),
        HostFunction::Shuffle => return Ok(shuffle(args.first(), moment)),
        HostFunction::Pad => check_pad(args),
        HostFunction::Join => check_join(args, moment),
        HostFunction::Split => check_split(&Subject::of(args, 2), moment),
        HostFunction::Replace => check_replace(&Subject::of(args, 3), moment),
        HostFunction::Match => check_regex(&Subject::of(args, 2), REGEX_TEXT_BYTES_MAX),
        HostFunction::Contains => check_regex(&Subject::of(args, 2), usize::MAX),
        HostFunction::Distinct => check_distinct(args),
        HostFunction::Picture => check_picture(args),
    }?;
    Ok(JValue::Undefined)
}

/// `2026-01-31T09:30:00.000Z`, as the language prints it.
fn format_now(moment: &Moment) -> String {
    match jiff::Timestamp::from_millisecond(moment.now.as_millis()) {
        Ok(time) => format!("{time:.3}"),
        Err(_) => moment.now.to_string(),
    }
}

/// Fisher and Yates, with chance from the outside.
fn shuffle(value: Option<&JValue>, moment: &Moment) -> JValue {
    let Some(items) = value.and_then(JValue::as_array) else {
        return value.map_or(JValue::Undefined, |value| JValue::array(vec![value.clone()]));
    };
    let mut items = items.clone();
    for last in (1..items.len()).rev() {
        let drawn = (moment.entropy.unit() * (last + 1) as f64) as usize;
        items.swap(last, drawn.min(last));
    }
    JValue::array(items)
}

/// The text that a built-in works on, and its other arguments.
struct Subject<'a> {
    text: &'a str,
    rest: &'a [JValue],
}

impl<'a> Subject<'a> {
    /// The text is the first argument, or the context where the call leaves it out: then there are fewer than the
    /// `usual` arguments, or a pattern stands first, or the limit stands where the last of the usual would.
    fn of(args: &'a [JValue], usual: usize) -> Self {
        let (context, args) = args.split_first().unwrap_or((&JValue::Undefined, &[]));
        let left_out = args.len() < usual
            || matches!(args.first(), Some(JValue::Regex { .. }))
            || (args.len() == usual && matches!(args.last(), Some(JValue::Number(_))));
        let (text, rest) = match args.split_first() {
            Some((first, rest)) if !left_out => (first, rest),
            _ => (context, args),
        };
        Self { text: text.as_str().unwrap_or(""), rest }
    }

    fn pattern(&self) -> Option<&JValue> {
        self.rest.first()
    }
}

fn check_pad(args: &[JValue]) -> Result<(), EvaluatorError> {
    let width_at = args.iter().skip(1).position(|arg| matches!(arg, JValue::Number(_)));
    let Some(width_at) = width_at.map(|at| at + 1) else { return Ok(()) };
    let width = args[width_at].as_f64().unwrap_or(0.0).abs();
    let unit = args.get(width_at + 1).and_then(JValue::as_str).map_or(1, |unit| unit.len().max(1));
    if width * unit as f64 > PAD_CHARS_MAX {
        return Err(over_limit(&format!("$pad to more than {PAD_CHARS_MAX} characters")));
    }
    Ok(())
}

fn check_join(args: &[JValue], moment: &Moment) -> Result<(), EvaluatorError> {
    let Some(items) = args.get(1).and_then(JValue::as_array) else { return Ok(()) };
    let separator = args.get(2).and_then(JValue::as_str).map_or(0, str::len);
    let texts: usize = items.iter().map(|item| item.as_str().map_or(0, str::len)).sum();
    within(separator.saturating_mul(items.len()).saturating_add(texts), moment, "$join")
}

fn check_split(subject: &Subject<'_>, moment: &Moment) -> Result<(), EvaluatorError> {
    let most = moment.limits.sequence;
    let parts = match subject.pattern() {
        Some(JValue::Regex { .. }) => return check_regex(subject, REGEX_TEXT_BYTES_MAX),
        Some(JValue::String(separator)) if !separator.is_empty() => {
            subject.text.matches(&**separator).take(most).count() + 1
        }
        _ => subject.text.chars().take(most.saturating_add(1)).count(),
    };
    if parts > most {
        return Err(over_limit(&format!("$split into more than {most} parts")));
    }
    Ok(())
}

fn check_replace(subject: &Subject<'_>, moment: &Moment) -> Result<(), EvaluatorError> {
    let replacement = subject.rest.get(1).and_then(JValue::as_str).map_or(0, str::len);
    let matches = match subject.pattern() {
        Some(JValue::Regex { .. }) => {
            check_regex(subject, REGEX_TEXT_BYTES_MAX)?;
            subject.text.len() + 1
        }
        Some(JValue::String(pattern)) if !pattern.is_empty() => subject.text.matches(&**pattern).count(),
        _ => 0,
    };
    within(matches.saturating_mul(replacement).saturating_add(subject.text.len()), moment, "$replace")
}

fn check_regex(subject: &Subject<'_>, text_bytes_max: usize) -> Result<(), EvaluatorError> {
    let Some(JValue::Regex { pattern, .. }) = subject.pattern() else { return Ok(()) };
    let bytes = subject.text.len();
    if bytes > text_bytes_max || regex::weight(pattern).saturating_mul(bytes) > REGEX_WORK_MAX {
        return Err(over_limit(&format!("the pattern /{pattern}/ on a text of {bytes} bytes")));
    }
    Ok(())
}

fn check_distinct(args: &[JValue]) -> Result<(), EvaluatorError> {
    let items = args.get(1).and_then(JValue::as_array).map_or(0, Vec::len);
    if items > DISTINCT_ITEMS_MAX {
        return Err(over_limit(&format!("$distinct of {items} items, the most are {DISTINCT_ITEMS_MAX}")));
    }
    Ok(())
}

fn check_picture(args: &[JValue]) -> Result<(), EvaluatorError> {
    // The context may be the subject and counts as such; every text of these built-ins is short.
    let longest = args.iter().skip(1).filter_map(JValue::as_str).map(str::len).max();
    if longest.is_some_and(|bytes| bytes > PICTURE_BYTES_MAX) {
        return Err(over_limit(&format!("a number, date or picture of more than {PICTURE_BYTES_MAX} bytes")));
    }
    Ok(())
}

fn within(bytes: usize, moment: &Moment, what: &str) -> Result<(), EvaluatorError> {
    let most = moment.limits.value_bytes;
    if bytes > most {
        return Err(over_limit(&format!("a text of more than {most} bytes from {what}")));
    }
    Ok(())
}
