//! Python's `strftime` on Linux in the C locale, with the flags and widths of its C library, and the format's `%_ms`.

use std::fmt::Write as _;

use super::calendar::{self, MONTHS, WEEKDAYS};
use super::moment::{Fields, Moment, Zone};

/// The widest field that a width may ask for: what is wider is no date.
const WIDTH_MAX: usize = 1024;

/// A format that moments are written with.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    format: Box<str>,
    /// Whether the microseconds in the written text are cut to milliseconds.
    milliseconds: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Flags {
    pad: Option<char>,
    upper: bool,
    swap: bool,
    width: usize,
}

impl Writer {
    pub(crate) fn new(format: &str) -> Self {
        Self { format: format.into(), milliseconds: false }
    }

    pub(crate) fn with_milliseconds(format: &str) -> Self {
        let milliseconds = format.contains("%_ms");
        Self { format: format.replace("%_ms", "%f").into(), milliseconds }
    }

    pub(crate) fn write(&self, moment: Moment) -> String {
        let mut text = String::with_capacity(self.format.len() + 16);
        write_all(&self.format, moment, &moment.fields(), &mut text);
        if self.milliseconds {
            // The reference replaces the microseconds' digits wherever they stand in the text.
            let micro = moment.fields().micro;
            text = text.replace(&format!("{micro:06}"), &format!("{:03}", micro / 1000));
        }
        text
    }
}

fn write_all(format: &str, moment: Moment, fields: &Fields, text: &mut String) {
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        text.push_str(&rest[..at]);
        rest = directive(&rest[at..], moment, fields, text);
    }
    text.push_str(rest);
}

/// Writes the directive that the format begins with; gives what follows it.
fn directive<'f>(format: &'f str, moment: Moment, fields: &Fields, text: &mut String) -> &'f str {
    // Python itself handles these three, and only in this plain form.
    match format.as_bytes().get(1) {
        Some(b'f') => push(text, fields.micro, 6),
        Some(b'z') => offset(moment, text),
        Some(b'Z') => text.push_str(&zone_name(moment)),
        _ => return library_directive(format, moment, fields, text),
    }
    &format[2..]
}

fn library_directive<'f>(format: &'f str, moment: Moment, fields: &Fields, text: &mut String) -> &'f str {
    let mut flags = Flags::default();
    let mut end = 1;
    let mut next = None;
    for (at, character) in format[1..].char_indices() {
        end = 1 + at + character.len_utf8();
        match character {
            '_' => flags.pad = Some(' '),
            '-' => flags.pad = Some('-'),
            '0' if flags.width == 0 => flags.pad = Some('0'),
            '^' => flags.upper = true,
            '#' => flags.swap = true,
            '0'..='9' => {
                let digit = character.to_digit(10).map_or(0, |digit| digit as usize);
                flags.width = (flags.width * 10 + digit).min(WIDTH_MAX);
            }
            'E' | 'O' => {}
            other => {
                next = Some(other);
                break;
            }
        }
    }
    let start = text.len();
    let known = next.is_some_and(|letter| field(letter, flags, moment, fields, text));
    if !known {
        text.truncate(start);
        text.push_str(&format[..end]);
    }
    &format[end..]
}

/// Writes one field; false if there is no such field.
fn field(letter: char, flags: Flags, moment: Moment, fields: &Fields, text: &mut String) -> bool {
    let hour12 = if fields.hour % 12 == 0 { 12 } else { fields.hour % 12 };
    let day = moment.day();
    let weekday = calendar::weekday(day);
    let year_day = calendar::day_of_year(day);
    let mut number = |value: i64, width: usize, pad: char| padded_number(text, value, width, pad, flags);
    match letter {
        'Y' => number(fields.year, 1, '0'),
        'C' => number(fields.year / 100, 1, '0'),
        'y' => number(fields.year % 100, 2, '0'),
        'm' => number(fields.month, 2, '0'),
        'd' => number(fields.day, 2, '0'),
        'e' => number(fields.day, 2, ' '),
        'H' => number(fields.hour, 2, '0'),
        'k' => number(fields.hour, 2, ' '),
        'I' => number(hour12, 2, '0'),
        'l' => number(hour12, 2, ' '),
        'M' => number(fields.minute, 2, '0'),
        'S' => number(fields.second, 2, '0'),
        'j' => number(year_day, 3, '0'),
        'u' => number(weekday + 1, 1, '0'),
        'w' => number((weekday + 1) % 7, 1, '0'),
        'U' => number((year_day + 6 - (weekday + 1) % 7) / 7, 2, '0'),
        'W' => number((year_day + 6 - weekday) / 7, 2, '0'),
        'V' => number(calendar::iso_week(day).1, 2, '0'),
        'G' => number(calendar::iso_week(day).0, 1, '0'),
        'g' => number(calendar::iso_week(day).0 % 100, 2, '0'),
        // The C library takes the wall clock for local time, and the reference runs in UTC.
        's' => number(moment.wall.div_euclid(1_000_000), 1, '0'),
        _ => return words(letter, flags, moment, fields, text),
    }
    true
}

fn words(letter: char, flags: Flags, moment: Moment, fields: &Fields, text: &mut String) -> bool {
    let weekday = WEEKDAYS[usize::try_from(calendar::weekday(moment.day())).unwrap_or_default()];
    let month = MONTHS[usize::try_from(fields.month - 1).unwrap_or_default()];
    let half = if fields.hour < 12 { "AM" } else { "PM" };
    match letter {
        'A' => padded_word(text, weekday, flags, flags.upper || flags.swap),
        'a' => padded_word(text, &weekday[..3], flags, flags.upper || flags.swap),
        'B' => padded_word(text, month, flags, flags.upper || flags.swap),
        'b' | 'h' => padded_word(text, &month[..3], flags, flags.upper || flags.swap),
        'p' if flags.swap => padded_word(text, &half.to_lowercase(), flags, false),
        'p' => padded_word(text, half, flags, false),
        'P' => padded_word(text, &half.to_lowercase(), flags, flags.upper),
        // With a flag it is the C library's, which knows the name only where summer time is known not to be.
        'Z' if moment.zone() != Zone::NamedUtc => {}
        'Z' => padded_word(text, if flags.swap { "utc" } else { "UTC" }, flags, false),
        'n' => padded_word(text, "\n", flags, false),
        't' => padded_word(text, "\t", flags, false),
        '%' => padded_word(text, "%", flags, false),
        _ => return composed(letter, flags, moment, fields, text),
    }
    true
}

fn composed(letter: char, flags: Flags, moment: Moment, fields: &Fields, text: &mut String) -> bool {
    let format = match letter {
        'c' => "%a %b %e %H:%M:%S %Y",
        'x' | 'D' => "%m/%d/%y",
        'X' | 'T' => "%H:%M:%S",
        'F' => "%Y-%m-%d",
        'R' => "%H:%M",
        'r' => "%I:%M:%S %p",
        _ => return false,
    };
    let mut inner = String::new();
    write_all(format, moment, fields, &mut inner);
    padded_word(text, &inner, flags, flags.upper);
    true
}

fn padded_number(text: &mut String, value: i64, width: usize, pad: char, flags: Flags) {
    let width = if flags.width > 0 { flags.width } else { width };
    // Writing to a text cannot fail.
    let _ = match flags.pad.unwrap_or(pad) {
        '-' => write!(text, "{value}"),
        '0' => write!(text, "{value:0width$}"),
        _ => write!(text, "{value:width$}"),
    };
}

fn padded_word(text: &mut String, word: &str, flags: Flags, upper: bool) {
    let pad = if flags.pad == Some('0') { '0' } else { ' ' };
    if flags.pad != Some('-') {
        text.extend(std::iter::repeat_n(pad, flags.width.saturating_sub(word.len())));
    }
    if upper { text.push_str(&word.to_uppercase()) } else { text.push_str(word) }
}

fn push(text: &mut String, value: i64, width: usize) {
    // Writing to a text cannot fail.
    let _ = write!(text, "{value:0width$}");
}

fn offset(moment: Moment, text: &mut String) {
    if moment.zone() == Zone::Naive {
        return;
    }
    let seconds = i64::from(moment.offset_seconds());
    text.push(if seconds < 0 { '-' } else { '+' });
    push(text, seconds.abs() / 3600, 2);
    push(text, seconds.abs() / 60 % 60, 2);
    if seconds % 60 != 0 {
        push(text, seconds.abs() % 60, 2);
    }
}

/// The zone's name as Python gives it.
pub(crate) fn zone_name(moment: Moment) -> String {
    match moment.zone() {
        Zone::Naive => String::new(),
        Zone::Utc | Zone::NamedUtc => "UTC".to_owned(),
        Zone::Offset(seconds) => {
            let (sign, seconds) = (if seconds < 0 { '-' } else { '+' }, seconds.abs());
            let rest = if seconds % 60 == 0 { String::new() } else { format!(":{:02}", seconds % 60) };
            format!("UTC{sign}{:02}:{:02}{rest}", seconds / 3600, seconds / 60 % 60)
        }
    }
}
