//! Two texts line by line: what is the same, what is gone, what is new.

/// Lines of each text that are compared: the table has as many cells as their product.
const LINES_MAX: usize = 2_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'t> {
    Same(&'t str),
    Gone(&'t str),
    New(&'t str),
}

/// With as many lines kept as can be. Of texts that are too long, all lines are gone and new.
#[must_use]
pub fn difference<'t>(old: &'t str, new: &'t str) -> Vec<Line<'t>> {
    let (old, new): (Vec<_>, Vec<_>) = (old.lines().collect(), new.lines().collect());
    if old.len() > LINES_MAX || new.len() > LINES_MAX {
        return old.into_iter().map(Line::Gone).chain(new.into_iter().map(Line::New)).collect();
    }
    let kept = kept(&old, &new);
    let (mut at_old, mut at_new, mut lines) = (0, 0, Vec::new());
    while at_old < old.len() || at_new < new.len() {
        let (gone, come) = (old.get(at_old), new.get(at_new));
        match (gone, come) {
            (Some(gone), Some(come)) if gone == come => {
                lines.push(Line::Same(gone));
                (at_old, at_new) = (at_old + 1, at_new + 1);
            }
            (Some(gone), come) if come.is_none() || kept[at_old + 1][at_new] >= kept[at_old][at_new + 1] => {
                lines.push(Line::Gone(gone));
                at_old += 1;
            }
            (_, Some(come)) => {
                lines.push(Line::New(come));
                at_new += 1;
            }
            (_, None) => break,
        }
    }
    lines
}

/// How many lines can be kept from each pair of places on.
fn kept(old: &[&str], new: &[&str]) -> Vec<Vec<u16>> {
    let mut kept = vec![vec![0u16; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            kept[i][j] = if old[i] == new[j] { kept[i + 1][j + 1] + 1 } else { kept[i + 1][j].max(kept[i][j + 1]) };
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(old: &str, new: &str) -> String {
        let mark = |line: Line<'_>| match line {
            Line::Same(text) => format!(" {text}"),
            Line::Gone(text) => format!("-{text}"),
            Line::New(text) => format!("+{text}"),
        };
        difference(old, new).into_iter().map(mark).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn as_much_as_can_be_stays_the_same() {
        for (old, new, expected) in [
            ("", "", ""),
            ("a", "", "-a"),
            ("", "a", "+a"),
            ("a\nb\nc", "a\nb\nc", " a| b| c"),
            ("a\nb\nc", "a\nx\nc", " a|-b|+x| c"),
            ("a\nb\nc", "b\nc\nd", "-a| b| c|+d"),
        ] {
            assert_eq!(shown(old, new), expected, "{old:?} {new:?}");
        }
    }

    #[test]
    fn texts_that_are_too_long_are_gone_and_new() {
        let long = "x\n".repeat(LINES_MAX + 1);
        let lines = difference(&long, "x");
        assert_eq!(lines.len(), LINES_MAX + 2);
        assert_eq!(lines.last(), Some(&Line::New("x")));
    }
}
