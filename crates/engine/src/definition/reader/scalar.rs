//! Texts, numbers, durations, sizes and words.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use super::{At, parse_name, rule_of};
use crate::definition::nearest;
use crate::definition::tree::{Text, Value};
use crate::definition::units::{parse_duration, parse_size, print_duration, print_size};

impl<'a> At<'a> {
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self.node.value, Value::Null)
    }

    fn scalar(&self) -> Option<&'a Text> {
        match &self.node.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Any text that is not empty.
    #[must_use]
    pub fn text(&self) -> Option<&'a Text> {
        match &self.node.value {
            Value::Text(text) if !text.as_str().is_empty() => Some(text),
            Value::Text(_) => {
                self.error("empty", format!("'{}' is empty", self.path.spoken()), "write a text, or leave the key out");
                None
            }
            Value::Number(_) | Value::Bool(_) => {
                let message = format!("'{}' must be a text, not {}", self.path.spoken(), self.node.value.kind());
                self.error("wrong_type", message, "put it in quotes");
                None
            }
            _ => {
                self.wrong_kind("a text");
                None
            }
        }
    }

    /// A text that parses; `wanted` says what it must be, as `a rate`, and `examples` how that looks.
    #[must_use]
    pub fn parsed<T: FromStr>(&self, wanted: &str, examples: &str) -> Option<T> {
        let parsed = self.text()?.as_str().parse().ok();
        if parsed.is_none() {
            self.invalid(wanted, &format!("write it as {examples}"));
        }
        parsed
    }

    /// A name that the owner gave to another object.
    #[must_use]
    pub fn named<T>(&self) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        let text = self.text()?;
        parse_name(text.as_str()).map_err(|problem| self.bad_name(text, &problem)).ok()
    }

    fn bad_name(&self, text: &Text, problem: &str) {
        if text.is_expanded() || !text.is_plain() {
            let message = format!("'{}' is not a name", self.shown(text));
            self.error("invalid_name", message, rule_of(problem).unwrap_or(""));
        } else {
            self.error("invalid_name", problem.to_owned(), "");
        }
    }

    #[must_use]
    pub fn flag(&self) -> Option<bool> {
        let flag = match &self.node.value {
            Value::Bool(flag) => Some(*flag),
            Value::Text(text) if text.is_expanded() => text.as_str().parse().ok(),
            _ => None,
        };
        if flag.is_none() {
            self.invalid("true or false", "");
        }
        flag
    }

    /// A whole number within a range, which its limit's reason set.
    #[must_use]
    pub fn integer(&self, range: RangeInclusive<u32>) -> Option<u32> {
        let number = match &self.node.value {
            Value::Number(number) => number.as_u64(),
            Value::Text(text) if text.is_expanded() => text.as_str().parse().ok(),
            _ => None,
        };
        let fitting = number.and_then(|number| u32::try_from(number).ok()).filter(|number| range.contains(number));
        if fitting.is_none() {
            self.invalid(&format!("a whole number from {} to {}", range.start(), range.end()), "");
        }
        fitting
    }

    /// `0%` to `100%`.
    #[must_use]
    pub fn percent(&self) -> Option<u8> {
        let number = self.scalar().and_then(|text| text.as_str().strip_suffix('%')?.parse().ok());
        let share = number.filter(|share| *share <= 100);
        if share.is_none() {
            self.invalid("a share from 0% to 100%", "write it as 10%");
        }
        share
    }

    #[must_use]
    pub fn duration(&self, range: RangeInclusive<Duration>) -> Option<Duration> {
        let (least, most) = (print_duration(*range.start()), print_duration(*range.end()));
        let wanted = format!("a duration from {least} to {most}");
        self.measured(parse_duration, &range, &wanted, "write a number and a unit: 250ms, 10s, 5m, 1h or 7d")
    }

    #[must_use]
    pub fn size(&self, range: RangeInclusive<u64>) -> Option<u64> {
        let wanted = format!("a size from {} to {}", print_size(*range.start()), print_size(*range.end()));
        self.measured(parse_size, &range, &wanted, "write a number and a unit: 512KiB, 25MiB or 1GiB")
    }

    fn measured<T: PartialOrd>(
        &self,
        parse: impl Fn(&str) -> Option<T>,
        range: &RangeInclusive<T>,
        wanted: &str,
        help: &str,
    ) -> Option<T> {
        let value = self.scalar().and_then(|text| parse(text.as_str())).filter(|value| range.contains(value));
        if value.is_none() {
            self.invalid(wanted, help);
        }
        value
    }

    /// One of a few words.
    #[must_use]
    pub fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        let chosen = choices.iter().find(|(word, _)| *word == text.as_str()).map(|(_, value)| *value);
        if chosen.is_none() {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            let near = if text.is_expanded() { None } else { nearest(text.as_str(), words.iter().copied()) };
            let help =
                near.map_or_else(|| format!("write {}", one_of(&words)), |near| format!("did you mean '{near}'?"));
            self.error("invalid_value", format!("'{}' is not one of {}", self.shown(text), words.join(", ")), help);
        }
        chosen
    }
}

fn one_of(words: &[&str]) -> String {
    match words {
        [] => "nothing".to_owned(),
        [word] => (*word).to_owned(),
        [init @ .., last] => format!("{} or {last}", init.join(", ")),
    }
}
