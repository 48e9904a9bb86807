//! A glance never says anything but what the format's own reader says.

use proptest::prelude::*;

use super::*;
use crate::manifest::expression::dates::Format;

const FORMATS: [&str; 12] = [
    "%Y-%m-%dT%H:%M:%SZ",
    "%Y-%m-%dT%H:%M:%S%z",
    "%Y-%m-%dT%H:%M:%S.%fZ",
    "%Y-%m-%dT%H:%M:%S.%f%z",
    "%Y-%m-%dT%H:%M:%S.%_msZ",
    "%Y-%m-%d",
    "%Y-%m-%d %H:%M:%S",
    "%Y%m%d%H%M%S",
    "%d/%m/%Y",
    "%s",
    "%ms",
    "%epoch_microseconds",
];

const TEXTS: [&str; 28] = [
    "2024-02-29T23:59:59Z",
    "2023-02-29T23:59:59Z",
    "2024-13-01T00:00:00Z",
    "2024-00-10T00:00:00Z",
    "2024-01-01T24:00:00Z",
    "2024-01-01T00:60:00Z",
    "2024-01-01T00:00:60Z",
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "2024-01-01T00:00:00+0530",
    "2024-01-01T00:00:00-05:30",
    "2024-01-01T00:00:00+2400",
    "2024-01-01T00:00:00.5Z",
    "2024-01-01T00:00:00.123456+01:00",
    "2024-01-01T00:00:00.1234567Z",
    "2024-01-01T00:00:00.Z",
    "2024-1-1T0:0:0Z",
    "2024-01-01t00:00:00z",
    "2024-01-01",
    "2024-01-01 10:11:12",
    "20240101101112",
    "29/02/2024",
    "1700000000",
    "-1",
    "253402300800",
    "",
    "1700000000123456",
];

/// A glance may leave it open, but what it says is what the format's own reader says.
fn agrees(format: &str, text: &str) -> bool {
    let slow = Format::new(format).parse(text);
    match Quick::of(format).unwrap().read(text.as_bytes()) {
        Glance::Is(moment) => slow.is_ok_and(|slow| slow == moment),
        Glance::IsNot => slow.is_err(),
        Glance::Unsure => true,
    }
}

#[test]
fn what_is_read_quickly_is_read_right() {
    for format in FORMATS {
        for text in TEXTS {
            assert!(agrees(format, text), "{text} as {format}");
        }
    }
}

#[test]
fn the_usual_dates_are_read_quickly() {
    let cases = [
        ("%Y-%m-%dT%H:%M:%SZ", "2024-02-29T23:59:59Z"),
        ("%Y-%m-%dT%H:%M:%S%z", "2024-02-29T23:59:59+01:00"),
        ("%Y-%m-%dT%H:%M:%S.%f%z", "2024-02-29T23:59:59.123Z"),
        ("%Y-%m-%d", "2024-02-29"),
        ("%s", "1700000000"),
        ("%ms", "1700000000123"),
    ];
    for (format, text) in cases {
        let glance = Quick::of(format).unwrap().read(text.as_bytes());
        assert!(matches!(glance, Glance::Is(_)), "{text} as {format}");
    }
}

#[test]
fn texts_of_another_usual_format_are_told_at_once() {
    let texts = ["2024-02-29T23:59:59Z", "2024-02-29", "1700000000", "2024-02-29T23:59:59.123Z"];
    let formats = ["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d", "%s", "%Y-%m-%dT%H:%M:%S.%fZ"];
    for (at, text) in texts.into_iter().enumerate() {
        for (of, format) in formats.into_iter().enumerate() {
            let is_other = Quick::of(format).unwrap().read(text.as_bytes()) == Glance::IsNot;
            assert_eq!(is_other, at != of, "{text} as {format}");
        }
    }
}

#[test]
fn formats_with_other_fields_are_left_to_their_reader() {
    for format in ["%b %d, %Y", "%I:%M %p", "%H:%M", "%Y-%j", "%s_as_float", "%Y-%m", "%Y-%m-%d %Y"] {
        assert!(Quick::of(format).is_none(), "{format}");
    }
}

proptest! {
    #[test]
    fn any_text_near_a_date_is_read_right(
        text in "[0-9]{4}-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{0,7})?(Z|z|[+-][0-2][0-9]:?[0-6][0-9]|)",
    ) {
        for format in FORMATS {
            prop_assert!(agrees(format, &text), "{} as {}", text, format);
        }
    }

    #[test]
    fn any_text_is_read_right(text in "[0-9TZ:+./ -]{0,24}") {
        for format in FORMATS {
            prop_assert!(agrees(format, &text), "{} as {}", text, format);
        }
    }

    #[test]
    fn any_number_is_read_right(number in any::<i64>()) {
        for format in ["%s", "%ms", "%epoch_microseconds"] {
            prop_assert!(agrees(format, &number.to_string()), "{} as {}", number, format);
        }
    }
}
