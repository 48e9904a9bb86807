//! However a stream's time is cut into slices and pages, and wherever one poll ends and the next begins: the same
//! records.

use std::collections::BTreeMap;

use engine::upstream::Ended;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::Asking;

/// How the time is cut.
#[derive(Clone, Debug)]
struct Cut {
    /// Days of each slice; `None`: one slice.
    step: Option<u32>,
    page: u32,
    level: u32,
    lookback: u32,
    per_team: bool,
    /// Where the first of two polls ends, if there are two.
    pause: Option<u32>,
}

const DAYS: u32 = 28;

fn cuts() -> impl Strategy<Value = Cut> {
    let step = proptest::option::of(1..40_u32);
    (step, 1..8_u32, 1..5_u32, 0..4_u32, any::<bool>(), proptest::option::of(1..DAYS))
        .prop_map(|(step, page, level, lookback, per_team, pause)| Cut { step, page, level, lookback, per_team, pause })
}

/// Days of records; several may share one.
fn days() -> impl Strategy<Value = Vec<u32>> {
    proptest::collection::vec(1..=DAYS, 0..40)
}

fn day(number: u32) -> String {
    format!("2024-02-{number:02}")
}

fn manifest(cut: &Cut, end: u32) -> Json {
    let mut sync = json!({
        "type": "DatetimeBasedCursor", "cursor_field": "day", "datetime_format": "%Y-%m-%d",
        "start_datetime": day(1), "end_datetime": day(end), "lookback_window": format!("P{}D", cut.lookback),
        "start_time_option": { "type": "RequestOption", "inject_into": "request_parameter", "field_name": "since" },
        "end_time_option": { "type": "RequestOption", "inject_into": "request_parameter", "field_name": "until" },
    });
    if let Some(step) = cut.step {
        sync["step"] = json!(format!("P{step}D"));
        sync["cursor_granularity"] = json!("P1D");
    }
    let mut retriever = json!({
        "type": "SimpleRetriever",
        "record_selector": { "type": "RecordSelector", "extractor": { "type": "DpathExtractor", "field_path": [] } },
        "requester": { "type": "HttpRequester", "url_base": "$BASE", "path": "rows" },
        "paginator": {
            "type": "DefaultPaginator",
            "page_token_option": { "type": "RequestOption", "inject_into": "request_parameter", "field_name": "page" },
            "pagination_strategy": { "type": "PageIncrement", "page_size": cut.page, "start_from_page": 1 },
        },
    });
    if cut.per_team {
        let option = json!({ "type": "RequestOption", "inject_into": "request_parameter", "field_name": "team" });
        retriever["partition_router"] = json!({
            "type": "ListPartitionRouter", "cursor_field": "team", "values": ["0", "1", "2"], "request_option": option,
        });
    }
    json!({
        "version": "7.0.0", "type": "DeclarativeSource",
        "check": { "type": "CheckStream", "stream_names": ["rows"] },
        "concurrency_level": { "type": "ConcurrencyLevel", "default_concurrency": cut.level },
        "streams": [{ "type": "DeclarativeStream", "name": "rows", "retriever": retriever, "incremental_sync": sync }],
    })
}

fn script(days: &[u32], cut: &Cut) -> String {
    let rows = days.iter().enumerate().map(|(id, number)| json!({ "id": id, "day": day(*number), "team": id % 3 }));
    let pages = json!({
        "of": "rows", "page": "query.page", "size": cut.page,
        "where": [{ "field": "day", "from": "query.since", "to": "query.until" }, { "field": "team", "is": "query.team" }],
    });
    json!({
        "data": { "rows": rows.collect::<Vec<_>>() },
        "routes": [{ "on": "GET /rows", "reply": { "pages": pages } }],
    })
    .to_string()
}

/// How often each record came, over all polls, and the last state.
async fn polled(days: &[u32], cut: &Cut) -> (BTreeMap<i64, u32>, Json) {
    let (mut came, mut state) = (BTreeMap::new(), Json::Null);
    for end in cut.pause.into_iter().chain([DAYS]) {
        let asking = Asking::start(&manifest(cut, end).to_string(), &script(days, cut), json!({})).await;
        let (pages, ended) = asking.read("rows", state).await;
        assert_eq!(ended, Ended::Whole);
        pages.ids().into_iter().for_each(|id| *came.entry(id).or_default() += 1);
        state = pages.last_state().expect("a reading ends with a state");
    }
    (came, state)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn any_slicing_of_the_same_data_gives_the_same_records(days in days(), cut in cuts()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        let (came, state) = runtime.expect("a runtime").block_on(polled(&days, &cut));
        let ids: Vec<i64> = (0..days.len() as i64).collect();
        prop_assert_eq!(came.keys().copied().collect::<Vec<_>>(), ids, "{:?}", cut);
        if cut.pause.is_none() {
            // Slices touch but do not overlap, and a record is on one page.
            prop_assert!(came.values().all(|times| *times == 1), "{:?} {:?}", cut, came);
        }
        if !cut.per_team && let Some(newest) = days.iter().max() {
            prop_assert_eq!(&state["day"], &json!(day(*newest)), "{:?}", cut);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_late_within_the_lookback_is_found() {
    let cut = Cut { step: Some(5), page: 3, level: 2, lookback: 3, per_team: false, pause: None };
    let before = Asking::start(&manifest(&cut, 20).to_string(), &script(&[10, 20], &cut), json!({})).await;
    let (first, _) = before.read("rows", Json::Null).await;
    let state = first.last_state().expect("a state");
    // One of the day before the last, and one of long ago.
    let later = script(&[10, 20, 18, 9], &cut);
    let after = Asking::start(&manifest(&cut, 28).to_string(), &later, json!({})).await;
    let (second, ended) = after.read("rows", state).await;
    assert_eq!((second.ids(), ended), (vec![1, 2], Ended::Whole));
}
