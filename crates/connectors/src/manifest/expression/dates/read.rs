//! Python's `strptime`: a format becomes a list of parts, and a text is matched against them with backtracking, because
//! most numbers may be shorter than their field is wide.

use super::DateError;
use super::calendar::{self, MONTHS, WEEKDAYS};
use super::moment::{Fields, Moment, Zone};

/// What one part of a format matches.
#[derive(Debug, Clone, PartialEq)]
enum Part {
    Literal(char),
    /// One or more whitespace characters.
    Space,
    Directive(char),
}

/// A format that texts are read with.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    parts: Vec<Part>,
}

/// How often the matching of one text may start over: far more than any format of real directives needs.
const ATTEMPTS_MAX: u32 = 20_000;

/// What the directives of a text said.
#[derive(Debug, Clone, Default)]
struct Found {
    year: Option<i64>,
    iso_year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    hour: Option<i64>,
    hour12: Option<i64>,
    afternoon: Option<bool>,
    minute: i64,
    second: i64,
    micro: i64,
    weekday: Option<i64>,
    day_of_year: Option<i64>,
    week: Option<(i64, bool)>,
    iso_week: Option<i64>,
    offset: Option<i32>,
}

impl Reader {
    pub(crate) fn new(format: &str) -> Result<Self, DateError> {
        let mut parts = Vec::new();
        expand(format, format, &mut parts)?;
        let mut seen = Vec::new();
        for part in &parts {
            if let Part::Directive(directive) = part {
                if seen.contains(directive) {
                    return Err(DateError::new(format!("the format {format:?} has %{directive} twice")));
                }
                seen.push(*directive);
            }
        }
        Ok(Self { parts })
    }

    pub(crate) fn read(&self, text: &str, format: &str) -> Result<Moment, DateError> {
        if let Some(moment) = self.at_once(text.as_bytes()) {
            return Ok(moment);
        }
        let mut attempts = ATTEMPTS_MAX;
        let mut spans = Vec::with_capacity(self.parts.len());
        match matched(&self.parts, text, 0, &mut spans, &mut attempts) {
            Some(end) if end == text.len() => {}
            Some(end) => {
                return Err(DateError::new(format!(
                    "{text:?} goes on after the format {format:?}: {:?}",
                    &text[end..]
                )));
            }
            None => return Err(DateError::new(format!("{text:?} does not match the format {format:?}"))),
        }
        let mut found = Found::default();
        for (directive, start, end) in spans {
            found.note(directive, &text[start..end])?;
        }
        found.moment()
    }
}

impl Reader {
    /// Reads a text in which every directive is as wide as it can be, which almost all are, without looking back. That is
    /// the first reading that matching tries, so where it succeeds the two agree.
    fn at_once(&self, mut text: &[u8]) -> Option<Moment> {
        let mut fields = Fields { year: 1900, month: 1, day: 1, hour: 0, minute: 0, second: 0, micro: 0 };
        let mut zone = Zone::Naive;
        for part in &self.parts {
            let length = match part {
                Part::Literal(expected) => {
                    let same = expected.is_ascii() && text.first().copied().map(char::from) == Some(*expected);
                    same.then_some(1)?
                }
                Part::Space => return None,
                Part::Directive('Y') => take(text, 4, 0..=9999, &mut fields.year)?,
                Part::Directive('m') => take(text, 2, 1..=12, &mut fields.month)?,
                Part::Directive('d') => take(text, 2, 1..=31, &mut fields.day)?,
                Part::Directive('H') => take(text, 2, 0..=23, &mut fields.hour)?,
                Part::Directive('M') => take(text, 2, 0..=59, &mut fields.minute)?,
                Part::Directive('S') => take(text, 2, 0..=61, &mut fields.second)?,
                Part::Directive('f') => {
                    let digits = text.iter().take(6).take_while(|byte| byte.is_ascii_digit()).count();
                    let length = take(text, digits.max(1), 0..=999_999, &mut fields.micro)?;
                    fields.micro *= [1, 100_000, 10_000, 1_000, 100, 10, 1][length];
                    length
                }
                Part::Directive('z') if text == b"Z" => {
                    zone = Zone::Utc;
                    1
                }
                Part::Directive(_) => return None,
            };
            text = &text[length..];
        }
        if text.is_empty() { Moment::from_fields(fields, zone).ok() } else { None }
    }
}

/// Reads so many digits into a field; gives their count.
fn take(text: &[u8], length: usize, range: std::ops::RangeInclusive<i64>, field: &mut i64) -> Option<usize> {
    *field = number(text, length).filter(|value| range.contains(value))?;
    Some(length)
}

fn expand(format: &str, whole: &str, parts: &mut Vec<Part>) -> Result<(), DateError> {
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        if character.is_whitespace() {
            if parts.last() != Some(&Part::Space) {
                parts.push(Part::Space);
            }
            continue;
        }
        if character != '%' {
            parts.push(Part::Literal(character));
            continue;
        }
        match characters.next() {
            Some('%') => parts.push(Part::Literal('%')),
            Some('c') => expand("%a %b %d %H:%M:%S %Y", whole, parts)?,
            Some('x') => expand("%m/%d/%y", whole, parts)?,
            Some('X') => expand("%H:%M:%S", whole, parts)?,
            Some(directive) if "dfHIGjmMSUWwuVyYzAaBbpZ".contains(directive) => parts.push(Part::Directive(directive)),
            Some(other) => {
                return Err(DateError::new(format!("the format {whole:?} has %{other}, which cannot be read")));
            }
            None => return Err(DateError::new(format!("the format {whole:?} ends in a stray %"))),
        }
    }
    Ok(())
}

/// Where a match of all parts from `at` on ends. Each directive tries its readings in the reference's order.
fn matched(
    parts: &[Part],
    text: &str,
    at: usize,
    spans: &mut Vec<(char, usize, usize)>,
    attempts: &mut u32,
) -> Option<usize> {
    *attempts = attempts.checked_sub(1)?;
    let Some((part, rest)) = parts.split_first() else { return Some(at) };
    match part {
        Part::Literal(expected) => {
            let found = text[at..].chars().next()?;
            let same = found == *expected || found.to_lowercase().eq(expected.to_lowercase());
            if same { matched(rest, text, at + found.len_utf8(), spans, attempts) } else { None }
        }
        Part::Space => {
            let tail = &text[at..];
            let length = tail.len() - tail.trim_start().len();
            let mut end = at + length;
            while end > at {
                if let Some(end) = matched(rest, text, end, spans, attempts) {
                    return Some(end);
                }
                end -= text[..end].chars().next_back()?.len_utf8();
            }
            None
        }
        Part::Directive(directive) => {
            for length in lengths(*directive, &text.as_bytes()[at..]).into_iter().flatten() {
                spans.push((*directive, at, at + length));
                if let Some(end) = matched(rest, text, at + length, spans, attempts) {
                    return Some(end);
                }
                spans.pop();
            }
            None
        }
    }
}

/// The lengths a directive may match, the preferred one first.
type Lengths = [Option<usize>; 6];

/// One possible length, or none.
fn only(length: Option<usize>) -> Lengths {
    [length, None, None, None, None, None]
}

fn lengths(directive: char, text: &[u8]) -> Lengths {
    match directive {
        'Y' | 'G' => only(number(text, 4).map(|_| 4)),
        'y' => only(number(text, 2).map(|_| 2)),
        'f' => {
            let digits = text.iter().take(6).take_while(|byte| byte.is_ascii_digit()).count();
            std::array::from_fn(|at| (digits > at).then(|| digits - at))
        }
        'd' => ranged(text, 1, 31),
        'm' | 'I' => ranged(text, 1, 12),
        'H' => ranged(text, 0, 23),
        'M' => ranged(text, 0, 59),
        'S' => ranged(text, 0, 61),
        'U' | 'W' | 'V' => ranged(text, 0, 53),
        'j' => {
            let fits = |length: &usize| number(text, *length).is_some_and(|day| (1..=366).contains(&day));
            [Some(3).filter(fits), Some(2).filter(fits), Some(1).filter(fits), None, None, None]
        }
        'w' => only(number(text, 1).filter(|day| *day <= 6).map(|_| 1)),
        'u' => only(number(text, 1).filter(|day| (1..=7).contains(day)).map(|_| 1)),
        'A' => only(named(&WEEKDAYS, text, usize::MAX).map(|(_, length)| length)),
        'a' => only(named(&WEEKDAYS, text, 3).map(|(_, length)| length)),
        'B' => only(named(&MONTHS, text, usize::MAX).map(|(_, length)| length)),
        'b' => only(named(&MONTHS, text, 3).map(|(_, length)| length)),
        'p' => only(named(&["AM", "PM"], text, 2).map(|_| 2)),
        'Z' => only(named(&["UTC", "GMT"], text, 3).map(|_| 3)),
        'z' => offset_lengths(text),
        _ => only(None),
    }
}

/// Two digits, then one, if they are in range; a day may have a space for its first digit.
fn ranged(text: &[u8], min: i64, max: i64) -> Lengths {
    let two = number(text, 2).is_some_and(|value| (min..=max).contains(&value));
    let one = number(text, 1).is_some_and(|value| value >= min);
    let spaced = max == 31 && text.first() == Some(&b' ') && number(&text[1..], 1).is_some_and(|value| value >= 1);
    [(two || spaced).then_some(2), one.then_some(1), None, None, None, None]
}

/// So many digits as a number.
fn number(text: &[u8], length: usize) -> Option<i64> {
    text.get(..length)?.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
}

/// Which of the names a text begins with, in any case, and how long it is.
fn named(names: &[&str], text: &[u8], length_max: usize) -> Option<(usize, usize)> {
    names.iter().enumerate().find_map(|(at, name)| {
        let name = &name.as_bytes()[..name.len().min(length_max)];
        text.get(..name.len())?.eq_ignore_ascii_case(name).then_some((at, name.len()))
    })
}

/// `+hh:mm`, `+hhmm`, with seconds and a fraction of them, or `Z`; the longest reading first.
fn offset_lengths(text: &[u8]) -> Lengths {
    let mut lengths = [None; 6];
    if text.first() == Some(&b'Z') {
        lengths[5] = Some(1);
        return lengths;
    }
    if !matches!(text.first(), Some(b'+' | b'-')) || number(&text[1..], 2).is_none() {
        return lengths;
    }
    let sixty = |at: usize| text.get(at..).and_then(|rest| number(rest, 2)).filter(|value| *value < 60).map(|_| at + 2);
    let colon = |at: usize| at + usize::from(text.get(at) == Some(&b':'));
    let Some(minutes) = sixty(colon(3)) else { return lengths };
    lengths[5] = Some(minutes);
    if let Some(seconds) = sixty(colon(minutes)) {
        lengths[4] = Some(seconds);
        if text.get(seconds) == Some(&b'.') {
            let digits = text[seconds + 1..].iter().take(6).take_while(|byte| byte.is_ascii_digit()).count();
            lengths[3] = (digits > 0).then_some(seconds + 1 + digits);
        }
    }
    lengths
}

impl Found {
    fn note(&mut self, directive: char, text: &str) -> Result<(), DateError> {
        let bytes = text.as_bytes();
        let value = number(text.trim_start().as_bytes(), text.trim_start().len()).unwrap_or_default();
        match directive {
            'Y' => self.year = Some(value),
            'y' => self.year = Some(if value <= 68 { value + 2000 } else { value + 1900 }),
            'G' => self.iso_year = Some(value),
            'm' => self.month = Some(value),
            'd' => self.day = Some(value),
            'H' => self.hour = Some(value),
            'I' => self.hour12 = Some(value),
            'M' => self.minute = value,
            'S' => self.second = value,
            'f' => self.micro = (text.len()..6).fold(value, |micro, _| micro * 10),
            'j' => self.day_of_year = Some(value),
            'U' | 'W' => self.week = Some((value, directive == 'W')),
            'V' => self.iso_week = Some(value),
            'w' => self.weekday = Some((value + 6) % 7),
            'u' => self.weekday = Some(value - 1),
            'A' | 'a' => self.weekday = named(&WEEKDAYS, bytes, 3).and_then(|(at, _)| i64::try_from(at).ok()),
            'B' | 'b' => self.month = named(&MONTHS, bytes, 3).and_then(|(at, _)| i64::try_from(at + 1).ok()),
            'p' => self.afternoon = Some(bytes[0].eq_ignore_ascii_case(&b'p')),
            'z' => self.offset = Some(offset(text)?),
            _ => {}
        }
        Ok(())
    }

    fn moment(self) -> Result<Moment, DateError> {
        self.check_weeks()?;
        let leap_day = self.year.is_none() && self.month == Some(2) && self.day == Some(29);
        let mut year = self.year.unwrap_or(if leap_day { 1904 } else { 1900 });
        let (mut month, mut day) = (self.month.unwrap_or(1), self.day.unwrap_or(1));
        if let Some(number) = self.day_from_week(year).or_else(|| Some(new_year(year)? + self.day_of_year? - 1)) {
            if !(calendar::DAY_MIN..=calendar::DAY_MAX).contains(&number) {
                return Err(DateError::out_of_calendar());
            }
            (year, month, day) = calendar::civil(number);
        }
        if leap_day {
            // 1900 had no such day; the reference reads it in 1904 and then says 1900, which fails.
            year = 1900;
        }
        let hour = match (self.hour, self.hour12) {
            (_, Some(hour)) => hour % 12 + if self.afternoon == Some(true) { 12 } else { 0 },
            (hour, None) => hour.unwrap_or(0),
        };
        let fields = Fields { year, month, day, hour, minute: self.minute, second: self.second, micro: self.micro };
        let zone = match self.offset {
            None => Zone::Naive,
            Some(0) => Zone::Utc,
            Some(seconds) => Zone::Offset(seconds),
        };
        Moment::from_fields(fields, zone)
    }

    fn check_weeks(&self) -> Result<(), DateError> {
        let wrong = match (self.year, self.iso_year, self.iso_week, self.weekday) {
            (None, Some(_), None, _) | (None, Some(_), _, None) => "%G needs %V and a day of the week",
            (None, Some(_), _, _) if self.day_of_year.is_some() => "%G and %j do not go together",
            (None, Some(_), _, _) => return Ok(()),
            (_, _, Some(_), _) if self.week.is_none() => "%V needs %G and a day of the week",
            _ => return Ok(()),
        };
        Err(DateError::new(wrong))
    }

    /// The day's number, where a week and a day of it were given.
    fn day_from_week(&self, year: i64) -> Option<i64> {
        if self.day_of_year.is_some() {
            return None;
        }
        let weekday = self.weekday?;
        if let Some((week, from_monday)) = self.week {
            let start = new_year(year)?;
            let first = if from_monday { calendar::weekday(start) } else { (calendar::weekday(start) + 1) % 7 };
            let weekday = if from_monday { weekday } else { (weekday + 1) % 7 };
            let offset = if week == 0 { weekday - first } else { (7 - first) % 7 + 7 * (week - 1) + weekday };
            return Some(start + offset);
        }
        let january_4 = new_year(self.iso_year?)? + 3;
        Some(january_4 - calendar::weekday(january_4) + (self.iso_week? - 1) * 7 + weekday)
    }
}

fn new_year(year: i64) -> Option<i64> {
    calendar::day_number(year, 1, 1)
}

/// Seconds east of UTC.
fn offset(text: &str) -> Result<i32, DateError> {
    if text == "Z" {
        return Ok(0);
    }
    let with_colon = text.as_bytes().get(3) == Some(&b':');
    if with_colon && text.len() > 6 && text.as_bytes()[6] != b':' {
        return Err(DateError::new(format!("the offset {text:?} uses colons in one place and not in the other")));
    }
    let digits: Vec<u8> = text.bytes().skip(1).filter(u8::is_ascii_digit).collect();
    let part = |at: usize| digits.get(at..at + 2).and_then(|digits| number(digits, 2)).unwrap_or_default();
    let seconds = part(0) * 3600 + part(2) * 60 + part(4);
    if seconds >= 86_400 {
        return Err(DateError::new(format!("the offset {text:?} is a day or more")));
    }
    let seconds = i32::try_from(seconds).unwrap_or_default();
    Ok(if text.starts_with('-') { -seconds } else { seconds })
}
