//! What paths find, take, remove and set. The expected values were observed in the reference implementation (7.39.1).

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn path(names: &[&str]) -> Path {
    Path::of(names)
}

fn document() -> Json {
    json!({
        "a": { "b": 1, "c": [ { "x": 1 }, { "x": 2, "y": 3 } ] },
        "ab": { "x": 4 },
        "1": "one",
        "list": [10, 20, 30],
    })
}

#[test]
fn every_value_at_a_path_is_found_in_the_order_of_the_document() {
    for (names, expected) in [
        (&["a", "b"][..], json!([1])),
        (&["a", "c", "*", "x"], json!([1, 2])),
        (&["a", "*", "1"], json!([{ "x": 2, "y": 3 }])),
        (&["a*", "x"], json!([4])),
        (&["a?", "x"], json!([4])),
        (&["[!a]*", "*"], json!([10, 20, 30])),
        (&["[0-9]"], json!(["one"])),
        (&["[", "x"], json!([])),
        (&["list", "-1"], json!([30])),
        (&["list", "3"], json!([])),
        (&["**", "x"], json!([1, 2, 4])),
        (&["a", "**", "x"], json!([1, 2])),
        (&["a", "c", "**"], json!([[{ "x": 1 }, { "x": 2, "y": 3 }], { "x": 1 }, { "x": 2, "y": 3 }, 1, 2, 3])),
        (&["**", "c", "**"], json!([])),
        (&["1", "x"], json!([])),
        (&[], json!([])),
    ] {
        let found: Vec<Json> = path(names).all(&document()).into_iter().cloned().collect();
        assert_eq!(Json::Array(found), expected, "{names:?}");
    }
}

#[test]
fn the_one_value_at_a_path_is_found_unless_there_are_more() {
    let document = document();
    assert_eq!(path(&["a", "b"]).one(&document), Ok(Some(&json!(1))));
    assert_eq!(path(&["1"]).one(&document), Ok(Some(&json!("one"))));
    assert_eq!(path(&["a", "missing"]).one(&document), Ok(None));
    assert_eq!(path(&["ab?"]).one(&document), Ok(None));
    assert_eq!(path(&["a?"]).one(&document), Ok(Some(&json!({ "x": 4 }))));
    assert_eq!(path(&["a*"]).one(&document), Err(Ambiguous));
    assert_eq!(path(&[]).one(&document), Ok(Some(&document)));
}

#[test]
fn what_a_template_evaluates_to_a_number_is_an_index_and_never_a_name() {
    let document = json!({ "1": "name", "list": ["zero", "one"] });
    let at = |steps: &[Json]| Path::evaluated(steps).one(&document).map(|found| found.cloned());
    assert_eq!(at(&[json!(1)]), Ok(None));
    assert_eq!(at(&[json!("1")]), Ok(Some(json!("name"))));
    for index in [json!(1), json!("1"), json!(true), json!(1.5), json!(-1)] {
        assert_eq!(at(&[json!("list"), index.clone()]), Ok(Some(json!("one"))), "{index}");
    }
    for nothing in [json!(null), json!([]), json!(2), json!(i64::MIN)] {
        assert_eq!(at(&[json!("list"), nothing.clone()]), Ok(None), "{nothing}");
    }
}

#[test]
fn taking_moves_the_values_out_and_leaves_null() {
    let mut json = document();
    assert_eq!(path(&["a", "c", "*", "x"]).take(&mut json), [json!(1), json!(2)]);
    assert_eq!(json["a"]["c"], json!([{ "x": null }, { "x": null, "y": 3 }]));
    assert_eq!(path(&["list"]).take_one(&mut json), Ok(Some(json!([10, 20, 30]))));
    assert_eq!(path(&["a?"]).take_one(&mut json), Ok(Some(json!({ "x": 4 }))));
    assert_eq!(path(&["missing"]).take_one(&mut json), Ok(None));
    assert_eq!((&json["list"], &json["ab"]), (&Json::Null, &Json::Null));
    assert_eq!(path(&["**", "y"]).take(&mut json), [json!(3)]);
    assert_eq!(json["a"]["c"][1]["y"], json!(3), "behind any number of steps values are copied");
}

#[test]
fn removing_keeps_the_places_of_a_list_but_for_its_last() {
    for (names, expected) in [
        (&["a", "c"][..], json!({ "a": { "b": 1 }, "ab": { "x": 4 }, "1": "one", "list": [10, 20, 30] })),
        (&["list", "0"], json!({ "a": document()["a"], "ab": { "x": 4 }, "1": "one", "list": [null, 20, 30] })),
        (&["list", "*"], json!({ "a": document()["a"], "ab": { "x": 4 }, "1": "one", "list": [null, null] })),
        (&["**", "x"], json!({ "a": { "b": 1, "c": [{}, { "y": 3 }] }, "ab": {}, "1": "one", "list": [10, 20, 30] })),
        (&["a*"], json!({ "1": "one", "list": [10, 20, 30] })),
        (&["missing"], document()),
        (&[], document()),
    ] {
        let mut json = document();
        path(names).remove(&mut json);
        assert_eq!(json, expected, "{names:?}");
    }
    let mut json = json!([[1, 2], [3]]);
    assert_eq!((path(&["-1", "**"]).remove(&mut json), json), (1, json!([[1, 2]])), "the end is that of before");
    let mut json = document();
    remove_leaves(&mut json, &mut |leaf| leaf.as_i64().is_some_and(|number| number < 5 || number == 30));
    assert_eq!(json, json!({ "a": { "c": [{}, {}] }, "ab": {}, "1": "one", "list": [10, 20] }));
}

#[test]
fn setting_makes_what_is_missing_on_the_way() {
    for (names, expected) in [
        (&["a", "b"][..], Ok(json!({ "a": { "b": "new", "list": [1] }, "null": null }))),
        (&["x", "y"], Ok(json!({ "a": { "b": 1, "list": [1] }, "null": null, "x": { "y": "new" } }))),
        (&["x", "2"], Ok(json!({ "a": { "b": 1, "list": [1] }, "null": null, "x": [null, null, "new"] }))),
        (&["a", "list", "0"], Ok(json!({ "a": { "b": 1, "list": ["new"] }, "null": null }))),
        (&["a", "list", "1", "z"], Ok(json!({ "a": { "b": 1, "list": [1, { "z": "new" }] }, "null": null }))),
        (&["*"], Ok(json!({ "a": { "b": 1, "list": [1] }, "null": null, "*": "new" }))),
        (&["a", "b", "c"], Err(Blocked)),
        (&["null", "c"], Err(Blocked)),
        (&["a", "list", "x"], Err(Blocked)),
        (&["a", "list", "99999999"], Err(Blocked)),
        (&[], Err(Blocked)),
    ] {
        let mut record = Map::from_iter([("a".into(), json!({ "b": 1, "list": [1] })), ("null".into(), Json::Null)]);
        let set = set(&mut record, names, "new".into()).map(|()| Json::Object(record));
        assert_eq!(set, expected, "{names:?}");
    }
}

#[test]
fn the_elements_of_lists_at_a_path_are_moved_out() {
    let mut json = json!({ "a": [{ "l": [1, 2] }, { "l": "no list" }, { "l": [3] }] });
    let lists = path(&["a", "*", "l"]);
    assert_eq!(lists.list_items(&json), [json!(1), json!(2), json!(3)]);
    assert_eq!(lists.take_list_items(&mut json), [json!(1), json!(2), json!(3)]);
    assert_eq!(json, json!({ "a": [{ "l": [] }, { "l": "no list" }, { "l": [] }] }));
}

fn arbitrary_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![Just(Json::Null), (0..9_u8).prop_map(Json::from), "[a-c]{0,2}".prop_map(Json::from)];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::vec(("[a-c1]{1,2}", inner), 0..4)
                .prop_map(|fields| Json::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn taking_gives_what_finding_shows_and_removing_leaves_none_of_it(
        json in arbitrary_json(),
        names in prop::collection::vec("[a-c1]|\\*|a\\*|\\?|\\[ab\\]|\\*\\*|-1|", 1..4),
    ) {
        let path = Path::of(&names);
        let found: Vec<Json> = path.all(&json).into_iter().cloned().collect();
        let mut taken_from = json.clone();
        prop_assert_eq!(&path.take(&mut taken_from), &found);
        let mut removed_from = json.clone();
        let removed = path.remove(&mut removed_from);
        prop_assert!(removed <= found.len());
        prop_assert_eq!(removed == 0, found.is_empty());
        if found.is_empty() {
            prop_assert_eq!(&removed_from, &json);
        }
        match path.one(&json) {
            Ok(one) => prop_assert_eq!(one.into_iter().collect::<Vec<_>>(), found.iter().collect::<Vec<_>>()),
            Err(Ambiguous) => prop_assert!(found.len() > 1),
        }
    }

    #[test]
    fn what_is_set_is_found(mut record in prop::collection::vec(("[a-c]", arbitrary_json()), 0..3), names in prop::collection::vec("[a-c]|[0-3]", 1..4)) {
        let mut record: Map<String, Json> = record.drain(..).collect();
        if set(&mut record, &names, json!("new")).is_ok() {
            let record = Json::Object(record);
            prop_assert_eq!(Path::of(&names).one(&record), Ok(Some(&json!("new"))));
        }
    }

    #[test]
    fn a_pattern_takes_no_time_to_speak_of(text in "a{0,200}") {
        let mut document = Map::new();
        document.insert(text, Json::Null);
        let found = Path::of(&["*a*a*a*a*a*a*a*a*b"]).all(&Json::Object(document.clone())).len();
        prop_assert_eq!(found, 0);
    }
}
