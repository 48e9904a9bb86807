//! Days and fields of the proleptic Gregorian calendar, counted from 1970-01-01.

pub(crate) const DAY_MICROS: i64 = 86_400_000_000;
/// 0001-01-01 and 9999-12-31, the first and last day there is.
pub(crate) const DAY_MIN: i64 = -719_162;
pub(crate) const DAY_MAX: i64 = 2_932_896;

pub(crate) const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
pub(crate) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

pub(crate) fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

pub(crate) fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

/// The day's number; `None` if there is no such day.
pub(crate) fn day_number(year: i64, month: i64, day: i64) -> Option<i64> {
    let valid =
        (1..=9999).contains(&year) && (1..=12).contains(&month) && day >= 1 && day <= days_in_month(year, month);
    valid.then(|| days_before(year, month) + day - 1)
}

/// Days from 1970-01-01 to the first of a month. Years are counted from March, so that leap days come last.
fn days_before(year: i64, month: i64) -> i64 {
    let shifted = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * month_from_march + 2) / 5;
    shifted.div_euclid(400) * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Year, month and day of a day's number.
pub(crate) fn civil(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// 0 for Monday.
pub(crate) fn weekday(day: i64) -> i64 {
    (day + 3).rem_euclid(7)
}

/// 1 for January 1.
pub(crate) fn day_of_year(day: i64) -> i64 {
    let (year, _, _) = civil(day);
    day - days_before(year, 1) + 1
}

/// January 1 of a year, which may be one that no date is in.
pub(crate) fn new_year(year: i64) -> i64 {
    days_before(year, 1)
}

/// ISO year and week.
pub(crate) fn iso_week(day: i64) -> (i64, i64) {
    let thursday = day - weekday(day) + 3;
    let (year, _, _) = civil(thursday);
    (year, (day_of_year(thursday) - 1) / 7 + 1)
}
