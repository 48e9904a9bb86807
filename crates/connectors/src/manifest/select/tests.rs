//! Which records come out of pages. The expected values were observed in the reference implementation (7.39.1).

use serde_json::{Value as Json, json};

use super::*;
use crate::manifest::node::Document;

fn try_selector(written: &Json) -> Result<Selector, Problem> {
    Document::from_json(&json!({ "type": "SimpleRetriever", "record_selector": written }))
        .root()
        .need("record_selector")
}

fn selector(written: &Json) -> Selector {
    try_selector(written).expect("a selector")
}

/// A selector with this extractor.
fn extracting(extractor: &Json) -> Selector {
    selector(&json!({ "type": "RecordSelector", "extractor": extractor }))
}

fn dpath(path: &Json) -> Json {
    json!({ "type": "DpathExtractor", "field_path": path })
}

fn with_scope<T>(then: impl FnOnce(&Scope<'_>) -> T) -> T {
    let config = json!({ "root": "data", "least": 2 });
    then(&Scope::new(&config, jiff::Timestamp::UNIX_EPOCH).no_slice())
}

fn select(selector: &Selector, page: &Json) -> Result<Selected, RecordError> {
    with_scope(|scope| selector.records(&mut [page.clone()], scope, &Schema::default()))
}

fn records(selector: &Selector, page: &Json) -> Json {
    Json::Array(select(selector, page).expect("records").records)
}

fn transformations(written: &Json) -> Vec<Transformation> {
    let document = Document::from_json(&json!({ "type": "DeclarativeStream", "transformations": written }));
    document.root().need("transformations").expect("transformations")
}

#[test]
fn a_path_leads_to_a_list_of_records_to_one_or_to_none() {
    for (path, page, expected) in [
        (json!(["data"]), json!({ "data": [{ "a": 1 }, { "a": 2 }] }), json!([{ "a": 1 }, { "a": 2 }])),
        (json!(["data"]), json!({ "data": { "a": 1 } }), json!([{ "a": 1 }])),
        (json!(["data"]), json!({ "data": {} }), json!([])),
        (json!(["data"]), json!({ "data": null }), json!([])),
        (json!(["data"]), json!({ "data": "" }), json!([])),
        (json!(["data"]), json!({}), json!([])),
        (json!(["data"]), json!([]), json!([])),
        (json!([]), json!({ "a": 1 }), json!([{ "a": 1 }])),
        (json!([]), json!({}), json!([])),
        (json!(["data", "0"]), json!({ "data": [{ "a": 1 }, { "a": 2 }] }), json!([{ "a": 1 }])),
        (json!(["a", "*", "b"]), json!({ "a": [{ "b": 1 }, { "b": [2] }, {}] }), json!([1, [2]])),
        (json!(["*"]), json!({ "x": { "a": 1 }, "y": [1] }), json!([{ "a": 1 }, [1]])),
        (json!(["{{ config['root'] }}", "x"]), json!({ "data": { "x": [1] } }), json!([1])),
        (json!(["2024"]), json!({ "2024": [1] }), json!([])),
    ] {
        assert_eq!(records(&extracting(&dpath(&path)), &page), expected, "{path} of {page}");
    }
    let error = select(&extracting(&dpath(&json!(["d?"]))), &json!({ "da": 1, "db": 2 })).expect_err("two of them");
    assert_eq!(error.code(), "record_path_ambiguous");
}

#[test]
fn parameters_of_the_component_are_seen_by_its_path() {
    let mut extractor = dpath(&json!(["{{ parameters['root'] }}"]));
    extractor["$parameters"] = json!({ "root": "items" });
    assert_eq!(records(&extracting(&extractor), &json!({ "items": [1], "data": [2] })), json!([1]));
}

#[test]
fn records_are_moved_out_of_the_page_and_the_rest_of_it_stays() {
    let mut page = [json!({ "data": [{ "a": 1 }], "next": "c2" })];
    let selector = extracting(&dpath(&json!(["data"])));
    let selected = with_scope(|scope| selector.records(&mut page, scope, &Schema::default())).expect("records");
    assert_eq!((selected.records, selected.extracted), (vec![json!({ "a": 1 })], 1));
    assert_eq!(page, [json!({ "data": null, "next": "c2" })]);
    for (path, template, expected) in [
        (json!(["data"]), "{{ response.next }}", true),
        (json!(["data"]), "{{ config['x'] }}", true),
        (json!(["data"]), "{{ response.data | length }}", false),
        (json!(["data"]), "{{ response.metadata.next }}", false),
        (json!([]), "{{ response.next }}", false),
        (json!([]), "{{ last_record.id }}", true),
        (json!(["*"]), "{{ response.next }}", false),
        (json!(["{{ config['root'] }}"]), "{{ response.next }}", false),
    ] {
        assert_eq!(extracting(&dpath(&path)).spares(template), expected, "{path} and {template}");
    }
}

#[test]
fn several_extractors_are_one() {
    let combined = |mode: &str, skips: bool| {
        extracting(&json!({
            "type": "CombinedExtractor", "mode": mode, "skip_empty_records": skips,
            "extractors": [dpath(&json!(["a"])), dpath(&json!(["b", "*"])), dpath(&json!(["c"]))],
        }))
    };
    let page = json!({ "a": [null, {}], "b": [{ "n": 1 }, null], "c": [{ "n": 2 }] });
    for (mode, skips, expected, extracted) in [
        ("union", false, json!([null, {}, { "n": 1 }, null, { "n": 2 }]), 5),
        ("union", true, json!([{ "n": 1 }, { "n": 2 }]), 5),
        ("first_match", false, json!([null, {}]), 2),
        ("first_match", true, json!([{ "n": 1 }]), 2),
    ] {
        let selected = select(&combined(mode, skips), &page).expect("records");
        assert_eq!((Json::Array(selected.records), selected.extracted), (expected, extracted), "{mode} {skips}");
    }
    assert_eq!(records(&combined("first_match", false), &json!({ "c": [7] })), json!([7]));
}

#[test]
fn a_filter_keeps_what_its_condition_says_and_the_page_still_counts_whole() {
    let filtered = |condition: &str| {
        selector(&json!({
            "type": "RecordSelector", "extractor": dpath(&json!([])),
            "record_filter": { "type": "RecordFilter", "condition": condition },
        }))
    };
    let page = [json!({ "n": 1 }), json!({ "n": 2 }), json!({ "n": 3 })];
    let kept = |condition: &str| {
        let selected = with_scope(|scope| filtered(condition).records(&mut page.clone(), scope, &Schema::default()));
        let selected = selected.expect("records");
        assert_eq!(selected.extracted, 3);
        selected.records.iter().map(|record| record["n"].as_i64().expect("a number")).collect::<Vec<_>>()
    };
    assert_eq!(kept("{{ record.n >= config.least }}"), [2, 3]);
    assert_eq!(kept("{{ record['n'] == 1 or record.missing }}"), [1]);
    assert_eq!(kept(""), Vec::<i64>::new(), "an empty condition keeps nothing");
}

#[test]
fn a_cursor_filters_before_the_condition_and_after_the_transformations() {
    let written = |first: Option<bool>| {
        let mut written = json!({
            "type": "RecordSelector", "extractor": dpath(&json!([])),
            "record_filter": { "type": "RecordFilter", "condition": "{{ record.added }}" },
        });
        if let Some(first) = first {
            written["transform_before_filtering"] = first.into();
        }
        selector(&written)
    };
    let add = json!([{ "type": "AddFields", "fields": [{ "path": ["added"], "value": "{{ record.n }}" }] }]);
    for (first, by_cursor, expected) in [
        (None, false, json!([])),
        (Some(true), false, json!([{ "n": 1, "added": 1 }, { "n": 2, "added": 2 }])),
        (None, true, json!([{ "n": 2, "added": 2 }])),
        (Some(false), true, json!([])),
    ] {
        let selector = written(first).with(transformations(&add), by_cursor);
        let mut page = [json!({ "n": 1 }), json!({ "n": 2 })];
        let selected = with_scope(|scope| {
            selector.records_if(&mut page, scope, &Schema::default(), &mut |record| record["n"] != 1)
        });
        assert_eq!(Json::Array(selected.expect("records").records), expected, "{first:?} {by_cursor}");
    }
}

#[test]
fn records_are_cast_by_the_schema_only_if_the_selector_says_so() {
    let schema = Schema::new(json!({ "properties": { "n": { "type": "string" } } }));
    for (normalization, expected) in [("Default", json!({ "n": "1" })), ("None", json!({ "n": 1 }))] {
        let written = json!({
            "type": "RecordSelector", "extractor": dpath(&json!([])), "schema_normalization": normalization,
        });
        let selected = with_scope(|scope| selector(&written).records(&mut [json!({ "n": 1 })], scope, &schema));
        assert_eq!(selected.expect("records").records, [expected], "{normalization}");
    }
}

/// A page with one order, whose lines are expanded.
fn expanding(options: &Json) -> Selector {
    let mut expander = json!({ "type": "RecordExpander", "expand_records_from_field": ["lines", "data"] });
    expander.as_object_mut().expect("a mapping").extend(options.as_object().expect("a mapping").clone());
    let mut extractor = dpath(&json!(["orders"]));
    extractor["record_expander"] = expander;
    extracting(&extractor)
}

fn order(lines: &Json) -> Json {
    json!({ "orders": [{ "id": 7, "at": { "t": 1 }, "lines": { "data": lines, "more": true, "total_count": 3 } }] })
}

#[test]
fn a_list_inside_a_record_becomes_records() {
    let whole = &order(&json!([{ "sku": "a", "id": 1 }, 5]))["orders"][0];
    let merged = |item: Json| {
        let mut record = json!({ "id": 7, "at": { "t": 1 }, "lines": { "more": true, "total_count": 3 } });
        record.as_object_mut().expect("a mapping").extend(item.as_object().expect("a mapping").clone());
        record
    };
    for (options, expected) in [
        (json!({}), json!([{ "sku": "a", "id": 1 }, 5])),
        (
            json!({ "remain_original_record": true }),
            json!([{ "sku": "a", "id": 1, "original_record": whole }, { "value": 5, "original_record": whole }]),
        ),
        (
            json!({ "parent_fields": [
                { "type": "ParentFieldPath", "parent_path": ["id"], "record_path": ["order", "id"] },
                { "type": "ParentFieldPath", "parent_path": ["none"], "record_path": ["none"] },
            ] }),
            json!([
                { "sku": "a", "id": 1, "order": { "id": 7 }, "none": null },
                { "value": 5, "order": { "id": 7 }, "none": null },
            ]),
        ),
        (
            json!({ "merge_parent": true }),
            json!([merged(json!({ "sku": "a", "id": 1 })), merged(json!({ "value": 5 }))]),
        ),
    ] {
        let page = order(&json!([{ "sku": "a", "id": 1 }, 5]));
        assert_eq!(records(&expanding(&options), &page), expected, "{options}");
    }
}

#[test]
fn a_record_without_anything_to_expand_is_left_out_or_given_whole() {
    for page in
        [order(&json!([])), json!({ "orders": [{ "id": 7 }] }), json!({ "orders": [{ "lines": { "data": 1 } }] })]
    {
        assert_eq!(records(&expanding(&json!({})), &page), json!([]), "{page}");
        for options in [json!({}), json!({ "merge_parent": true })] {
            let mut options = options;
            options["on_no_records"] = "emit_parent".into();
            assert_eq!(records(&expanding(&options), &page), page["orders"], "{page} {options}");
        }
    }
    assert_eq!(records(&expanding(&json!({})), &json!({ "orders": ["text"] })), json!(["text"]));
}

#[test]
fn a_list_that_was_cut_short_is_fetched_whole_or_told() {
    let page = order(&json!([{ "n": 1 }]));
    let told = select(&expanding(&json!({ "truncation_indicator_path": ["lines", "more"] })), &page).expect("records");
    assert_eq!((told.records, told.cut_short), (vec![json!({ "n": 1 })], 1));
    let fetching = expanding(&json!({
        "truncation_indicator_path": ["lines", "more"],
        "truncated_list_retriever": { "type": "SimpleRetriever" },
        "remain_original_record": false, "parent_fields": [
            { "type": "ParentFieldPath", "parent_path": ["id"], "record_path": ["order"] }],
    }));
    let selected = select(&fetching, &page).expect("records");
    assert_eq!((selected.records.len(), selected.incomplete.len(), selected.cut_short), (0, 1, 0));
    let parent = selected.incomplete[0].clone();
    let complete = |fetched: Vec<Json>| {
        let parent = parent.clone();
        let done = with_scope(|scope| fetching.complete(parent, fetched, scope, &Schema::default(), &mut |_| true));
        Json::Array(done.expect("records").records)
    };
    assert_eq!(
        complete(vec![json!({ "n": 2 }), json!({ "n": 3 })]),
        json!([{ "n": 2, "order": 7 }, { "n": 3, "order": 7 }])
    );
    assert_eq!(complete(vec![]), json!([{ "n": 1, "order": 7 }]), "what is embedded has to do");
    let untold = json!({ "orders": [{ "lines": { "data": [1], "more": false } }] });
    assert_eq!(records(&fetching, &untold), json!([{ "value": 1, "order": null }]));
}

#[test]
fn a_selector_that_the_format_does_not_have_is_a_problem() {
    let expander = |options: Json| {
        let mut extractor = dpath(&json!([]));
        extractor["record_expander"] = options;
        json!({ "type": "RecordSelector", "extractor": extractor })
    };
    for (written, part) in [
        (json!({ "type": "RecordSelector" }), "extractor"),
        (
            json!({ "type": "RecordSelector", "extractor": { "type": "CustomRecordExtractor", "class_name": "x.Y" } }),
            "x.Y",
        ),
        (
            json!({ "type": "RecordSelector", "extractor": { "type": "CombinedExtractor", "extractors": [] } }),
            "at least one",
        ),
        (
            json!({ "type": "RecordSelector", "extractor": dpath(&json!([])), "schema_normalization": "Maybe" }),
            "None or Default",
        ),
        (
            json!({ "type": "RecordSelector", "extractor": dpath(&json!([])),
                "record_filter": { "type": "CustomRecordFilter", "class_name": "x.Z" } }),
            "x.Z",
        ),
        (
            expander(json!({ "type": "RecordExpander", "expand_records_from_field": ["a"],
                "truncated_list_retriever": { "type": "SimpleRetriever" } })),
            "truncation_indicator_path",
        ),
        (
            expander(json!({ "type": "RecordExpander", "expand_records_from_field": ["a"],
                "truncation_indicator_path": ["a", "*"] })),
            "without patterns",
        ),
    ] {
        let problem = try_selector(&written).expect_err("a problem").to_string();
        assert!(problem.contains(part), "{written}: {problem}");
    }
}

#[test]
fn selecting_moves_records_and_copies_nothing_of_them() {
    let rows: Vec<Json> =
        (0..100).map(|n| json!({ "id": n, "text": "t".repeat(50), "nested": { "a": [1, "x"] } })).collect();
    let written = json!({
        "type": "RecordSelector", "extractor": dpath(&json!(["data"])), "schema_normalization": "Default",
    });
    let schema = Schema::new(json!({ "properties": { "id": { "type": "integer" }, "text": { "type": "string" } } }));
    schema.normalize(&mut json!({}));
    let selector = selector(&written);
    let mut page = [json!({ "data": rows, "next": 1 })];
    with_scope(|scope| {
        let measured = allocation_counter::measure(|| {
            let selected = selector.records(&mut page, scope, &schema).expect("records");
            assert_eq!(selected.records.len(), 100);
        });
        assert!(measured.count_total <= 4, "{} allocations for 100 records", measured.count_total);
    });
}
