//! How much work a regular expression can be: the library matches in time proportional to pattern times text, and
//! counted repetitions multiply the pattern (`(x{100}){100}` is 10,000 letters long).

/// What a class (`\w`, `[a-z]`, `.`) weighs: its states, roughly, in a Unicode text.
const CLASS_WEIGHT: usize = 8;

/// Heaviest pattern that is accepted at all.
pub(super) const PATTERN_WEIGHT_MAX: usize = 20_000;

/// The pattern's size with its repetitions written out.
pub(super) fn weight(pattern: &str) -> usize {
    let mut groups = vec![0usize];
    let mut last = 0usize;
    let mut chars = pattern.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '(' => {
                groups.push(0);
                continue;
            }
            ')' if groups.len() > 1 => last = groups.pop().unwrap_or(0),
            '{' => {
                let bounds: String = chars.by_ref().take_while(|char| *char != '}').collect();
                let times = bounds.split(',').filter_map(|bound| bound.trim().parse().ok()).max().unwrap_or(1usize);
                last = last.saturating_mul(times.saturating_sub(1));
            }
            '[' => {
                // Up to the closing bracket, which may be the first member of the class or escaped.
                let mut first = true;
                while let Some(member) = chars.next() {
                    match member {
                        '\\' => drop(chars.next()),
                        '^' if first => continue,
                        ']' if !first => break,
                        _ => {}
                    }
                    first = false;
                }
                last = CLASS_WEIGHT;
            }
            '\\' => last = if chars.next().is_some_and(char::is_alphabetic) { CLASS_WEIGHT } else { 1 },
            '.' => last = CLASS_WEIGHT,
            '*' | '+' | '?' | '|' | '^' | '$' => last = 1,
            _ => last = 1,
        }
        if let Some(sum) = groups.last_mut() {
            *sum = sum.saturating_add(last);
        }
    }
    groups.iter().fold(0, |sum: usize, group| sum.saturating_add(*group)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_are_written_out() {
        for (pattern, expected) in [
            ("abc", 3),
            ("a{10}", 10),
            ("a{2,10}", 10),
            ("(ab){5}", 10),
            ("(x{100}){100}y", 10_001),
            ("[a-z]{4}", 32),
            ("[]a]x", 9),
            (r"[\]]\d\.", 17),
            ("", 1),
        ] {
            assert_eq!(weight(pattern), expected, "{pattern}");
        }
        assert!(weight("((((a{1000}){1000}){1000}){1000}){1000}") > PATTERN_WEIGHT_MAX);
        assert!(weight(&"((".repeat(1000)) < PATTERN_WEIGHT_MAX);
    }
}
