//! Whole requests, against what the reference implementation sends, and where a next link may lead.

use serde_json::{Value as Json, json};

use super::super::page::{Paginator, Watch};
use super::super::trouble::Trouble;
use super::trial::{Partition, at, component, line, problem, reply};
use super::*;

fn requester(with: Json) -> Json {
    let mut requester = json!({"type": "HttpRequester", "url_base": "https://api.example/v1", "path": "items"});
    let (Json::Object(fields), Json::Object(with)) = (&mut requester, with) else { unreachable!() };
    fields.extend(with);
    fields.retain(|_, value| !value.is_null());
    requester
}

fn build(with: Json, config: &Json, slice: &Json, token: Option<Json>) -> Result<String, Trouble> {
    let requester: Requester = component(&requester(with));
    let slice = Partition::of(slice);
    let mut additions = Additions::new();
    if let Some(token) = token {
        additions.page(&PageToken::new(token));
    }
    requester.request(&slice.scope(config, at(0)), additions, None).map(|request| line(&request))
}

/// What the reference implementation (7.39.1) sends for the same requesters.
#[test]
fn requests_are_what_the_reference_implementation_sends() {
    let table = [
        (json!({}), "GET https://api.example/v1/items []"),
        (
            json!({"url_base": null, "path": null, "url": "https://api.example/v1/items/"}),
            "GET https://api.example/v1/items/ []",
        ),
        (
            json!({"request_parameters": {
                "a": "{{ config['n'] }}", "b": "{{ config['missing'] }}", "c": "", "d": "['x', 'y']", "e": "{{ [1, 2] }}",
                "f": "True", "g": "{{ config['flag'] }}", "h": "1_000", "i": "'5'", "{{ config['key'] }}": "v",
                "k": "{{ stream_slice['id'] }}", "l": "{{ stream_partition.id }}-{{ next_page_token['next_page_token'] }}"}}),
            "GET https://api.example/v1/items?a=5&d=x&d=y&e=1&e=2&f=True&g=True&h=1_000&i=5&named=v&k=p%2F1&l=p%2F1-7 []",
        ),
        (
            json!({"request_parameters": "{{ {'a': 1, 'b': None, 'c': [1, 'x']} }}"}),
            "GET https://api.example/v1/items?a=1&c=1&c=x []",
        ),
        (json!({"request_parameters": "a=1&b=2"}), "GET https://api.example/v1/items []"),
        (
            json!({"request_headers": {
                "X-A": "5", "X-B": "2022.10", "X-C": "2024-01-01", "X-D": "true", "X-E": "True",
                "X-F": "{{ config['missing'] }}", "X-H": "'2022.10'", "X-I": "['a', 1]", "X-J": "{{ config['n'] }}"}}),
            "GET https://api.example/v1/items [x-a: 5, x-b: 2022.1, x-c: 2024-01-01, x-d: true, x-e: True, \
             x-h: 2022.10, x-i: ['a', 1], x-j: 5]",
        ),
        (json!({"request_headers": "{{ {'X-A': 1} }}"}), "GET https://api.example/v1/items [x-a: 1]"),
        (json!({"path": "/a/{{ stream_slice.id }}/b"}), "GET https://api.example/v1/a/p/1/b []"),
        (json!({"path": "{{ config['digits'] }}"}), "GET https://api.example/v1/10 []"),
        (
            json!({"url_base": "https://{{ config['host'] }}.example/", "path": "/a b?c=d"}),
            "GET https://sub.example/a%20b?c=d []",
        ),
    ];
    let config = json!({"n": 5, "flag": true, "key": "named", "digits": "1_0", "host": "Sub"});
    for (with, expected) in table {
        let built = build(with.clone(), &config, &json!({"id": "p/1"}), Some(json!(7)));
        assert_eq!(built.as_deref(), Ok(expected), "{with}");
    }
}

#[test]
fn bodies_are_what_the_reference_implementation_sends() {
    let table = [
        (
            json!({"request_body_json": {
                "a": "{{ config['n'] }}", "b": {"c": ["{{ config['x'] }}", 1, null, true], "d": "{{ config['no'] }}",
                "e": "007"}, "{{ config['x'] }}": "k", "f": "{{ {'y': [1]} }}"}}),
            r#"[content-type: application/json] {"a":5,"b":{"c":["ü",1,null,true],"e":"007"},"ü":"k","f":{"y":[1]}}"#,
        ),
        (json!({"request_body_json": "{{ {'a': config['n']} }}"}), r#"[content-type: application/json] {"a":5}"#),
        (
            json!({"request_body_data": {"a": "{{ config['n'] }}", "b": "['x', 'y z']", "c": "{{ config['no'] }}"}}),
            "[content-type: application/x-www-form-urlencoded] a=5&b=x&b=y+z",
        ),
        (json!({"request_body_data": "<q>{{ config['n'] }}</q>"}), "[] <q>5</q>"),
        (
            json!({"request_headers": {"Content-Type": "text/x"}, "request_body_data": {"a": "1"}}),
            "[content-type: text/x] a=1",
        ),
        (
            json!({"request_body": {"type": "RequestBodyGraphQL",
                   "value": {"query": "query { items(first: {{ config['n'] }}) { id } }"}}}),
            r#"[content-type: application/json] {"query":"query { items(first: 5) { id } }"}"#,
        ),
        (
            json!({"request_body": {"type": "RequestBodyGraphQL",
                   "value": {"query": "query q", "variables": {"n": "{{ config['n'] }}"}}}}),
            r#"[content-type: application/json] {"query":"query q","variables":{"n":5}}"#,
        ),
        (json!({"request_body": {"type": "RequestBodyPlainText", "value": "hello {{ config['n'] }}"}}), "[] hello 5"),
        (
            json!({"request_body": {"type": "RequestBodyUrlEncodedForm", "value": {"a": "{{ config['n'] }}"}}}),
            "[content-type: application/x-www-form-urlencoded] a=5",
        ),
        (
            json!({"request_body": {"type": "RequestBodyJsonObject", "value": {"a": ["{{ config['n'] }}"]}}}),
            r#"[content-type: application/json] {"a":[5]}"#,
        ),
        (json!({"request_body_json": {}}), "[]"),
    ];
    for (mut with, expected) in table {
        for method in ["GET", "POST"] {
            with["http_method"] = json!(method);
            let built = build(with.clone(), &json!({"n": 5, "x": "ü"}), &json!({}), None);
            assert_eq!(built, Ok(format!("{method} https://api.example/v1/items {expected}")), "{with}");
        }
    }
}

#[test]
fn simple_authenticators_put_their_credentials_where_the_format_has_them() {
    let option = |into: &str| json!({"type": "RequestOption", "inject_into": into, "field_name": "key"});
    let key =
        |option: Json| json!({"type": "ApiKeyAuthenticator", "api_token": "{{ config['t'] }}", "inject_into": option});
    let nested = json!({"type": "RequestOption", "inject_into": "body_json", "field_path": ["auth", "key"]});
    let selective = json!({"type": "SelectiveAuthenticator", "authenticator_selection_path": ["auth", "kind"],
        "authenticators": {"a": {"type": "BearerAuthenticator", "api_token": "A"}, "b": {"type": "NoAuth"},
                           "c": {"type": "CustomAuthenticator", "class_name": "components.Own"}}});
    let table = [
        (json!({"type": "NoAuth"}), "GET https://api.example/v1/items []"),
        (
            json!({"type": "BearerAuthenticator", "api_token": "{{ config['t'] }}"}),
            "GET https://api.example/v1/items [authorization: Bearer 1_000]",
        ),
        (
            json!({"type": "BasicHttpAuthenticator", "username": "{{ config['u'] }}", "password": "{{ config['p'] }}"}),
            "GET https://api.example/v1/items [authorization: Basic bWU6cMOkOnM=]",
        ),
        (
            json!({"type": "BasicHttpAuthenticator", "username": "{{ config['u'] }}"}),
            "GET https://api.example/v1/items [authorization: Basic bWU6]",
        ),
        (key(option("request_parameter")), "GET https://api.example/v1/items?key=1_000 []"),
        (key(option("header")), "GET https://api.example/v1/items [key: 1_000]"),
        (
            key(option("body_data")),
            "GET https://api.example/v1/items [content-type: application/x-www-form-urlencoded] key=1_000",
        ),
        (key(nested), r#"GET https://api.example/v1/items [content-type: application/json] {"auth":{"key":"1_000"}}"#),
        (
            json!({"type": "ApiKeyAuthenticator", "api_token": "Token {{ config['t'] }}", "header": "X-Key"}),
            "GET https://api.example/v1/items [x-key: Token 1_000]",
        ),
        (selective, "GET https://api.example/v1/items [authorization: Bearer A]"),
    ];
    // A key of digits and underscores is not a number.
    let config = json!({"t": "1_000", "u": "me", "p": "pä:s", "auth": {"kind": "a"}});
    for (authenticator, expected) in table {
        let built = build(json!({"authenticator": authenticator}), &config, &json!({}), None);
        assert_eq!(built.as_deref(), Ok(expected), "{authenticator}");
    }
}

#[test]
fn the_config_chooses_an_authenticator_or_is_told_what_is_missing() {
    let selective = json!({"type": "SelectiveAuthenticator", "authenticator_selection_path": ["auth", "kind"],
        "authenticators": {"a": {"type": "NoAuth"}, "c": {"type": "CustomAuthenticator", "class_name": "x.Own"}}});
    let table = [
        (json!({}), "auth_no_choice"),
        (json!({"auth": {"kind": "z"}}), "auth_unknown_choice"),
        (json!({"auth": {"kind": "c"}}), "auth_unsupported"),
    ];
    for (config, code) in table {
        let trouble = build(json!({"authenticator": selective}), &config, &json!({}), None).expect_err("no choice");
        assert_eq!(trouble.code(), code);
    }
    let custom = json!({"type": "SelectiveAuthenticator", "authenticator_selection_path": ["k"],
        "authenticators": {"c": {"type": "CustomAuthenticator", "class_name": "x.Own"}}});
    assert!(problem::<Requester>(&requester(json!({"authenticator": custom}))).contains("x.Own"));
}

#[test]
fn what_is_given_twice_is_an_error_except_equal_values_of_a_json_body() {
    let build = |with: Json, add: &[(Json, Json)]| {
        let requester: Requester = component(&requester(with));
        let (config, slice) = (json!({}), Partition::of(&json!({})));
        let scope = slice.scope(&config, at(0));
        let mut additions = Additions::new();
        for (option, value) in add {
            additions.add(&component(option), value.clone(), &scope)?;
        }
        requester.request(&scope, additions, None).map(|request| line(&request))
    };
    let to = |into: &str, path: &[&str]| json!({"type": "RequestOption", "inject_into": into, "field_path": path});
    let named = |into: &str, name: &str| json!({"type": "RequestOption", "inject_into": into, "field_name": name});
    let merged = build(
        json!({"request_body_json": {"a": {"b": 1}, "k": "same"}}),
        &[(to("body_json", &["a", "c"]), json!(2)), (named("body_json", "k"), json!("same"))],
    );
    let expected =
        r#"GET https://api.example/v1/items [content-type: application/json] {"a":{"b":1,"c":2},"k":"same"}"#;
    assert_eq!(merged.as_deref(), Ok(expected));

    let collision = |place, name: &str| Err(Trouble::Collision { place, name: name.to_owned() });
    let json_body = json!({"request_body_json": {"a": {"b": 1}}});
    assert_eq!(build(json_body, &[(to("body_json", &["a", "b"]), json!(2))]), collision("JSON body", "b"));
    let query = json!({"request_parameters": {"a": "1"}});
    assert_eq!(build(query, &[(named("request_parameter", "a"), json!("1"))]), collision("query", "a"));
    let form = json!({"request_body_data": {"a": "1"}});
    assert_eq!(build(form, &[(named("body_data", "a"), json!("1"))]), collision("form", "a"));
    let auth = json!({"type": "BearerAuthenticator", "api_token": "t"});
    let header = json!({"request_headers": {"Authorization": "x"}, "authenticator": auth});
    assert_eq!(build(header, &[]), collision("header", "Authorization"));
    let other_case = json!({"request_headers": {"authorization": "x"}, "authenticator": auth});
    assert_eq!(build(other_case, &[]).as_deref(), Ok("GET https://api.example/v1/items [authorization: Bearer t]"));

    let twice = [(named("header", "X"), json!(1)), (named("header", "X"), json!(1))];
    assert_eq!(build(json!({}), &twice), collision("header", "X"));
    let both = json!({"request_body_json": {"a": 1}});
    assert_eq!(build(both, &[(named("body_data", "b"), json!(1))]), Err(Trouble::TwoBodies));
    let text = json!({"request_body_data": "<q/>"});
    assert_eq!(build(text, &[(named("body_data", "b"), json!(1))]), Err(Trouble::NotAMapping { place: "form" }));
}

#[test]
fn values_that_fit_nowhere_are_told() {
    let table = [
        (json!({"request_body_json": "{\"a\": true}"}), "request_not_a_mapping"),
        (json!({"request_headers": "text"}), "request_not_a_mapping"),
        (json!({"request_headers": {"X": "a\nb"}}), "request_header_value"),
        (json!({"request_headers": {"X Y": "a"}}), "request_header_name"),
        (json!({"request_headers": {"X": "{{ 'a' * 70000 }}"}}), "request_too_large"),
        (json!({"request_parameters": {"x": "{{ 'a' * 70000 }}"}}), "request_too_large"),
        (json!({"url_base": "api.example"}), "request_url"),
        (json!({"url_base": "ftp://api.example"}), "request_url"),
        (json!({"path": "items:search"}), "request_url"),
        (json!({"url_base": "https://{{ config['host'] }}"}), "request_url"),
    ];
    for (with, code) in table {
        let trouble = build(with.clone(), &json!({}), &json!({}), None).expect_err("it fits nowhere");
        assert_eq!(trouble.code(), code, "{with}");
    }
}

#[test]
fn mistakes_of_a_manifest_are_told_with_what_the_format_expects() {
    let table = [
        (json!({"url_base": null}), "needs 'url'"),
        (json!({"http_method": "get"}), "GET, POST"),
        (json!({"request_body_json": {"a": 1}, "request_body_data": {"b": "1"}}), "keep one"),
        (json!({"request_parameters": [1]}), "mapping"),
        (json!({"read_timeout_in_seconds": 0}), "seconds"),
        (json!({"authenticator": {"type": "ApiKeyAuthenticator", "api_token": "x"}}), "'inject_into'"),
        (json!({"authenticator": {"type": "Sorcery"}}), "Sorcery is not supported"),
        (json!({"error_handler": {"type": "CompositeErrorHandler", "error_handlers": []}}), "at least one"),
    ];
    for (with, expected) in table {
        let problem = problem::<Requester>(&requester(with.clone()));
        assert!(problem.contains(expected), "{with}: {problem}");
    }
    let options = [
        (json!({"type": "RequestOption", "inject_into": "header", "field_path": ["a"]}), "body_json"),
        (json!({"type": "RequestOption", "inject_into": "cookie", "field_name": "a"}), "request_parameter"),
        (json!({"type": "RequestOption", "inject_into": "header"}), "needs 'field_name'"),
        (
            json!({"type": "RequestOption", "inject_into": "body_json", "field_name": "a", "field_path": ["b"]}),
            "keep one",
        ),
    ];
    for (option, expected) in options {
        let problem = problem::<RequestOption>(&option);
        assert!(problem.contains(expected), "{option}: {problem}");
    }
}

/// The page that a reply's body points to, asked for.
fn follow(with: Json, next: &str, hosts: &[&str]) -> Result<String, Trouble> {
    let requester: Requester = component(&requester(with));
    let paginator: Paginator =
        component(&json!({"type": "DefaultPaginator", "page_token_option": {"type": "RequestPath"},
        "pagination_strategy": {"type": "CursorPagination", "cursor_value": "{{ response.next }}"}}));
    let (config, slice) = (json!({}), Partition::of(&json!({})));
    let scope = slice.scope(&config, at(0));
    let page =
        super::super::page::PageFacts { extracted: 1, selected: 1, last_record: None, decoded: None, page_size: None };
    let reply = reply(200, &[], &json!({ "next": next }).to_string());
    let token = paginator.next(&scope, &reply, page, None, &mut Watch::new())?;
    let hosts: Hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut additions = Additions::new().allowing(&hosts);
    paginator.add(token.as_ref(), None, &scope, &mut additions)?;
    requester.request(&scope, additions, None).map(|request| request.url)
}

#[test]
fn a_next_link_is_followed_to_the_sources_own_host_and_to_allowed_ones_only() {
    let limit = || json!({"request_parameters": {"limit": "5", "x": "y"}});
    let table: [(&str, &[&str], &str); 8] = [
        ("https://api.example/v1/items?limit=5&page=2", &[], "https://api.example/v1/items?limit=5&page=2&x=y"),
        ("https://api.example/v1/items?limit=6", &[], "https://api.example/v1/items?limit=6&limit=5&x=y"),
        ("/v2/more?x=y", &[], "https://api.example/v2/more?x=y&limit=5"),
        ("more", &[], "https://api.example/v1/more?limit=5&x=y"),
        ("https://API.example/x", &[], "https://api.example/x?limit=5&x=y"),
        ("https://eu.example/x", &["eu.example"], "https://eu.example/x?limit=5&x=y"),
        ("https://a.eu.example/x", &["*.eu.example"], "https://a.eu.example/x?limit=5&x=y"),
        ("http://api.example/x", &[], "https://api.example/x?limit=5&x=y"),
    ];
    for (next, hosts, expected) in table {
        assert_eq!(follow(limit(), next, hosts).as_deref(), Ok(expected), "{next}");
    }
    let elsewhere: [(&str, &[&str]); 5] = [
        ("https://evil.example/x", &[]),
        ("https://evil.example/x", &["eu.example"]),
        ("https://xeu.example/x", &["*.eu.example"]),
        ("https://api.example@evil.example/x", &[]),
        ("//evil.example/x", &[]),
    ];
    for (next, hosts) in elsewhere {
        let trouble = follow(limit(), next, hosts).expect_err("it leads elsewhere");
        assert_eq!(trouble.code(), "page_another_host", "{next}");
        assert!(trouble.to_string().contains("evil.example") || trouble.to_string().contains("xeu.example"));
    }
}

#[test]
fn a_token_in_a_template_leads_nowhere_else_either() {
    let path = "{{ next_page_token['next_page_token'] if next_page_token else 'items' }}";
    let table = [("https://evil.example/x", false), ("https://api.example/x", true)];
    for (next, is_followed) in table {
        let requester: Requester = component(&requester(json!({ "path": path })));
        let (config, slice) = (json!({}), Partition::of(&json!({})));
        let mut additions = Additions::new();
        additions.page(&PageToken::new(json!(next)));
        let built = requester.request(&slice.scope(&config, at(0)), additions, None);
        assert_eq!(built.is_ok(), is_followed, "{next}: {built:?}");
    }
}

#[test]
fn a_slices_properties_are_sent_as_one_parameter() {
    let with = json!({"request_parameters": {"a": "1", "fields": {"type": "QueryProperties", "property_list": ["x"]}}});
    let requester: Requester = component(&requester(with));
    let config = json!({});
    let slice = Partition::of(&json!({})).with_extra(&json!({"query_properties": ["x", "y"]}));
    let built = requester.request(&slice.scope(&config, at(0)), Additions::new(), None);
    assert_eq!(built.map(|request| request.url).as_deref(), Ok("https://api.example/v1/items?a=1&fields=x%2Cy"));
    let none = Partition::of(&json!({}));
    let built = requester.request(&none.scope(&config, at(0)), Additions::new(), None);
    assert_eq!(built.err(), Some(Trouble::NoProperties));
}

#[test]
fn what_is_shown_of_additions_holds_names_only() {
    let config = json!({});
    let slice = Partition::of(&json!({}));
    let mut additions = Additions::new();
    let option = json!({"type": "RequestOption", "inject_into": "header", "field_name": "X-Key"});
    let added = additions.add(&component(&option), json!("s3cret"), &slice.scope(&config, at(0)));
    assert_eq!(added, Ok(()));
    let shown = format!("{additions:?}");
    assert!(shown.contains("X-Key") && !shown.contains("s3cret"), "{shown}");
}
