//! Templates against what the reference implementation makes of them: every recorded template in every recorded context,
//! as a value, as a text, as a condition and as a request parameter. Where the two differ is listed, with the reason.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use connectors::manifest::expression::{Condition, Kinds, Template};
use connectors::manifest::scope::{Scope, SliceView};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value as Json, json};

/// The share of evaluations that must agree; the rest is listed.
const AGREEMENT_MIN: f64 = 0.995;

fn lines(name: &str) -> Vec<Json> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/manifest").join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The values of one recorded context, kept so that a scope can borrow them.
struct Context {
    values: Map<String, Json>,
    headers: HeaderMap,
}

static NOTHING: Json = Json::Null;

impl Context {
    fn new(values: &Json) -> Self {
        let mut headers = HeaderMap::new();
        for pair in values["headers"].as_array().into_iter().flatten() {
            let name = HeaderName::try_from(pair[0].as_str().unwrap()).unwrap();
            headers.append(name, HeaderValue::from_str(pair[1].as_str().unwrap()).unwrap());
        }
        Self { values: values.as_object().unwrap().clone(), headers }
    }

    fn get(&self, name: &str) -> &Json {
        self.values.get(name).unwrap_or(&NOTHING)
    }

    fn scope(&self, now: jiff::Timestamp) -> Scope<'_> {
        let mut scope = Scope::new(self.get("config"), now);
        for name in self.values.keys() {
            let value = self.get(name);
            scope = match name.as_str() {
                "parameters" => scope.parameters(value.as_object().unwrap()),
                "stream_slice" => scope.slice(SliceView {
                    partition: value["partition"].as_object().unwrap(),
                    cursor: value["cursor"].as_object().unwrap(),
                    extra_fields: value["extra"].as_object().unwrap(),
                }),
                "headers" => scope.page_headers(&self.headers),
                "next_page_token" => scope.next_page_token(value),
                "record" => scope.record(value),
                "response" => scope.response(value),
                "last_record" => scope.last_record(value),
                "last_page_size" => scope.last_page_size(value.as_u64().unwrap()),
                "page_size" => match value.as_u64() {
                    Some(size) => scope.page_size(Some(size)),
                    None => scope,
                },
                "creation_response" => scope.creation_response(value),
                "polling_response" => scope.polling_response(value),
                "download_target" => scope.download_target(value.as_str().unwrap()),
                "components_values" => scope.components_values(value),
                "stream_template_config" => scope.stream_template_config(value),
                "raw_schema" => scope.raw_schema(value),
                "property" => scope.property(value),
                "session_token" => scope.session_token(value.as_str().unwrap()),
                "request_url" => scope.request_url(value.as_str().unwrap()),
                _ => scope,
            };
        }
        scope
    }
}

/// What we make of a template in one context, in the form that it was recorded in.
fn evaluated(template: &str, scope: &Scope<'_>) -> Json {
    let failed = |code: &str| json!({ "e": code });
    let compiled = match Template::compile(template) {
        Ok(compiled) => compiled,
        Err(failure) => return json!({ "e": failure.code(), "b": failure.code(), "r": failed(failure.code()) }),
    };
    let mut result = match (compiled.value(scope), compiled.text(scope)) {
        (Ok(value), Ok(text)) => json!({ "v": value, "s": text }),
        (Err(failure), _) | (_, Err(failure)) => failed(failure.code()),
    };
    result["b"] = match Condition::compile(template).unwrap().holds(scope) {
        Ok(holds) => holds.into(),
        Err(failure) => failure.code().into(),
    };
    result["r"] = match compiled.value_or_null(scope, Kinds::TEXT_OR_LIST) {
        Ok(value) => json!({ "v": value }),
        Err(failure) => failed(failure.code()),
    };
    result
}

/// What differs between the recorded result and ours; failures are all alike but for being undefined or not.
fn difference(recorded: &Json, ours: &Json) -> Option<String> {
    let outcome = |result: &Json| result.get("e").map_or_else(|| result["v"].clone(), |_| json!({ "fails": true }));
    let recorded_value = outcome(recorded);
    if recorded_value != outcome(ours) {
        return Some(format!("value {recorded} but {ours}"));
    }
    if recorded.get("e").is_none() {
        let text = recorded.get("s").unwrap_or(&recorded["v"]);
        if *text != ours["s"] {
            return Some(format!("text {text} but {}", ours["s"]));
        }
    }
    let condition = |result: &Json| if result["b"].is_boolean() { result["b"].clone() } else { json!("fails") };
    if condition(recorded) != condition(ours) {
        return Some(format!("condition {} but {}", recorded["b"], ours["b"]));
    }
    let restricted = recorded.get("r").map_or(recorded_value, outcome);
    if restricted != outcome(&ours["r"]) {
        return Some(format!("parameter {restricted} but {}", ours["r"]));
    }
    let undefined = recorded.get("e").is_some_and(|error| error == "UndefinedError");
    let says_undefined = ours.get("e").is_some_and(|code| code == "template_undefined");
    (undefined != says_undefined).then(|| format!("failure {} but {}", recorded["e"], ours["e"]))
}

#[test]
fn templates_agree_with_the_reference() {
    let recorded = lines("expressions.jsonl");
    let now: jiff::Timestamp = recorded[0]["now"].as_str().unwrap().parse().unwrap();
    let contexts: BTreeMap<&str, Context> = recorded[0]["contexts"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, values)| (name.as_str(), Context::new(values)))
        .collect();
    let (mut evaluations, mut differing) = (0_u32, 0_u32);
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for line in &recorded[1..] {
        let template = line["t"].as_str().unwrap();
        for result in line["in"].as_array().unwrap() {
            for name in result["c"].as_array().unwrap() {
                let name = name.as_str().unwrap();
                evaluations += 1;
                if let Some(difference) = difference(result, &evaluated(template, &contexts[name].scope(now))) {
                    differing += 1;
                    found.entry(template.to_owned()).or_insert_with(|| format!("{name}: {difference}"));
                }
            }
        }
    }
    assert!(recorded.len() > 1_500 && evaluations > 6_000, "too little was recorded to prove anything");
    let agreement = 1.0 - f64::from(differing) / f64::from(evaluations);
    eprintln!("{} templates, {evaluations} evaluations, {differing} differ: {agreement:.5}", recorded.len() - 1);

    let listed = lines("expressions_differences.jsonl");
    let listed: BTreeSet<String> = listed
        .iter()
        .flat_map(|line| {
            line["templates"].as_array().unwrap().iter().map(|template| template.as_str().unwrap().to_owned())
        })
        .collect();
    let fresh: Vec<String> = found
        .iter()
        .filter(|(template, _)| !listed.contains(*template))
        .map(|(template, difference)| format!("{}\n      {difference}", Json::from(template.as_str())))
        .collect();
    let stale: Vec<&String> = listed.iter().filter(|template| !found.contains_key(*template)).collect();
    assert!(fresh.is_empty(), "{} differ and are not listed:\n  {}", fresh.len(), fresh.join("\n  "));
    assert!(stale.is_empty(), "listed as different, but they agree: {stale:#?}");
    assert!(agreement >= AGREEMENT_MIN, "only {agreement:.5} of {evaluations} evaluations agree");
}
