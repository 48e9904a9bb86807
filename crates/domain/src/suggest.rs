//! "Did you mean": the known word that somebody probably wanted to write.

/// The nearest of `known` to `word`, if it is near enough to be a slip: a third of the letters, at least one.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    /// Longer words are no slip of a short one, and the distance costs the product of the lengths.
    const WORD_CHARS_MAX: usize = 64;
    let letters = word.chars().count();
    if letters > WORD_CHARS_MAX {
        return None;
    }
    let folded = fold(word);
    let allowed = (letters / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (distance(&folded, &fold(candidate)), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Case, '-' and '_' are what people mix up first.
fn fold(word: &str) -> Vec<char> {
    word.chars().map(|letter| if letter == '-' { '_' } else { letter.to_ascii_lowercase() }).collect()
}

/// Edits from one to the other: a letter put in, left out, replaced, or swapped with its neighbour.
fn distance(from: &[char], to: &[char]) -> usize {
    let width = to.len() + 1;
    let mut before: Vec<usize> = vec![0; width];
    let mut above: Vec<usize> = (0..width).collect();
    for (row, &letter) in from.iter().enumerate() {
        let mut line = vec![row + 1; width];
        for (column, &other) in to.iter().enumerate() {
            let replaced = above[column] + usize::from(letter != other);
            let mut best = replaced.min(above[column + 1] + 1).min(line[column] + 1);
            if row > 0 && column > 0 && letter == to[column - 1] && from[row - 1] == other {
                best = best.min(before[column - 1] + 1);
            }
            line[column + 1] = best;
        }
        before = std::mem::replace(&mut above, line);
    }
    above[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
        let known = ["secret", "provider", "publish", "rate_limit", "to"];
        for (word, meant) in [
            ("secrt", Some("secret")),
            ("Secret", Some("secret")),
            ("sercet", Some("secret")),
            ("rate-limit", Some("rate_limit")),
            ("ratelimit", Some("rate_limit")),
            ("providers", Some("provider")),
            ("too", Some("to")),
            ("colour", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), meant, "{word}");
        }
    }

    #[test]
    fn a_swap_is_one_edit() {
        let chars = |word: &str| word.chars().collect::<Vec<_>>();
        assert_eq!(distance(&chars("ab"), &chars("ba")), 1);
        assert_eq!(distance(&chars("kitten"), &chars("sitting")), 3);
        assert_eq!(distance(&chars(""), &chars("abc")), 3);
    }
}
