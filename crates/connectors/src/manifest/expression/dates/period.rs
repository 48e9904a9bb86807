//! ISO 8601 durations: years and months are added by the calendar, the rest exactly.

use super::calendar::days_in_month;
use super::moment::{Fields, Moment};
use super::{DateError, iso};
use crate::manifest::expression::numbers;

/// Python's bound on the days of an exact duration.
const DAYS_MAX: i128 = 999_999_999;
const DAY: i128 = 86_400_000_000;

/// A duration. Years and months are floats only because the notation allows fractions; dates take whole ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Period {
    pub(crate) years: f64,
    pub(crate) months: f64,
    /// Of the exact part; wider than 64 bits because the format allows 999,999,999 days.
    pub(crate) micros: i128,
}

impl Period {
    /// `P1M`, `PT5M`, `P1Y2M3DT4H5M6S`, `P2W`, with an optional sign.
    pub fn parse(text: &str) -> Result<Self, DateError> {
        if let Some(period) = designated(text) {
            return period;
        }
        let wrong = || DateError::new(format!("{text:?} is not an ISO 8601 duration"));
        let moment = text.strip_prefix('P').and_then(iso::parse_extended).ok_or_else(wrong)?;
        let Fields { year, month, day, .. } = moment.fields();
        let micros = i128::from(day) * DAY + i128::from(moment.time());
        #[expect(clippy::cast_precision_loss, reason = "a year and a month are small")]
        Ok(Self { years: year as f64, months: month as f64, micros })
    }

    /// Whether adding it depends on the calendar.
    pub fn has_months(&self) -> bool {
        self.years != 0.0 || self.months != 0.0
    }

    /// The exact part in microseconds.
    pub fn micros(&self) -> i128 {
        self.micros
    }

    #[must_use]
    pub(crate) fn negated(self) -> Self {
        Self { years: -self.years, months: -self.months, micros: -self.micros }
    }

    /// The moment this much later; the day is held to the end of a shorter month.
    pub fn after(&self, moment: Moment) -> Result<Moment, DateError> {
        self.shifted(moment, 1)?.plus(self.micros)
    }

    /// The moment this much earlier.
    pub fn before(&self, moment: Moment) -> Result<Moment, DateError> {
        self.shifted(moment, -1)?.plus(-self.micros)
    }

    fn shifted(&self, moment: Moment, sign: i64) -> Result<Moment, DateError> {
        if !self.has_months() {
            return Ok(moment);
        }
        if self.years.fract() != 0.0 || self.months.fract() != 0.0 {
            return Err(DateError::new("a part of a year or month cannot be added to a date"));
        }
        if self.years.abs() > 20_000.0 || self.months.abs() > 240_000.0 {
            return Err(DateError::out_of_calendar());
        }
        #[expect(clippy::cast_possible_truncation, reason = "whole and small, as was just checked")]
        let (years, months) = (self.years as i64, self.months as i64);
        let fields = moment.fields();
        let month = fields.year * 12 + fields.month - 1 + sign * (years * 12 + months);
        let (year, month) = (month.div_euclid(12), month.rem_euclid(12) + 1);
        if !(1..=9999).contains(&year) {
            return Err(DateError::out_of_calendar());
        }
        let day = fields.day.min(days_in_month(year, month));
        Moment::from_fields(Fields { year, month, day, ..fields }, moment.zone())
    }
}

/// The exact part within Python's bounds.
pub(crate) fn checked_delta(micros: i128) -> Result<i128, DateError> {
    if micros.div_euclid(DAY).abs() > DAYS_MAX {
        return Err(DateError::new("the duration is longer than 999999999 days"));
    }
    Ok(micros)
}

/// The notation with designators; `None` if it is not that notation.
fn designated(text: &str) -> Option<Result<Period, DateError>> {
    let (negative, rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let rest = rest.strip_prefix('P')?;
    if !rest.starts_with(|c: char| c.is_ascii_digit() || c == 'T') {
        return None;
    }
    let (date, time) = match rest.split_once('T') {
        Some((date, time)) => (date, time),
        None => (rest, ""),
    };
    let [years, months, weeks, days] = parts(date, ['Y', 'M', 'W', 'D'])?;
    let [hours, minutes, seconds] = parts(time, ['H', 'M', 'S'])?;
    let micros = [(weeks, 7 * DAY), (days, DAY), (hours, DAY / 24), (minutes, DAY / 1440), (seconds, 1_000_000)]
        .into_iter()
        .try_fold(0_i128, |sum, (amount, unit)| Some(sum + numbers::scaled(amount, unit)?));
    let Some(micros) = micros else { return Some(Err(DateError::new("the duration is too long"))) };
    let period = checked_delta(micros).map(|micros| Period { years, months, micros });
    Some(period.map(|period| if negative { period.negated() } else { period }))
}

/// Amounts with their designators, each at most once and in order.
fn parts<const N: usize>(mut text: &str, designators: [char; N]) -> Option<[f64; N]> {
    let mut amounts = [0.0; N];
    let mut next = 0;
    while !text.is_empty() {
        let length = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ',')?;
        let designator = text[length..].chars().next()?;
        let at = next + designators[next..].iter().position(|known| *known == designator)?;
        amounts[at] = amount(&text[..length])?;
        next = at + 1;
        text = &text[length + 1..];
    }
    Some(amounts)
}

fn amount(text: &str) -> Option<f64> {
    let (whole, fraction) = text.split_once(['.', ',']).unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    format!("{whole}.{fraction}").parse().ok()
}
