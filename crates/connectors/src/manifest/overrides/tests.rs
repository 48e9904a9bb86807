//! Overrides in the places that take them, and every mistake in the file told with its place.

use serde_json::json;

use super::*;
use crate::manifest::decode::Decoder;
use crate::manifest::node::Read;
use crate::manifest::select::{Extractor, RecordFilter};
use crate::manifest::transform::Transformation;

/// A language of one word: it gives the input's field of that name; `?` is no word.
#[derive(Debug)]
pub(crate) struct Words;

#[derive(Debug)]
struct Word(String);

impl Formulas for Words {
    fn compile(&self, text: &str) -> Result<Arc<dyn Formula>, String> {
        if text == "?" { Err("is no word".to_owned()) } else { Ok(Arc::new(Word(text.to_owned()))) }
    }
}

impl Formula for Word {
    fn value(&self, input: &Json) -> Result<Json, String> {
        input.pointer(&format!("/{}", self.0.replace('.', "/"))).cloned().ok_or_else(|| "finds nothing".to_owned())
    }
}

pub(crate) fn overrides(text: &str) -> Overrides {
    Overrides::parse("overrides.yaml", text, &Words).expect(text)
}

fn walk(manifest: &str, file: &str) -> Node {
    let document = Document::parse("shop.yaml", manifest, Limits::default()).expect(manifest);
    document.walk(&Arc::new(overrides(file)), false)
}

const MANIFEST: &str = "
definitions:
  token: \"{{ config['token'] }}\"
streams:
  - name: orders
    $parameters: {path: orders}
    retriever:
      requester:
        url_base: https://shop.example
        authenticator: {class_name: source_shop.components.ShopAuthenticator, api_token: left, realm: r}
      record_selector:
        extractor: {type: CustomRecordExtractor, class_name: source_shop.components.Rows}
";

fn authenticator(file: &str) -> Node {
    let stream = walk(MANIFEST, file).get("streams").expect("streams").items().expect("a list")[0].clone();
    let requester = stream.get("retriever").and_then(|retriever| retriever.get("requester")).expect("a requester");
    requester.get("authenticator").expect("an authenticator")
}

#[test]
fn a_standard_component_stands_in_for_a_custom_one() {
    for class in ["source_shop.components.ShopAuthenticator", "ShopAuthenticator"] {
        let node = authenticator(&format!(
            "overrides:\n  {class}:\n    component: {{type: BearerAuthenticator, api_token: '#/definitions/token'}}"
        ));
        assert_eq!((&*node.kind("").expect("a type"), node.class()), ("BearerAuthenticator", None));
        assert_eq!(
            node.need::<String>("api_token").expect("a token"),
            "{{ config['token'] }}",
            "looked up in the manifest"
        );
        assert_eq!(node.need::<String>("realm").expect("a realm"), "r", "what the override does not write is left");
        assert_eq!(node.need::<String>("path").expect("a path"), "orders", "parameters reach it");
    }
    let node = authenticator("overrides: {Other: {component: {type: NoAuth}}}");
    assert_eq!(node.class().as_deref(), Some("source_shop.components.ShopAuthenticator"));
    assert_eq!(node.unsupported().code(), "component_custom");
}

#[test]
fn a_mistake_in_an_override_is_told_in_the_override_file() {
    let node =
        authenticator("overrides:\n  ShopAuthenticator:\n    component: {type: BearerAuthenticator, api_token: [1]}");
    let problem = node.need::<String>("api_token").expect_err("a list");
    assert_eq!(problem.file(), "overrides.yaml");
    assert_eq!(problem.place().line, 3);
    assert_eq!(problem.path(), "streams[0].retriever.requester.authenticator.api_token");
}

#[test]
fn every_mistake_of_the_file_is_told_at_once() {
    let text = "
overrides:
  A: {component: {type: CustomAuthenticator, class_name: x.Y}}
  B: {jsonata: '?'}
  C: {component: {type: NoAuth}, jsonata: x}
  D: {}
  E: {python: x}
  F: {component: {api_token: x}}
  G: {jsonata: [x]}
  H: text
extra: 1
";
    let problems = Overrides::parse("overrides.yaml", text, &Words).expect_err(text);
    let mut told: Vec<(u32, String)> = problems.iter().map(|p| (p.place().line, p.message().to_owned())).collect();
    told.sort();
    let expected = [
        (3, "must be a standard component: custom ones are never executed"),
        (4, "is no word"),
        (5, "needs either 'component' or 'jsonata'"),
        (6, "needs either 'component' or 'jsonata'"),
        (7, "an override has 'component' or 'jsonata'"),
        (8, "needs 'type'"),
        (9, "must be a formula in JSONata, which is a text, not a list"),
        (10, "must be a mapping, not a text"),
        (11, "only 'overrides' can stand here"),
    ];
    assert_eq!(told, expected.map(|(line, message)| (line, message.to_owned())));
    let problems = Overrides::parse("overrides.yaml", "a: 1", &Words).expect_err("no overrides");
    assert_eq!(problems[0].to_string(), "overrides.yaml:1:1: needs 'overrides'");
}

fn component(kind: &str, formula: &str) -> Node {
    let manifest = format!("streams: [{{x: {{type: {kind}, class_name: a.B}}}}]");
    let root = walk(&manifest, &format!("overrides: {{B: {{jsonata: '{formula}'}}}}"));
    root.get("streams").expect("streams").items().expect("a list")[0].get("x").expect("x")
}

#[test]
fn formulas_see_what_a_template_in_their_place_sees() {
    let config = json!({"field": "rows", "keep": true});
    let scope = crate::manifest::scope::Scope::new(&config, jiff::Timestamp::UNIX_EPOCH);

    let filter: RecordFilter = Read::read(&component("CustomRecordFilter", "record.keep")).expect("a filter");
    for (keep, kept) in [(json!(true), Ok(true)), (json!(false), Ok(false)), (json!("yes"), Err(()))] {
        assert_eq!(filter.keeps(&json!({"keep": keep}), &scope).map_err(|_| ()), kept);
    }
    let filter: RecordFilter = Read::read(&component("CustomRecordFilter", "config.keep")).expect("a filter");
    assert_eq!(filter.keeps(&json!({}), &scope), Ok(true));

    let transformation: Transformation = Read::read(&component("CustomTransformation", "record.inner")).expect("one");
    let mut record = json!({"inner": {"id": 1}});
    transformation.apply(&mut record, &scope).expect("a record");
    assert_eq!(record, json!({"id": 1}));
    let error = transformation.apply(&mut json!({"inner": 1}), &scope).expect_err("no record");
    assert_eq!(
        (error.code(), error.to_string().as_str()),
        ("record_formula", "the formula in place of the transformation must give a record, which is an object")
    );

    let extractor: Extractor = Read::read(&component("CustomRecordExtractor", "response.rows")).expect("an extractor");
    assert!(!extractor.is_union());
    let problem = Decoder::read(&component("CustomDecoder", "x")).expect_err("no place for a formula");
    assert_eq!(problem.message(), "a formula cannot replace a CustomDecoder; write a 'component' in the override");
}
