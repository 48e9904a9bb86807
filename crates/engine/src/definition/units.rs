//! Durations and sizes as people write them: `250ms`, `10s`, `24h`; `512KiB`, `25MiB`.

use std::time::Duration;

/// Longest duration that can be written: a hundred years, so that sums of times never overflow.
pub const DURATION_MAX: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

const DURATION_UNITS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60 * 1_000), ("h", 60 * 60 * 1_000), ("d", 24 * 60 * 60 * 1_000)];

const SIZE_UNITS: [(&str, u64); 4] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

/// A whole number and a unit, as `10s`. Several may follow each other, the largest first: `1h30m`.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let mut millis = 0u64;
    let mut rest = text;
    let mut unit_before = u64::MAX;
    while !rest.is_empty() {
        let (number, after) = leading_number(rest)?;
        let unit_end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let unit = unit_of(&DURATION_UNITS, &after[..unit_end]).filter(|unit| *unit < unit_before)?;
        millis = millis.checked_add(number.checked_mul(unit)?)?;
        unit_before = unit;
        rest = &after[unit_end..];
    }
    let duration = Duration::from_millis(millis);
    (!text.is_empty() && duration <= DURATION_MAX).then_some(duration)
}

/// The shortest text that [`parse_duration`] reads back as this, to the millisecond.
#[must_use]
pub fn print_duration(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    print_in(&DURATION_UNITS, millis, "s")
}

/// A whole number and a unit of 1,024 steps, as `25MiB`.
#[must_use]
pub fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = leading_number(text)?;
    number.checked_mul(unit_of(&SIZE_UNITS, unit)?)
}

/// The shortest text that [`parse_size`] reads back as this.
#[must_use]
pub fn print_size(bytes: u64) -> String {
    print_in(&SIZE_UNITS, bytes, "B")
}

fn leading_number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}

fn unit_of(units: &[(&str, u64)], name: &str) -> Option<u64> {
    units.iter().find(|(unit, _)| *unit == name).map(|(_, size)| *size)
}

/// In the largest unit that divides it.
fn print_in(units: &[(&str, u64)], amount: u64, zero_unit: &str) -> String {
    let fitting = units.iter().rev().find(|(_, size)| amount > 0 && amount.is_multiple_of(*size));
    match fitting {
        Some((unit, size)) => format!("{}{unit}", amount / size),
        None => format!("0{zero_unit}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_numbers_with_units() {
        for (text, millis) in [
            ("0s", Some(0)),
            ("250ms", Some(250)),
            ("10s", Some(10_000)),
            ("5m", Some(300_000)),
            ("1h30m", Some(5_400_000)),
            ("24h", Some(86_400_000)),
            ("7d", Some(604_800_000)),
            ("", None),
            ("10", None),
            ("s", None),
            ("10 s", None),
            ("-1s", None),
            ("1.5s", None),
            ("30m1h", None),
            ("1s1s", None),
            ("1w", None),
            ("99999999999999999999s", None),
            ("1000000d", None),
        ] {
            assert_eq!(parse_duration(text).map(|duration| duration.as_millis()), millis, "{text}");
        }
    }

    #[test]
    fn sizes_are_numbers_with_binary_units() {
        for (text, bytes) in [
            ("0B", Some(0)),
            ("512B", Some(512)),
            ("25MiB", Some(25 << 20)),
            ("25 MiB", None),
            ("1GiB", Some(1 << 30)),
            ("25", None),
            ("25MB", None),
            ("25mib", None),
            ("99999999999GiB", None),
        ] {
            assert_eq!(parse_size(text), bytes, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(millis in 0..DURATION_MAX.as_millis() as u64, bytes: u64) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse_duration(&print_duration(duration)), Some(duration));
            prop_assert_eq!(parse_size(&print_size(bytes)), Some(bytes));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
            let _ = (parse_duration(&text), parse_size(&text));
        }
    }
}
