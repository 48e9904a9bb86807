//! Small charts, drawn here: bars over time, the failed part of each in its own colour, and a title that says it.

use std::fmt::Write as _;
use std::time::Duration;

use maud::{Markup, html};

use super::time::took;

const HEIGHT: f64 = 40.0;

/// Bars, the oldest first, each with how many and how many of them failed. `title` says what is counted, over what.
pub(crate) fn bars(title: &str, bars: &[(u64, u64)]) -> Markup {
    let most = bars.iter().map(|(count, _)| *count).max().unwrap_or(0);
    let bad = bars.iter().any(|(_, failed)| *failed > 0);
    let paths = html! {
        @if most > 0 { path d=(drawn(bars.iter().map(|(count, _)| *count), most)) {} }
        @if bad { path.bad d=(drawn(bars.iter().map(|(_, failed)| *failed), most)) {} }
    };
    svg(&format!("{title}; the most was {most}"), bars.len(), &paths)
}

/// The same of durations, none of which is bad.
pub(crate) fn durations(title: &str, bars: &[Duration]) -> Markup {
    let most = bars.iter().max().copied().unwrap_or_default();
    let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    let paths = html! { @if !most.is_zero() { path d=(drawn(bars.iter().copied().map(micros), micros(most))) {} } };
    svg(&format!("{title}; the most was {}", took(most)), bars.len(), &paths)
}

fn svg(label: &str, bars: usize, paths: &Markup) -> Markup {
    html! {
        svg.chart viewBox={ "0 0 " (bars * 4) " " (HEIGHT) } preserveAspectRatio="none" role="img" aria-label=(label) { (paths) }
    }
}

/// One path for all bars: an element for each would make up most of the page.
fn drawn(values: impl Iterator<Item = u64>, most: u64) -> String {
    let mut path = String::new();
    for (index, value) in values.enumerate().filter(|(_, value)| *value > 0) {
        let height = (value as f64 / most as f64 * HEIGHT).max(1.0);
        // Writing to a String cannot fail.
        let _ = write!(path, "M{} {HEIGHT}v-{height:.1}", index * 4 + 2);
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_tells_how_much_and_how_much_of_it_failed() {
        let mut all = vec![(0, 0); 60];
        all[3] = (8, 2);
        let svg = bars("Tries by the minute", &all).into_string();
        assert!(svg.contains("Tries by the minute; the most was 8"), "{svg}");
        assert!(svg.contains(r#"d="M14 40v-40.0""#) && svg.contains(r#"class="bad" d="M14 40v-10.0""#), "{svg}");
    }

    #[test]
    fn a_chart_of_durations_says_the_longest_as_people_do() {
        let svg = durations("The oldest", &[Duration::ZERO, Duration::from_secs(90)]).into_string();
        assert!(svg.contains("the most was 90.0 s") && svg.contains(r#"d="M6 40v-40.0""#), "{svg}");
    }

    #[test]
    fn a_chart_of_nothing_is_empty_and_a_large_one_is_small() {
        assert!(!bars("Nothing", &[(0, 0); 60]).into_string().contains("path"));
        let many: Vec<_> = (0..60).map(|index| (index * 1_000_000_007, index)).collect();
        assert!(bars("Many", &many).into_string().len() < 2_500);
    }
}
