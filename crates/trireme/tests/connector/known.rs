//! Cases in which we differ from the reference and say why, in known.yaml. The list is exact: a case that is on it and
//! agrees is as wrong as one that differs and is not.

use std::collections::BTreeMap;

/// Case → reason.
pub type Known = BTreeMap<String, String>;

pub fn known() -> Known {
    let known: Option<Known> =
        serde_saphyr::from_str(include_str!("known.yaml")).expect("known.yaml maps case to reason");
    known.unwrap_or_default()
}

/// What is wrong with how the differing cases and the list fit, a paragraph each.
pub fn misfits(differing: &BTreeMap<String, Vec<String>>, ran: &[&str], known: &Known) -> Vec<String> {
    let unlisted = differing.iter().filter(|(case, _)| !known.contains_key(*case));
    let unlisted = unlisted.map(|(case, lines)| format!("{case} differs:\n    {}", lines.join("\n    ")));
    let listed = known.keys().filter(|case| ran.contains(&case.as_str()) && !differing.contains_key(*case));
    let listed = listed.map(|case| format!("{case} is in known.yaml and agrees: take it off"));
    unlisted.chain(listed).collect()
}

#[test]
fn the_list_is_exact_in_both_directions() {
    let list = |cases: &[&str]| cases.iter().map(|case| ((*case).to_owned(), "a reason".to_owned())).collect::<Known>();
    let differing = BTreeMap::from([("a".to_owned(), vec!["read.exit: 0 and 1".to_owned()])]);
    assert_eq!(misfits(&differing, &["a", "b"], &list(&["a"])), Vec::<String>::new());
    assert_eq!(misfits(&differing, &["a", "b"], &list(&[])), ["a differs:\n    read.exit: 0 and 1"]);
    assert_eq!(misfits(&differing, &["a", "b"], &list(&["a", "b"])), ["b is in known.yaml and agrees: take it off"]);
    assert_eq!(misfits(&differing, &["a"], &list(&["a", "b"])), Vec::<String>::new());
}
