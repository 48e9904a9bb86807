//! Reads dates whose fields have their full width, digit by digit, without a search and without allocation.
//!
//! Says that a text is no date of the format only where its own reader could not say otherwise; what is not in the usual
//! form is left to that reader.

#[cfg(test)]
mod tests;

use crate::manifest::expression::dates::{Moment, Zone};

use super::point::{MICROS_PER_DAY, MICROS_PER_SECOND};

/// A format that is read quickly.
#[derive(Clone, Debug)]
pub(crate) enum Quick {
    /// A whole number of this many microseconds since 1970.
    Epoch(i64),
    Fields {
        pieces: Box<[Piece]>,
        /// Whether a number with fewer digits than it may have would leave a digit where there may be none: there is one
        /// way to read a text at most.
        is_rigid: bool,
        has_zone: bool,
    },
}

/// What is known of a text at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Glance {
    Is(Moment),
    IsNot,
    Unsure,
}

/// Why a piece is not there.
enum Miss {
    Byte,
    Digits,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Piece {
    Byte(u8),
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    /// One to six digits after the point.
    Fraction,
    Zone,
}

/// Longest number that is read: more digits are no time within the calendar.
const DIGITS_MAX: usize = 18;

#[derive(Default)]
struct Fields {
    year: i64,
    month: i64,
    day: i64,
    micros_of_day: i64,
    offset_seconds: i32,
}

impl Quick {
    /// `None` where the format has other fields than these, or not the whole date.
    pub fn of(format: &str) -> Option<Self> {
        match format {
            "%s" => return Some(Self::Epoch(MICROS_PER_SECOND)),
            "%ms" => return Some(Self::Epoch(1_000)),
            "%epoch_microseconds" => return Some(Self::Epoch(1)),
            _ => {}
        }
        let pieces = pieces(&format.replace("%_ms", "%f"))?;
        let has = |wanted: fn(&Piece) -> bool| pieces.iter().filter(|piece| wanted(piece)).count() == 1;
        let has_date = has(|piece| matches!(piece, Piece::Year))
            && has(|piece| matches!(piece, Piece::Month))
            && has(|piece| matches!(piece, Piece::Day));
        let is_rigid = is_rigid(&pieces);
        let has_zone = pieces.iter().any(|piece| matches!(piece, Piece::Zone));
        has_date.then_some(Self::Fields { pieces: pieces.into(), is_rigid, has_zone })
    }

    pub fn read(&self, text: &[u8]) -> Glance {
        match self {
            Self::Epoch(_) => match whole(text) {
                Some(whole) => self.read_whole(whole).map_or(Glance::Unsure, Glance::Is),
                None if is_no_number(text) => Glance::IsNot,
                None => Glance::Unsure,
            },
            Self::Fields { pieces, is_rigid, has_zone } => {
                let mut fields = Fields::default();
                match pieces.iter().try_fold(text, |rest, piece| piece.read(rest, &mut fields)) {
                    Ok([]) => fields.moment().map_or(Glance::Unsure, Glance::Is),
                    Ok(_) if *is_rigid && !has_zone => Glance::IsNot,
                    Err(Miss::Byte) if *is_rigid => Glance::IsNot,
                    Ok(_) | Err(_) => Glance::Unsure,
                }
            }
        }
    }

    /// A number as it stands in a record.
    pub fn read_whole(&self, whole: i64) -> Option<Moment> {
        let Self::Epoch(scale) = self else { return None };
        whole.checked_mul(*scale).and_then(|wall| moment(wall, 0))
    }

    /// A part of a unit is cut off.
    pub fn read_real(&self, real: f64) -> Option<Moment> {
        (real.abs() < 1e18).then(|| real.trunc() as i64).and_then(|whole| self.read_whole(whole))
    }
}

/// Whether every number is followed by a byte that is no digit and no space, or by the end.
fn is_rigid(pieces: &[Piece]) -> bool {
    let is_byte = |piece: &Piece| matches!(piece, Piece::Byte(byte) if !byte.is_ascii_digit() && *byte != b' ');
    pieces.windows(2).all(|pair| is_byte(&pair[0]) || is_byte(&pair[1]))
        && pieces.iter().all(|piece| !matches!(piece, Piece::Byte(_)) || is_byte(piece))
}

fn pieces(format: &str) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut bytes = format.bytes();
    while let Some(byte) = bytes.next() {
        pieces.push(match byte {
            b'%' => match bytes.next()? {
                b'Y' => Piece::Year,
                b'm' => Piece::Month,
                b'd' => Piece::Day,
                b'H' => Piece::Hour,
                b'M' => Piece::Minute,
                b'S' => Piece::Second,
                b'f' => Piece::Fraction,
                b'z' => Piece::Zone,
                _ => return None,
            },
            // Beyond these a letter may stand for several, and more than one space for one.
            byte if byte.is_ascii() && !byte.is_ascii_whitespace() || byte == b' ' => Piece::Byte(byte),
            _ => return None,
        });
    }
    Some(pieces)
}

impl Piece {
    /// Reads the piece and gives what is left.
    fn read<'a>(self, text: &'a [u8], fields: &mut Fields) -> Result<&'a [u8], Miss> {
        let clock = |unit: i64, max: i64, fields: &mut Fields| {
            let (value, rest) = digits(text, 2)?;
            fields.micros_of_day += value * unit * MICROS_PER_SECOND;
            (value <= max).then_some(rest)
        };
        let rest = match self {
            Self::Byte(byte) => return after(text, byte),
            Self::Year => digits(text, 4).map(|(year, rest)| assign(&mut fields.year, year, rest)),
            Self::Month => digits(text, 2).map(|(month, rest)| assign(&mut fields.month, month, rest)),
            Self::Day => digits(text, 2).map(|(day, rest)| assign(&mut fields.day, day, rest)),
            Self::Hour => clock(3_600, 23, fields),
            Self::Minute => clock(60, 59, fields),
            Self::Second => clock(1, 59, fields),
            Self::Fraction => fraction(text, fields),
            Self::Zone => zone(text, fields),
        };
        rest.ok_or(Miss::Digits)
    }
}

/// What follows the byte. A letter of the other case, or beyond ASCII, is for the format's own reader to judge.
fn after(text: &[u8], byte: u8) -> Result<&[u8], Miss> {
    match text.split_first() {
        Some((first, rest)) if *first == byte => Ok(rest),
        Some((first, _)) if first.eq_ignore_ascii_case(&byte) || !first.is_ascii() => Err(Miss::Digits),
        _ => Err(Miss::Byte),
    }
}

fn fraction<'a>(text: &'a [u8], fields: &mut Fields) -> Option<&'a [u8]> {
    let length = text.iter().take(6).take_while(|byte| byte.is_ascii_digit()).count();
    let (value, rest) = digits(text, length.max(1))?;
    fields.micros_of_day += (length..6).fold(value, |micros, _| micros * 10);
    Some(rest)
}

fn assign<'a>(field: &mut i64, value: i64, rest: &'a [u8]) -> &'a [u8] {
    *field = value;
    rest
}

/// `Z`, `+hhmm` or `+hh:mm`.
fn zone<'a>(text: &'a [u8], fields: &mut Fields) -> Option<&'a [u8]> {
    let (sign, rest) = text.split_first()?;
    let sign = match sign {
        b'Z' => return Some(rest),
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, rest) = digits(rest, 2)?;
    let (minutes, rest) = digits(rest.strip_prefix(b":").unwrap_or(rest), 2)?;
    fields.offset_seconds = i32::try_from(sign * (hours * 3_600 + minutes * 60)).ok()?;
    (hours <= 23 && minutes <= 59).then_some(rest)
}

/// So many digits as a number, and what is left.
fn digits(text: &[u8], length: usize) -> Option<(i64, &[u8])> {
    let (digits, rest) = text.split_at_checked(length)?;
    let value = digits.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')));
    value.map(|value| (value, rest))
}

/// A letter, or a mark that no whole number has.
fn is_no_number(text: &[u8]) -> bool {
    let has_mark = text.iter().any(|byte| byte.is_ascii_alphabetic() || matches!(byte, b':' | b'.' | b'/'));
    has_mark || text.windows(2).any(|pair| pair[0].is_ascii_digit() && pair[1] == b'-')
}

fn whole(text: &[u8]) -> Option<i64> {
    let (sign, text) = text.strip_prefix(b"-").map_or((1, text), |text| (-1, text));
    let is_plain = !text.is_empty() && text.len() <= DIGITS_MAX;
    is_plain.then(|| digits(text, text.len())).flatten().map(|(value, _)| sign * value)
}

impl Fields {
    fn moment(&self) -> Option<Moment> {
        let month = usize::try_from(self.month).ok().filter(|month| (1..=12).contains(month))?;
        let is_leap = self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0);
        let days = [31, if is_leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        if self.year < 1 || !(1..=days[month - 1]).contains(&self.day) {
            return None;
        }
        moment(day_number(self.year, self.month, self.day) * MICROS_PER_DAY + self.micros_of_day, self.offset_seconds)
    }
}

/// Days since 1970-01-01. The year is taken to begin in March, so that the leap day is its last.
fn day_number(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn moment(wall: i64, offset_seconds: i32) -> Option<Moment> {
    const FIRST: i64 = -719_162 * MICROS_PER_DAY;
    const LAST: i64 = 2_932_897 * MICROS_PER_DAY - 1;
    let zone = if offset_seconds == 0 { Zone::Utc } else { Zone::Offset(offset_seconds) };
    (FIRST..=LAST).contains(&wall).then_some(Moment { wall, zone })
}
