//! Small charts, drawn here: bars over time, the failed part of each in its own colour, and a title that says it.

use std::fmt::Write as _;

use maud::{Markup, html};

const HEIGHT: f64 = 40.0;

/// Bars, the oldest first, each with how many and how many of them failed. `title` says what is counted, over what.
pub(crate) fn bars(title: &str, bars: &[(u64, u64)]) -> Markup {
    let most = bars.iter().map(|(count, _)| *count).max().unwrap_or(0);
    html! {
        svg.chart viewBox={ "0 0 " (bars.len() * 4) " " (HEIGHT) } preserveAspectRatio="none" role="img" aria-label={ (title) "; the most was " (most) } {
            @if most > 0 {
                path d=(drawn(bars.iter().map(|(count, _)| *count), most)) {}
                @if bars.iter().any(|(_, failed)| *failed > 0) {
                    path.bad d=(drawn(bars.iter().map(|(_, failed)| *failed), most)) {}
                }
            }
        }
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
    fn a_chart_of_nothing_is_empty_and_a_large_one_is_small() {
        assert!(!bars("Nothing", &[(0, 0); 60]).into_string().contains("path"));
        let many: Vec<_> = (0..60).map(|index| (index * 1_000_000_007, index)).collect();
        assert!(bars("Many", &many).into_string().len() < 2_500);
    }
}
