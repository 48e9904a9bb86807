//! Times and durations as people say them.

use std::time::Duration;

use domain::Timestamp;
use maud::{Markup, Render, html};

/// A time as people say it, the exact one on hover.
pub(crate) struct Ago {
    pub(crate) at: Timestamp,
    pub(crate) now: Timestamp,
}

impl Render for Ago {
    fn render(&self) -> Markup {
        let text = if self.at > self.now {
            format!("in {}", rough(self.at.since(self.now)))
        } else {
            format!("{} ago", rough(self.now.since(self.at)))
        };
        let exact = self.at.to_string();
        html! { time datetime=(exact) title=(exact) { (text) } }
    }
}

/// The same of something that may not have happened.
pub(crate) fn ago(at: Option<Timestamp>, now: Timestamp) -> Markup {
    html! { @if let Some(at) = at { (Ago { at, now }) } @else { span.dim { "never" } } }
}

/// A duration by its largest unit.
pub(crate) fn rough(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => "under a second".to_owned(),
        1..=89 => format!("{seconds} s"),
        90..=5_399 => format!("{} min", seconds.div_ceil(60).max(2)),
        5_400..=129_599 => format!("{} h", (seconds + 1_800) / 3_600),
        _ => format!("{} d", (seconds + 43_200) / 86_400),
    }
}

/// How long something took.
pub(crate) fn took(duration: Duration) -> String {
    match duration.as_micros() {
        0..=9_999 => format!("{:.1} ms", duration.as_secs_f64() * 1_000.0),
        10_000..=999_999 => format!("{:.0} ms", duration.as_secs_f64() * 1_000.0),
        1_000_000..=99_999_999 => format!("{:.1} s", duration.as_secs_f64()),
        _ => rough(duration),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_told_by_their_largest_unit() {
        for (seconds, text) in [
            (0, "under a second"),
            (1, "1 s"),
            (89, "89 s"),
            (90, "2 min"),
            (5_399, "90 min"),
            (5_400, "2 h"),
            (86_400 * 3, "3 d"),
        ] {
            assert_eq!(rough(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn what_something_took_is_told_as_finely_as_it_matters() {
        for (micros, text) in
            [(340, "0.3 ms"), (12_400, "12 ms"), (2_340_000, "2.3 s"), (180_000_000, "3 min"), (0, "0.0 ms")]
        {
            assert_eq!(took(Duration::from_micros(micros)), text);
        }
    }

    #[test]
    fn the_future_and_the_past_are_told_apart() {
        let (at, now) = (Timestamp::from_secs(100), Timestamp::from_secs(130));
        assert!(Ago { at, now }.render().into_string().contains("30 s ago"));
        assert!(Ago { at: now, now: at }.render().into_string().contains("in 30 s"));
        assert!(ago(None, now).into_string().contains("never"));
    }
}
