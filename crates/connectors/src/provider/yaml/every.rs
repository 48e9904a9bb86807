//! Every mistake of a document's shape, not the first one only: what is wrong is left out, and the rest is read again.

use domain::suggest::nearest;
use serde::de::DeserializeOwned;
use serde_saphyr::Error;

use super::tree::{self, Line, Node, Part};
use super::{Mistake, place_of, read};

/// More are told after these are put right.
const MISTAKES_MAX: usize = 50;
/// Readings of one document: a mistake takes its own, one of what stands in for it, and one of each part around it.
const ROUNDS_MAX: usize = MISTAKES_MAX * 8;

/// All that is wrong with a document that `first` was found in, in the order of its lines. Never empty.
pub(super) fn mistakes<T: DeserializeOwned>(text: &str, first: &Error) -> Vec<Mistake> {
    let mut found = Vec::new();
    if let Some(tree) = tree::read(text, &mut found) {
        of_tree::<T>(tree, &mut found);
    }
    if found.is_empty() {
        found.push(Mistake::of(first, place_of(first)));
    }
    found.sort_by_key(|mistake| mistake.place);
    found.truncate(MISTAKES_MAX);
    found
}

fn of_tree<T: DeserializeOwned>(mut tree: Node, found: &mut Vec<Mistake>) {
    for _ in 0..ROUNDS_MAX {
        let (text, lines) = tree.write();
        let Err(error) = read::<T>(&text) else { return };
        let line = place_of(&error).line.saturating_sub(1) as usize;
        if found.len() > MISTAKES_MAX || !lines.get(line).is_some_and(|line| put_right(&mut tree, line, &error, found))
        {
            return;
        }
    }
}

/// Notes a mistake, unless it only follows from an earlier one, and changes the tree so that others are found. Gives
/// whether it could.
fn put_right(tree: &mut Node, line: &Line, error: &Error, found: &mut Vec<Mistake>) -> bool {
    match error.without_snippet() {
        Error::SerdeMissingField { field, .. } => missing(tree, line.mapping(), field, error, found),
        Error::SerdeUnknownField { field, expected, .. } => {
            let known = nearest(field, expected.iter().copied());
            let taken = known.is_some_and(|known| tree.at(line.mapping()).has(known));
            let Some(part) = tree.part(&line.path) else { return false };
            found.push(Mistake::of(error, part.place));
            match known.filter(|_| !taken) {
                // As it was meant, so that what stands there is read too.
                Some(known) => known.clone_into(&mut part.key),
                None => part.left_out = true,
            }
            true
        }
        _ => {
            let node = tree.at(&line.path);
            let (place, follows) = (node.place, node.parts().iter().any(|part| part.left_out));
            let Some(part) = tree.part(&line.path) else { return false };
            if !follows && !part.stands_in {
                found.push(Mistake::of(error, place));
            }
            part.left_out = true;
            true
        }
    }
}

/// Something stands in for what is missing, until it turns out that it cannot; then what misses it is left out.
fn missing(tree: &mut Node, path: &[usize], field: &str, error: &Error, found: &mut Vec<Mistake>) -> bool {
    let node = tree.at(path);
    if node.parts().iter().any(|part| part.left_out && part.key == field) {
        return tree.part(path).is_some_and(|part| {
            part.left_out = true;
            true
        });
    }
    found.push(Mistake::of(error, node.place));
    tree.at_mut(path).is_some_and(|node| node.add(Part::standing_in(field, node.place)))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::provider::recipe::Recipe;
    use crate::provider::spec::RecipeSpec;

    fn catalogue() -> Vec<(String, String)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../catalogue/providers");
        let files = std::fs::read_dir(folder).expect("the catalogue").map(|entry| entry.expect("an entry").path());
        let recipes = files.filter(|path| path.extension().is_some_and(|extension| extension == "yaml"));
        let text = |path: &Path| std::fs::read_to_string(path).expect("text");
        let found: Vec<_> = recipes.map(|path| (path.display().to_string(), text(&path))).collect();
        assert!(found.len() >= 100);
        found
    }

    /// All that a recipe says, but for where it says it.
    fn without_places(spec: &RecipeSpec) -> String {
        let shown = format!("{spec:?}");
        let (mut text, mut rest) = (String::new(), shown.as_str());
        while let Some((before, after)) = rest.split_once("Location {") {
            let mut depth = 1;
            let end = after.find(|sign| {
                depth += i32::from(sign == '{') - i32::from(sign == '}');
                depth == 0
            });
            text.push_str(before);
            rest = &after[end.expect("it is closed")..];
        }
        text + rest
    }

    #[test]
    fn what_is_right_is_right_when_it_is_written_out_again() {
        for (file, text) in catalogue() {
            let (first, _) = text.split_once("\n---\n").expect("two documents");
            let mut mistakes = Vec::new();
            let tree = tree::read(first, &mut mistakes).unwrap_or_else(|| panic!("{file} is no tree"));
            assert!(mistakes.is_empty(), "{file}");
            let spec = read::<RecipeSpec>(&tree.write().0).unwrap_or_else(|error| panic!("{file}: {error}"));
            let direct = read::<RecipeSpec>(first).expect("it is right");
            assert_eq!(without_places(&spec), without_places(&direct), "{file}");
        }
    }

    #[test]
    fn one_slip_in_any_recipe_is_one_mistake_at_its_place() {
        for (file, text) in catalogue() {
            for (right, wrong) in
                [("\ntitle:", "\ntitel:"), ("\nfacts:", "\nhue: 1\nfacts:"), ("\n  as_of: ", "\n  as_of: [] #")]
            {
                let slipped = text.replacen(right, wrong, 1);
                assert_ne!(slipped, text, "{file} has no {right}");
                let errors = Recipe::from_yaml("a.yaml", &slipped).expect_err("it is wrong").0;
                let before = text.split(right).next().expect("it is there");
                let line = before.lines().count() as u64 + 1;
                assert_eq!(
                    errors.iter().map(|error| error.place.line).collect::<Vec<_>>(),
                    [line],
                    "{file}: {errors:?}"
                );
            }
        }
    }
}
