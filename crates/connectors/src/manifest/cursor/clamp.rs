//! Moves the borders of windows to whole days, weeks or months, for sources that only take those.

use jiff::civil::Weekday;

use crate::manifest::expression::dates::Period;
use crate::manifest::node::{Node, Read};
use crate::manifest::problem::{Fault, Problem};
use crate::manifest::scope::Scope;
use crate::manifest::setting::Setting;

use super::error::CursorError;
use super::point::{MICROS_PER_DAY, MICROS_PER_SECOND, Point, exactly};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clamp {
    #[default]
    None,
    Day,
    /// Weeks that start on the given day.
    Week(Weekday),
    Month,
}

impl Clamp {
    /// The border at or after the point. On the first day of a week or month it is that day's midnight, even if the
    /// point is later: that is how the format has it.
    #[must_use]
    pub fn up(self, point: Point) -> Point {
        let midnight = point.midnight();
        match self {
            Self::None => point,
            Self::Day if midnight == point => point,
            Self::Day => moved(midnight, 1),
            Self::Week(day) => moved(midnight, days_to(day, midnight)),
            Self::Month if midnight.civil().day() == 1 => midnight,
            Self::Month => first_of_next_month(midnight),
        }
    }

    /// The border at or before the point.
    #[must_use]
    pub fn down(self, point: Point) -> Point {
        let midnight = point.midnight();
        match self {
            Self::None => point,
            Self::Day => midnight,
            Self::Week(day) => moved(midnight, -(7 - days_to(day, midnight)) % 7),
            Self::Month => first_of_month(midnight),
        }
    }

    /// How far before the border the last window ends where the cursor names no granularity.
    #[must_use]
    pub fn unit(self) -> Period {
        match self {
            Self::None => exactly(0),
            Self::Day => exactly(MICROS_PER_SECOND),
            Self::Week(_) | Self::Month => exactly(MICROS_PER_DAY),
        }
    }
}

/// At the edges of the calendar a border stays where it is.
fn moved(point: Point, days: i64) -> Point {
    point.plus_days(days).unwrap_or(point)
}

/// Days until the next such weekday; 0 on the day itself.
fn days_to(day: Weekday, point: Point) -> i64 {
    let today = i64::from(point.civil().weekday().to_monday_zero_offset());
    (i64::from(day.to_monday_zero_offset()) - today).rem_euclid(7)
}

fn first_of_month(midnight: Point) -> Point {
    moved(midnight, 1 - i64::from(midnight.civil().day()))
}

fn first_of_next_month(midnight: Point) -> Point {
    let date = midnight.civil().date();
    moved(midnight, i64::from(date.days_in_month() - date.day()) + 1)
}

/// `clamping` as the manifest writes it.
#[derive(Clone, Debug)]
pub(crate) struct Clamping {
    target: Setting,
    weekday: Option<Weekday>,
}

impl Clamping {
    pub fn evaluate(&self, scope: &Scope<'_>) -> Result<Clamp, CursorError> {
        let option = "clamping";
        let target = self.target.text(scope).map_err(|failure| CursorError::Template { option, failure })?;
        match (target.as_str(), self.weekday) {
            ("DAY", _) => Ok(Clamp::Day),
            ("MONTH", _) => Ok(Clamp::Month),
            ("WEEK", Some(weekday)) => Ok(Clamp::Week(weekday)),
            ("WEEK", None) => {
                Err(CursorError::Option { option, expects: "given a weekday in target_details for WEEK" })
            }
            _ => Err(CursorError::Option { option, expects: "DAY, WEEK or MONTH" }),
        }
    }
}

impl Read for Clamping {
    fn read(node: &Node) -> Result<Self, Problem> {
        let details = node.get("target_details");
        let weekday: Option<String> = details.as_ref().map_or(Ok(None), |details| details.maybe("weekday"))?;
        let weekday = weekday.map(|name| weekday_named(&name).ok_or_else(|| unknown_weekday(node, &name)));
        Ok(Self { target: node.need("target")?, weekday: weekday.transpose()? })
    }
}

fn weekday_named(name: &str) -> Option<Weekday> {
    Some(match name {
        "MONDAY" => Weekday::Monday,
        "TUESDAY" => Weekday::Tuesday,
        "WEDNESDAY" => Weekday::Wednesday,
        "THURSDAY" => Weekday::Thursday,
        "FRIDAY" => Weekday::Friday,
        "SATURDAY" => Weekday::Saturday,
        "SUNDAY" => Weekday::Sunday,
        _ => return None,
    })
}

fn unknown_weekday(node: &Node, name: &str) -> Problem {
    node.problem(Fault::Wrong, format!("'weekday' must be MONDAY to SUNDAY, not '{name}'"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::expression::dates::{Moment, Zone};

    fn point(text: &str) -> Point {
        let wall = text.parse::<jiff::civil::DateTime>().unwrap();
        Point::new(Moment { wall: Offset::UTC.to_timestamp(wall).unwrap().as_microsecond(), zone: Zone::Utc })
    }

    use jiff::tz::Offset;

    /// Point, then what the reference implementation makes of it: day, month, week from Monday, week from Sunday, up and
    /// then down.
    const OBSERVED: [[&str; 9]; 7] = [
        [
            "2024-02-28T10:30",
            "2024-02-29",
            "2024-03-01",
            "2024-03-04",
            "2024-03-03",
            "2024-02-28",
            "2024-02-01",
            "2024-02-26",
            "2024-02-25",
        ],
        [
            "2024-03-01T00:00",
            "2024-03-01",
            "2024-03-01",
            "2024-03-04",
            "2024-03-03",
            "2024-03-01",
            "2024-03-01",
            "2024-02-26",
            "2024-02-25",
        ],
        [
            "2024-03-01T10:00",
            "2024-03-02",
            "2024-03-01",
            "2024-03-04",
            "2024-03-03",
            "2024-03-01",
            "2024-03-01",
            "2024-02-26",
            "2024-02-25",
        ],
        [
            "2024-12-31T23:59:59",
            "2025-01-01",
            "2025-01-01",
            "2025-01-06",
            "2025-01-05",
            "2024-12-31",
            "2024-12-01",
            "2024-12-30",
            "2024-12-29",
        ],
        [
            "2024-07-15T00:00",
            "2024-07-15",
            "2024-08-01",
            "2024-07-15",
            "2024-07-21",
            "2024-07-15",
            "2024-07-01",
            "2024-07-15",
            "2024-07-14",
        ],
        [
            "2024-07-17T05:00",
            "2024-07-18",
            "2024-08-01",
            "2024-07-22",
            "2024-07-21",
            "2024-07-17",
            "2024-07-01",
            "2024-07-15",
            "2024-07-14",
        ],
        [
            "2024-07-14T00:00:00.000001",
            "2024-07-15",
            "2024-08-01",
            "2024-07-15",
            "2024-07-14",
            "2024-07-14",
            "2024-07-01",
            "2024-07-08",
            "2024-07-14",
        ],
    ];

    #[test]
    fn borders_are_those_of_the_reference() {
        let targets = [Clamp::Day, Clamp::Month, Clamp::Week(Weekday::Monday), Clamp::Week(Weekday::Sunday)];
        for [from, expected @ ..] in OBSERVED {
            let clamped = targets
                .iter()
                .map(|clamp| clamp.up(point(from)))
                .chain(targets.iter().map(|clamp| clamp.down(point(from))));
            let clamped: Vec<String> = clamped.map(|point| point.civil().date().to_string()).collect();
            assert_eq!(clamped, expected, "{from}");
        }
    }

    #[test]
    fn without_clamping_a_point_stays() {
        let at = point("2024-07-17T05:00:01");
        assert_eq!((Clamp::None.up(at), Clamp::None.down(at)), (at, at));
    }
}
