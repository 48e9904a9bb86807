//! Streams and what can be combined in them.

use super::*;
use crate::manifest::node::{Document, Limits};

const REST: &str = "record_selector: {extractor: {field_path: []}}";
const REQUESTER: &str = "requester: {url_base: 'https://shop.example', path: x}";
const DATES: &str = "incremental_sync: {type: DatetimeBasedCursor, cursor_field: at, datetime_format: '%Y-%m-%d', start_datetime: '2024-01-01'}";
const COUNTS: &str = "incremental_sync: {type: IncrementingCountCursor, cursor_field: n}";

fn node(text: &str) -> Node {
    let document = Document::parse("shop.yaml", &format!("streams: [{text}]"), Limits::default()).expect(text);
    document.root().get("streams").expect("streams").items().expect("a list")[0].clone()
}

fn read(text: &str) -> Result<Stream, Problem> {
    Stream::read(&node(text))
}

fn simple(more_stream: &str, more_retriever: &str) -> String {
    format!("{{name: s, {more_stream} retriever: {{{REQUESTER}, {REST}{more_retriever}}}}}")
}

fn one(text: &str) -> Arc<DeclarativeStream> {
    match read(text).expect(text) {
        Stream::Declarative(stream) => stream,
        Stream::Delegating(_) => panic!("{text}"),
    }
}

#[test]
fn primary_keys_are_a_name_a_list_or_paths() {
    for (written, expected) in [
        ("", vec![]),
        ("primary_key: id,", vec![vec!["id"]]),
        ("primary_key: '',", vec![]),
        ("primary_key: [],", vec![]),
        ("primary_key: null,", vec![]),
        ("primary_key: [a, b],", vec![vec!["a"], vec!["b"]]),
        ("primary_key: [[a, b], [c]],", vec![vec!["a", "b"], vec!["c"]]),
    ] {
        assert_eq!(one(&simple(written, "")).primary_key.0, expected, "{written}");
    }
    for written in ["primary_key: {a: 1},", "primary_key: [{a: 1}],", "primary_key: true,"] {
        let problem = read(&simple(written, "")).expect_err(written);
        assert!(problem.message().contains("the name of a field, a list of names, or a list of paths"), "{problem}");
    }
}

#[test]
fn a_stream_is_read_with_all_its_parts() {
    let text = simple(
        &format!(
            "{DATES}, transformations: [{{type: KeysToLower}}], file_uploader: {{type: FileUploader}}, schema_loader: {{type: InlineSchemaLoader, schema: {{type: object}}}}, $parameters: {{p: 1}},"
        ),
        ", ignore_stream_slicer_parameters_on_paginated_requests: true, partition_router: {type: ListPartitionRouter, cursor_field: r, values: [a, b]}",
    );
    let stream = one(&text);
    assert!(matches!(stream.sync, Some(IncrementalSync::Dates(_))));
    assert!(matches!(stream.router(), Some(PartitionRouter::List(_))));
    assert!(stream.has_files);
    assert_eq!(stream.parameters["p"], serde_json::json!(1));
    let Retriever::Simple(retriever) = &stream.retriever else { panic!("simple") };
    assert!(retriever.spares_later_pages);
}

#[test]
fn whether_replies_are_kept_is_told_as_written() {
    for (written, expected) in [("", None), (", use_cache: true", Some(true)), (", use_cache: false", Some(false))] {
        let stream = one(&simple("", "").replace("path: x", &format!("path: x{written}")));
        let Retriever::Simple(retriever) = &stream.retriever else { panic!("simple") };
        assert_eq!(retriever.requester.use_cache(), expected, "{written}");
    }
}

#[test]
fn what_cannot_be_combined_is_told() {
    let parents = format!(
        ", partition_router: {{type: SubstreamPartitionRouter, parent_stream_configs: [{{parent_key: id, partition_field: p, lazy_read_pointer: [x], stream: {}}}]}}",
        simple("", "")
    );
    let list = ", partition_router: {type: ListPartitionRouter, cursor_field: r, values: [a]}";
    for (text, said) in [
        (simple(&format!("{COUNTS},"), list), "a cursor of counts cannot be kept for each partition"),
        (
            simple("", &format!("{parents}, page_size_reduction: {{type: PageSizeReduction}}")),
            "page_size_reduction and request_window_splitting",
        ),
        (
            simple("", &format!("{parents}, request_window_splitting: {{type: RequestWindowSplitting}}")),
            "page_size_reduction and request_window_splitting",
        ),
        (
            format!(
                "{{type: StateDelegatingStream, name: s, full_refresh_stream: {}, incremental_stream: {}}}",
                simple("", ""),
                simple("", "").replace("name: s", "name: t")
            ),
            "is named 's', but one of its streams is named 't'",
        ),
        (
            simple(
                &format!("{},", DATES.replace("cursor_field", "step: P1D, cursor_granularity: P1D, cursor_field")),
                &parents,
            ),
            "lazy_read_pointer reads one slice for each parent",
        ),
        (
            simple("", ", request_window_splitting: {type: RequestWindowSplitting}"),
            "request_window_splitting needs a cursor of dates",
        ),
        (
            simple(&format!("{DATES},"), ", request_window_splitting: {type: RequestWindowSplitting}"),
            "request_window_splitting needs 'cursor_granularity'",
        ),
        ("{name: s}".to_owned(), "needs 'retriever'"),
        ("{name: s, retriever: {type: SimpleRetriever}}".to_owned(), "needs 'requester'"),
        ("{type: MagicStream}".to_owned(), "MagicStream is not supported here"),
    ] {
        let problem = read(&text).expect_err(&text);
        assert!(problem.message().contains(said), "{problem}");
    }
    assert!(read(&simple("", &parents)).is_ok());
    assert!(read(&simple(&format!("{COUNTS},"), "")).is_ok());
}

#[test]
fn a_delegating_stream_has_two_ways() {
    let text = format!(
        "{{type: StateDelegatingStream, name: s, api_retention_period: P30D, full_refresh_stream: {}, incremental_stream: {}}}",
        simple("", ""),
        simple(&format!("{DATES},"), "")
    );
    let stream = read(&text).expect("two ways");
    let ways: Vec<bool> = stream.ways().iter().map(|way| way.sync.is_some()).collect();
    assert_eq!((stream.name(), ways), ("s", vec![false, true]));
}

#[test]
fn jobs_are_read_with_all_their_requesters() {
    let requester = |path: &str| format!("{{type: HttpRequester, url_base: 'https://shop.example', path: {path}}}");
    let text = format!(
        "{{name: s, retriever: {{type: AsyncRetriever, {REST}, status_mapping: {{running: [r], completed: [c], failed: [f], timeout: [t]}}, status_extractor: {{field_path: [status]}}, download_target_extractor: {{type: DpathExtractor, field_path: [urls]}}, download_extractor: {{type: ResponseToFileExtractor}}, creation_requester: {}, polling_requester: {}, download_requester: {}, delete_requester: {}, polling_job_timeout: 5}}}}",
        requester("create"),
        requester("poll"),
        requester("get"),
        requester("delete")
    );
    let stream = one(&text);
    let Retriever::Async(retriever) = &stream.retriever else { panic!("a job") };
    assert_eq!(
        (retriever.statuses.failed.as_slice(), retriever.statuses.skipped.len()),
        (["f".to_owned()].as_slice(), 0)
    );
    assert!(retriever.delete.is_some() && retriever.abort.is_none() && retriever.targets.is_some());
    assert!(retriever.download_extractor.is_some() && retriever.job_timeout.is_some());
    let problem = read(&text.replace("polling_requester", "poking_requester")).expect_err("no polling");
    assert_eq!(problem.message(), "needs 'polling_requester'");
}

#[test]
fn custom_migrations_of_states_of_old_are_left_out() {
    let stream = one(&simple("state_migrations: [{type: CustomStateMigration, class_name: shop.OldState}],", ""));
    assert_eq!(stream.left_out.len(), 1);
    assert_eq!(stream.left_out[0].code(), "component_custom");
}
