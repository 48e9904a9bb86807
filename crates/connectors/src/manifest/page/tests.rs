//! Pages by strategy, against what the reference implementation makes of the same replies.

use serde_json::{Value as Json, json};

use super::super::request::Requester;
use super::super::request::trial::{Partition, at, component, line, problem, reply};
use super::super::scope::Scope;
use super::*;

fn paginator(strategy: Json, options: Json) -> Json {
    let mut paginator = json!({"type": "DefaultPaginator", "pagination_strategy": strategy});
    paginator.as_object_mut().expect("a map").extend(options.as_object().expect("a map").clone());
    paginator
}

fn with(kind: &str, fields: Json) -> Json {
    let mut strategy = json!({ "type": kind });
    strategy.as_object_mut().expect("a map").extend(fields.as_object().expect("a map").clone());
    strategy
}

/// One page, as a table has it.
struct Page<'a> {
    body: &'a str,
    headers: &'a [(&'a str, &'a str)],
    size: u64,
    last: Json,
    current: Option<Json>,
    asked: Option<u64>,
}

const PAGE: Page<'static> = Page { body: "{}", headers: &[], size: 1, last: Json::Null, current: None, asked: None };

fn next(strategy: &Json, config: &Json, page: &Page<'_>) -> Result<Option<Json>, Trouble> {
    let paginator: Paginator = component(&paginator(strategy.clone(), json!({})));
    let slice = Partition::of(&json!({"id": 3}));
    let facts = PageFacts {
        extracted: page.size,
        selected: page.size,
        last_record: Some(&page.last).filter(|last| !last.is_null()),
        decoded: None,
        page_size: page.asked,
    };
    let current = page.current.clone().map(PageToken::new);
    let reply = reply(200, page.headers, page.body);
    let scope = slice.scope(config, at(0));
    let next = paginator.next(&scope, &reply, facts, current.as_ref(), &mut Watch::new())?;
    Ok(next.map(|token| token.value().clone()))
}

/// Values observed from the reference implementation (7.39.1).
#[test]
fn numbered_pages_follow_each_other_until_one_is_short() {
    let page = |fields| with("PageIncrement", fields);
    let offset = |fields| with("OffsetIncrement", fields);
    let sized = |size| Page { size, ..PAGE };
    let at = |token, size| Page { current: Some(json!(token)), size, ..PAGE };
    let table = [
        (page(json!({})), sized(1), json!(1)),
        (page(json!({})), sized(0), json!(null)),
        (page(json!({"page_size": 2})), sized(2), json!(1)),
        (page(json!({"page_size": 2})), sized(1), json!(null)),
        (page(json!({"page_size": "2"})), sized(1), json!(null)),
        (page(json!({"page_size": 1, "start_from_page": 1})), sized(1), json!(2)),
        (page(json!({"page_size": 1, "start_from_page": 1, "inject_on_first_request": true})), at(1, 1), json!(2)),
        (page(json!({"page_size": "{{ config['n'] }}"})), sized(3), json!(1)),
        (page(json!({"page_size": "{{ config['n'] }}"})), sized(2), json!(null)),
        (offset(json!({})), sized(1), json!(1)),
        (offset(json!({"page_size": 2})), sized(2), json!(2)),
        (offset(json!({"page_size": 2})), sized(1), json!(null)),
        (offset(json!({"page_size": 2})), at(4, 2), json!(6)),
        (offset(json!({"page_size": 2, "inject_on_first_request": true})), at(0, 2), json!(2)),
        (
            offset(json!({"page_size": "{{ response['limit'] }}"})),
            Page { body: r#"{"limit": 3}"#, size: 3, ..PAGE },
            json!(3),
        ),
        (
            offset(json!({"page_size": "{{ response['limit'] }}"})),
            Page { body: r#"{"limit": 4}"#, size: 3, ..PAGE },
            json!(null),
        ),
        (offset(json!({"page_size": "{{ response['limit'] }}"})), sized(3), json!(3)),
        (offset(json!({"page_size": 4})), Page { size: 2, asked: Some(2), ..PAGE }, json!(2)),
    ];
    for (strategy, page, expected) in table {
        let expected = Some(expected).filter(|token| !token.is_null());
        assert_eq!(next(&strategy, &json!({"n": 3}), &page), Ok(expected), "{strategy} after {} records", page.size);
    }
    let text = Page { current: Some(json!("5")), ..PAGE };
    for (kind, fields) in [("PageIncrement", json!({})), ("OffsetIncrement", json!({}))] {
        let trouble = next(&with(kind, fields), &json!({}), &text).expect_err("a text is no number");
        assert_eq!(trouble.code(), "page_number");
    }
    let odd = page(json!({"page_size": "{{ config['n'] }}"}));
    assert_eq!(next(&odd, &json!({"n": "many"}), &PAGE), Err(Trouble::PageSize { found: "a text" }));
}

/// Values observed from the reference implementation (7.39.1).
#[test]
fn a_cursor_is_read_from_the_reply_until_there_is_none() {
    let cursor = |value: &str| with("CursorPagination", json!({ "cursor_value": value }));
    let stopped =
        |stop: &str| with("CursorPagination", json!({"cursor_value": "{{ response.next }}", "stop_condition": stop}));
    let sized = with(
        "CursorPagination",
        json!({"cursor_value": "{{ response.next }}", "page_size": 3, "stop_condition": "{{ last_page_size < page_size }}"}),
    );
    let body = |body| Page { body, ..PAGE };
    let link = Page { headers: &[("link", "<https://api.example/x?page=2>; rel=\"next\"")], ..PAGE };
    let a = r#"{"next": "a", "done": true}"#;
    let table = [
        (cursor("{{ response.next }}"), body(a), json!("a")),
        (cursor("{{ response.next }}"), body(r#"{"next": null}"#), json!(null)),
        (cursor("{{ response.next }}"), body("{}"), json!(null)),
        (cursor("{{ response.next }}"), body(r#"{"next": ""}"#), json!(null)),
        (cursor("{{ response.next }}"), body(r#"{"next": 0}"#), json!(null)),
        (cursor("{{ response.next }}"), body(r#"{"next": 12}"#), json!(12)),
        (cursor("{{ response.next }}"), body(r#"{"next": false}"#), json!(null)),
        (cursor("{{ {'a': response.next} }}"), body(r#"{"next": 1}"#), json!({"a": 1})),
        (stopped("{{ response.done }}"), body(a), json!(null)),
        (stopped("{{ not response.done }}"), body(a), json!("a")),
        (stopped("{{ response.a.b }}"), body(a), json!("a")),
        (cursor("{{ headers['link']['next']['url'] }}"), link, json!("https://api.example/x?page=2")),
        (cursor("{{ headers['X-Next'] }}"), Page { headers: &[("x-next", "7")], ..PAGE }, json!(7)),
        (cursor("{{ last_record['id'] }}"), Page { last: json!({"id": 9}), ..PAGE }, json!(9)),
        (cursor("{{ last_record['id'] if last_record else None }}"), PAGE, json!(null)),
        (sized.clone(), Page { body: a, size: 2, ..PAGE }, json!(null)),
        (sized.clone(), Page { body: a, size: 3, ..PAGE }, json!("a")),
        (sized, Page { body: a, size: 2, asked: Some(2), ..PAGE }, json!("a")),
        (cursor("{{ response['next'] }}"), body(r#"[{"next": "first"}, {"next": "second"}]"#), json!("first")),
        (cursor("{{ response['next'] }}"), body("[]"), json!(null)),
        (cursor("{{ response['next'] }}"), body("oops"), json!(null)),
        (cursor("{{ stream_slice['id'] }}-{{ stream_partition.id }}"), PAGE, json!("3-3")),
        (cursor("{{ config['n'] }}"), PAGE, json!(3)),
    ];
    for (strategy, page, expected) in table {
        let expected = Some(expected).filter(|token| !token.is_null());
        assert_eq!(next(&strategy, &json!({"n": 3}), &page), Ok(expected), "{strategy} of {}", page.body);
    }
    let no_link = next(&cursor("{{ headers['link']['next']['url'] }}"), &json!({}), &PAGE);
    assert!(matches!(no_link, Err(Trouble::Template(_))), "{no_link:?}");
}

#[test]
fn what_a_decoder_made_of_the_body_goes_before_its_json() {
    let paginator: Paginator =
        component(&paginator(with("CursorPagination", json!({"cursor_value": "{{ response.next }}"})), json!({})));
    let (decoded, config) = (json!({"next": "decoded"}), json!({}));
    let page = PageFacts { extracted: 1, selected: 1, last_record: None, decoded: Some(&decoded), page_size: None };
    let scope = Scope::new(&config, at(0)).no_slice();
    let token = paginator.next(&scope, &reply(200, &[], "<next>x</next>"), page, None, &mut Watch::new());
    assert_eq!(token.map(|token| token.map(|token| token.value().clone())), Ok(Some(json!("decoded"))));
}

#[test]
fn the_first_page_has_a_token_only_where_the_manifest_wants_it() {
    let table = [
        (with("PageIncrement", json!({})), None),
        (with("PageIncrement", json!({"inject_on_first_request": true})), Some(json!(0))),
        (with("PageIncrement", json!({"inject_on_first_request": true, "start_from_page": 1})), Some(json!(1))),
        (with("OffsetIncrement", json!({"inject_on_first_request": true})), Some(json!(0))),
        (with("CursorPagination", json!({"cursor_value": "x"})), None),
    ];
    for (strategy, expected) in table {
        let paginator: Paginator = component(&paginator(strategy.clone(), json!({})));
        assert_eq!(paginator.first().map(|token| token.value().clone()), expected, "{strategy}");
    }
    assert_eq!(component::<Paginator>(&json!({"type": "NoPagination"})).first(), None);
}

/// What token and size become in a request.
fn asked(options: Json, token: Option<Json>, size: Option<u64>) -> Result<String, Trouble> {
    let requester: Requester =
        component(&json!({"type": "HttpRequester", "url": "https://api.example/v1", "path": "items"}));
    let strategy = with("OffsetIncrement", json!({"page_size": "{{ config['n'] }}", "inject_on_first_request": true}));
    let paginator: Paginator = component(&paginator(strategy, options));
    let (config, slice) = (json!({"n": 50}), Partition::of(&json!({})));
    let scope = slice.scope(&config, at(0));
    let mut additions = Additions::new();
    let token = token.map(|value| match &paginator {
        Paginator::Default(own) => own.token(value, None),
        Paginator::None => PageToken::new(value),
    });
    paginator.add(token.as_ref(), size, &scope, &mut additions)?;
    requester.request(&scope, additions, None).map(|request| line(&request))
}

#[test]
fn token_and_size_go_where_the_options_say() {
    let option = |into: &str, name: &str| json!({"type": "RequestOption", "inject_into": into, "field_name": name});
    let both =
        |into: &str| json!({"page_size_option": option(into, "limit"), "page_token_option": option(into, "offset")});
    let nested = json!({"page_token_option":
        {"type": "RequestOption", "inject_into": "body_json", "field_path": ["page", "from"]}});
    let get = |rest: &str| format!("GET https://api.example/v1/{rest}");
    let table = [
        (both("request_parameter"), Some(json!(0)), None, get("items?offset=0&limit=50 []")),
        (both("request_parameter"), None, None, get("items?limit=50 []")),
        (both("request_parameter"), Some(json!(50)), Some(25), get("items?offset=50&limit=25 []")),
        (both("header"), Some(json!(50)), None, get("items [limit: 50, offset: 50]")),
        (
            both("body_data"),
            Some(json!("a b")),
            None,
            get("items [content-type: application/x-www-form-urlencoded] offset=a+b&limit=50"),
        ),
        (
            both("body_json"),
            Some(json!(5)),
            None,
            get(r#"items [content-type: application/json] {"offset":5,"limit":50}"#),
        ),
        (nested, Some(json!(5)), None, get(r#"items [content-type: application/json] {"page":{"from":5}}"#)),
        (
            json!({"page_token_option": {"type": "RequestPath"}}),
            Some(json!("next?p=2")),
            None,
            get("items/next?p=2 []"),
        ),
        (json!({}), Some(json!(5)), None, get("items []")),
    ];
    for (options, token, size, expected) in table {
        // Without a base, a page's path is below the URL itself.
        let expected = expected.replace("items/next", "next");
        assert_eq!(asked(options.clone(), token, size), Ok(expected), "{options}");
    }
    let twice = json!({"page_size_option": option("header", "x"), "page_token_option": option("header", "x")});
    let collision = asked(twice, Some(json!(5)), None).expect_err("one name for two");
    assert_eq!(collision.code(), "request_collision");
}

#[test]
fn pages_can_be_made_smaller_only_where_the_next_page_does_not_depend_on_it() {
    let size = json!({"type": "RequestOption", "inject_into": "request_parameter", "field_name": "n"});
    let cursor = with("CursorPagination", json!({"cursor_value": "x", "page_size": 5}));
    let table = [
        (paginator(with("OffsetIncrement", json!({"page_size": 5})), json!({ "page_size_option": size })), None),
        (paginator(cursor.clone(), json!({ "page_size_option": size })), None),
        (paginator(cursor.clone(), json!({})), Some("page_size_option")),
        (
            paginator(cursor, json!({"page_size_option": size, "page_token_option": {"type": "RequestPath"}})),
            Some("RequestPath"),
        ),
        (
            paginator(with("PageIncrement", json!({"page_size": 5})), json!({ "page_size_option": size })),
            Some("PageIncrement"),
        ),
        (json!({"type": "NoPagination"}), Some("DefaultPaginator")),
    ];
    for (json, expected) in table {
        let reason = component::<Paginator>(&json).irreducible();
        assert_eq!(reason.is_some(), expected.is_some(), "{json}: {reason:?}");
        assert!(expected.is_none_or(|part| reason.is_some_and(|reason| reason.contains(part))), "{json}: {reason:?}");
    }
}

#[test]
fn mistakes_of_a_manifest_are_told() {
    let size = json!({"type": "RequestOption", "inject_into": "request_parameter", "field_name": "n"});
    let reads = json!({"cursor_value": "{{ response.next }}", "stop_condition": "{{ last_page_size < page_size }}"});
    let table = [
        (paginator(with("PageIncrement", json!({})), json!({ "page_size_option": size })), "has no 'page_size'"),
        (paginator(with("CursorPagination", reads), json!({})), "uses 'page_size'"),
        (paginator(with("CursorPagination", json!({})), json!({})), "needs 'cursor_value'"),
        (paginator(json!({"type": "CustomPaginationStrategy", "class_name": "a.B"}), json!({})), "a.B"),
        (json!({"type": "InfinitePaginator"}), "InfinitePaginator is not supported"),
    ];
    for (json, expected) in table {
        let problem = problem::<Paginator>(&json);
        assert!(problem.contains(expected), "{json}: {problem}");
    }
    // A key of that name is not the variable.
    let key = json!({"cursor_value": "x", "stop_condition": "{{ last_page_size < config['page_size'] }}"});
    assert!(component::<Paginator>(&paginator(with("CursorPagination", key), json!({}))).first().is_none());
}

#[test]
fn a_page_token_shows_nothing() {
    let token = PageToken::new(json!("https://api.example/x?token=s3cret"));
    assert!(!format!("{token:?}").contains("s3cret"));
}
