//! What a manifest means once it is walked: references, parameters, implied types, scalars, places and limits.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;

mod yaml;

fn document(text: &str) -> Document {
    Document::parse("shop.yaml", text, Limits::default()).expect(text)
}

fn loaded(text: &str) -> Json {
    document(text).root().loaded().expect(text)
}

/// The streams of a manifest as the format understands them.
fn streams(text: &str) -> Json {
    loaded(text)["streams"].clone()
}

fn at(text: &str, path: &[&str]) -> Node {
    path.iter().fold(document(text).root(), |node, step| match step.parse::<usize>() {
        Ok(at) => node.items().expect("a list")[at].clone(),
        Err(_) => node.get(step).expect(step),
    })
}

#[test]
fn references_are_followed_wherever_they_stand() {
    for (text, expected) in [
        ("a: 1\nb: '#/a'", json!(1)),
        ("a: {x: 1}\nb: '#/a'", json!({"x": 1})),
        ("a: {x: 1}\nb: {$ref: '#/a'}", json!({"x": 1})),
        ("a: {x: 1}\nb: {$ref: '#/a', y: 2}", json!({"x": 1, "y": 2})),
        ("a: {x: 1, y: 1}\nb: {y: 2, $ref: '#/a'}", json!({"x": 1, "y": 2})),
        ("a: {x: 1}\nb: {x: null, $ref: '#/a'}", json!({"x": null})),
        ("a: text\nb: {$ref: '#/a', y: 2}", json!("text")),
        ("a: {$ref: '#/c', x: 1}\nc: {z: 3}\nb: {$ref: '#/a'}", json!({"z": 3, "x": 1})),
        ("a: [1, {x: 2}]\nb: '#/a/1/x'", json!(2)),
        ("a: {b: {c: 1}}\na/b: {c: 2}\nb: '#/a/b/c'", json!(1)),
        ("a: {b: 1}\na/b: 2\nb: '#/a/b'", json!(2)),
        ("a: {b/c: {d: 4}}\nb: '#/a/b/c'", json!({"d": 4})),
        ("a: 1\nb: [['#/a']]", json!([[1]])),
        ("b: {$ref: {x: 1}, y: 2}", json!({"x": 1, "y": 2})),
        ("b: {config_overrides: {x: '#/a', $ref: y}}", json!({"config_overrides": {"x": "#/a", "$ref": "y"}})),
    ] {
        assert_eq!(loaded(text)["b"], expected, "{text}");
    }
}

#[test]
fn references_that_lead_nowhere_are_told_with_their_place() {
    for (text, message) in [
        ("b: '#/a'", "'#/a' leads to nothing in this manifest"),
        ("a: {$ref: '#/c'}\nc: {x: 1}\nb: '#/a/x'", "'#/a/x' leads to nothing in this manifest"),
        ("a: [1]\nb: '#/a/1'", "'#/a/1' leads to nothing in this manifest"),
        ("a: '#/b'\nb: '#/a'", "the reference '#/a' leads back to itself"),
        ("a: {x: '#/a'}\nb: '#/a'", "the reference '#/a' leads back to itself"),
        ("b: {$ref: '#/'}", "the reference '#/' leads back to itself"),
    ] {
        let problem = document(text).root().get("b").expect("b").json().expect_err(text);
        assert_eq!((problem.code(), problem.message()), ("manifest_reference", message), "{text}");
        assert!(problem.place().line > 0, "{problem}");
    }
}

#[test]
fn a_reference_to_nothing_costs_only_those_who_walk_there() {
    let root = document("good: {x: 1}\nbad: {x: '#/nowhere', y: 2}").root();
    assert_eq!(root.need::<Json>("good").expect("good"), json!({"x": 1}));
    let bad = root.get("bad").expect("bad");
    assert_eq!(bad.need::<u64>("y").expect("y"), 2);
    assert_eq!(
        bad.need::<u64>("x").expect_err("x").to_string(),
        "shop.yaml:2:10: bad.x: '#/nowhere' leads to nothing in this manifest"
    );
}

#[test]
fn parameters_fill_what_components_lack() {
    let given = |written: &str| {
        let text = format!("streams:\n  - type: DeclarativeStream\n    $parameters: {{name: given}}\n    {written}");
        streams(&text)[0]["name"].clone()
    };
    for (written, expected) in [
        ("x: 1", json!("given")),
        ("name: own", json!("own")),
        ("name: ''", json!("given")),
        ("name: null", json!("given")),
        ("name: 0", json!("given")),
        ("name: false", json!("given")),
        ("name: []", json!("given")),
        ("name: {}", json!("given")),
    ] {
        assert_eq!(given(written), expected, "{written}");
    }
}

#[test]
fn inner_parameters_win_and_reach_every_component_below() {
    let text = "
streams:
  - type: DeclarativeStream
    $parameters: {path: outer, kept: k}
    retriever:
      $parameters: {path: inner}
      requester: {type: HttpRequester, request_parameters: {a: '{{ 1 }}', b: {type: QueryProperties}}}
      record_selector:
        type: RecordSelector
        extractor: {field_path: [x]}
    schema_loader: {type: InlineSchemaLoader, schema: {type: object, properties: {path: {type: string}}}}";
    let stream = &streams(text)[0];
    assert_eq!(stream["path"], json!("outer"));
    let retriever = &stream["retriever"];
    assert_eq!((&retriever["type"], &retriever["path"]), (&json!("SimpleRetriever"), &json!("inner")));
    assert_eq!(retriever["requester"]["path"], json!("inner"));
    assert_eq!(retriever["requester"]["kept"], json!("k"));
    let extractor = &retriever["record_selector"]["extractor"];
    assert_eq!((&extractor["type"], &extractor["path"]), (&json!("DpathExtractor"), &json!("inner")));
    let parameters = &retriever["requester"]["request_parameters"];
    assert_eq!(parameters["b"]["path"], json!("inner"), "a component in a mapping without type is one");
    assert!(parameters.get("path").is_none(), "a mapping without type is none");
    let schema = &stream["schema_loader"]["schema"];
    assert!(schema.get("path").is_none(), "a JSON schema is none");
    assert_eq!(schema["properties"]["path"], json!({"type": "string"}));
}

#[test]
fn a_parameter_does_not_enter_the_field_of_its_name() {
    let text = "
streams:
  - type: DeclarativeStream
    $parameters: {retriever: {type: CustomRetriever, class_name: shop.R}, name: n}";
    let stream = &streams(text)[0];
    assert_eq!(stream["retriever"]["class_name"], json!("shop.R"));
    assert!(stream["retriever"].get("retriever").is_none());
    assert_eq!(stream["retriever"]["$parameters"], json!({"name": "n"}));
}

#[test]
fn types_are_implied_by_the_field_and_by_a_class() {
    for (path, text, kind) in [
        (vec!["check"], "check: {stream_names: []}", "CheckStream"),
        (vec!["streams", "0"], "streams: [{name: a}]", "DeclarativeStream"),
        (vec!["streams", "0", "retriever", "paginator"], "streams: [{retriever: {paginator: {}}}]", "NoPagination"),
        (
            vec!["streams", "0", "retriever", "requester", "authenticator"],
            "streams: [{retriever: {requester: {authenticator: {class_name: a.B}}}}]",
            "CustomAuthenticator",
        ),
        (vec!["streams", "0", "spam"], "streams: [{spam: {class_name: a.B}}]", "CustomComponent"),
        (vec!["streams", "0", "spam"], "streams: [{spam: {x: 1}}]", "Default"),
    ] {
        assert_eq!(&*at(text, &path).kind("Default").expect(text), kind, "{text}");
    }
    let problem = at("a: {x: 1}", &["a"]).kind("").expect_err("no type");
    assert_eq!(problem.to_string(), "shop.yaml:1:4: a: needs a 'type'");
}

#[test]
fn what_is_wrong_is_told_with_file_line_path_and_what_is_expected() {
    let text = "streams:\n  - name: a\n    size: many\n    list: {x: 1}\n    flag: 'yes'\n";
    let stream = at(text, &["streams", "0"]);
    let told = |problem: Problem| problem.to_string();
    for (said, expected) in [
        (
            told(stream.need::<u64>("size").expect_err("text")),
            "shop.yaml:3:11: streams[0].size: must be a whole number from 0, not a text",
        ),
        (
            told(stream.need::<Vec<String>>("list").expect_err("map")),
            "shop.yaml:4:11: streams[0].list: must be a list, not a mapping",
        ),
        (
            told(stream.need::<bool>("flag").expect_err("text")),
            "shop.yaml:5:11: streams[0].flag: must be true or false, not a text",
        ),
        (told(stream.need::<Json>("nowhere").expect_err("none")), "shop.yaml:2:5: streams[0]: needs 'nowhere'"),
        (told(stream.unsupported()), "shop.yaml:2:5: streams[0]: DeclarativeStream is not supported here"),
    ] {
        assert_eq!(said, expected);
    }
}

#[test]
fn behind_a_reference_the_place_is_where_the_value_is_written() {
    let text = "definitions:\n  size: many\nstreams:\n  - {name: a, size: '#/definitions/size'}";
    let problem = at(text, &["streams", "0"]).need::<u64>("size").expect_err("text");
    assert_eq!(problem.to_string(), "shop.yaml:2:9: streams[0].size: must be a whole number from 0, not a text");
}

#[test]
fn references_that_multiply_end_at_the_budget_and_cost_nothing_before() {
    let mut text = "a0: [1, 1]\n".to_owned();
    for level in 1..40 {
        text.push_str(&format!("a{level}: ['#/a{0}', '#/a{0}']\n", level - 1));
    }
    let root = document(&text).root();
    assert!(root.get("a39").is_some_and(|node| node.is_list()), "a step is a step");
    let problem = root.need::<Json>("a39").expect_err("2^40 values");
    assert_eq!(problem.code(), "manifest_too_large");
    assert_eq!(document(&text).root().need::<Json>("a3").expect("16 values").to_string().matches('1').count(), 16);
}

#[test]
fn walking_one_stream_of_a_large_manifest_visits_that_stream_alone() {
    let mut text = "definitions:\n  base:\n    retriever: {requester: {url_base: 'https://a.example'}, record_selector: {extractor: {field_path: []}}}\nstreams:\n".to_owned();
    while text.len() < 1 << 20 {
        let at = text.len();
        text.push_str(&format!("  - $ref: '#/definitions/base'\n    name: stream_{at}\n    primary_key: id\n    schema_loader:\n      schema: {{type: object, properties: {{id: {{type: string}}, at: {{type: string}}, n: {{type: number}}}}}}\n"));
    }
    let document = document(&text);
    let root = document.root();
    let streams = root.get("streams").expect("streams").items().expect("a list");
    let listing = root.walk.taken();
    let stream = streams[streams.len() / 2].afresh();
    assert!(stream.loaded().is_ok());
    println!(
        "{} bytes, {} streams: {listing} steps to list them, {} for one",
        text.len(),
        streams.len(),
        stream.walk.taken()
    );
    assert!(listing < 4 * streams.len() as u32, "{listing}");
    assert!(stream.walk.taken() < 100, "{}", stream.walk.taken());
}

/// Documents of a few keys that refer to each other, so that what rarely meets meets often.
fn tangled() -> impl Strategy<Value = Json> {
    let key = prop::sample::select(vec![
        "a",
        "b",
        "c",
        "type",
        "$ref",
        "$parameters",
        "streams",
        "retriever",
        "class_name",
        "config_overrides",
    ]);
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Json::from),
        any::<i32>().prop_map(Json::from),
        prop::sample::select(vec![
            "",
            "x",
            "object",
            "#/a",
            "#/b",
            "#/c",
            "#/a/b",
            "#/streams/0",
            "#/",
            "DeclarativeStream",
            "#/b/$parameters"
        ])
        .prop_map(Json::from),
    ];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::Array),
            prop::collection::vec((key.clone(), inner), 0..6).prop_map(|pairs| {
                Json::Object(pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
            }),
        ]
    })
}

proptest! {
    #[test]
    fn walking_terminates_whatever_is_written(json in tangled()) {
        let root = Document::from_json(&json).root();
        let _ = root.json();
        let _ = root.loaded();
        for key in root.keys().unwrap_or_default() {
            if let Some(node) = root.get(&key) {
                let _ = (node.kind(""), node.items(), node.entries(), node.unsupported().to_string());
            }
        }
    }

    #[test]
    fn any_text_is_a_document_or_a_problem_with_a_place(text in "[ -~\n]{0,200}") {
        match Document::parse("x.yaml", &text, Limits::default()) {
            Ok(document) => { let _ = document.root().loaded(); }
            Err(problems) => prop_assert!(!problems.is_empty() && problems.iter().all(|problem| problem.code().starts_with("manifest_"))),
        }
    }
}
