//! Templates against what the reference implementation makes of them: every recorded template in every recorded context,
//! as a value, as a text, as a condition and as a request parameter. Where the two differ is listed, with the reason.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use connectors::manifest::expression::{Condition, Kinds, Template, dates};
use connectors::manifest::scope::{Scope, SliceView};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value as Json, json};

/// The share of evaluations that must agree; the rest is listed.
const AGREEMENT_MIN: f64 = 0.995;

fn lines(name: &str) -> Vec<Json> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/manifest").join(name);
    let text = std::fs::read_to_string(&path).expect("the recordings are committed");
    text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

fn text(value: &Json) -> &str {
    value.as_str().expect("a text")
}

fn object(value: &Json) -> &Map<String, Json> {
    value.as_object().expect("an object")
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
            let name = HeaderName::try_from(text(&pair[0])).expect("a header's name");
            headers.append(name, HeaderValue::from_str(text(&pair[1])).expect("a header's value"));
        }
        Self { values: object(values).clone(), headers }
    }

    fn get(&self, name: &str) -> &Json {
        self.values.get(name).unwrap_or(&NOTHING)
    }

    fn scope(&self, now: jiff::Timestamp) -> Scope<'_> {
        let mut scope = Scope::new(self.get("config"), now);
        for name in self.values.keys() {
            let value = self.get(name);
            scope = match name.as_str() {
                "parameters" => scope.parameters(object(value)),
                "stream_slice" => scope.slice(SliceView {
                    partition: object(&value["partition"]),
                    cursor: object(&value["cursor"]),
                    extra_fields: object(&value["extra"]),
                }),
                "headers" => scope.page_headers(&self.headers),
                "next_page_token" => scope.next_page_token(value),
                "record" => scope.record(value),
                "response" => scope.response(value),
                "last_record" => scope.last_record(value),
                "last_page_size" => scope.last_page_size(value.as_u64().expect("a count")),
                "page_size" => scope.page_size(value.as_u64()),
                "creation_response" => scope.creation_response(value),
                "polling_response" => scope.polling_response(value),
                "download_target" => scope.download_target(text(value)),
                "components_values" => scope.components_values(value),
                "stream_template_config" => scope.stream_template_config(value),
                "raw_schema" => scope.raw_schema(value),
                "property" => scope.property(value),
                "session_token" => scope.session_token(text(value)),
                "request_url" => scope.request_url(text(value)),
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
    result["b"] = match Condition::compile(template).expect("it compiles as a template").holds(scope) {
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

#[test]
fn every_listed_difference_has_a_reason() {
    for line in lines("expressions_differences.jsonl") {
        assert!(line["why"].as_str().is_some_and(|why| why.ends_with('.')), "{line}");
        assert!(line["templates"].as_array().is_some_and(|templates| !templates.is_empty()), "{line}");
    }
}

/// An ISO text with the offset that the moment carries, as it was recorded.
fn shown(text: &str, format: &str) -> Option<String> {
    let moment = dates::parse(text, format).ok()?;
    let fraction = if moment.micros() % 1_000_000 == 0 { "" } else { ".%f" };
    let shown = dates::format(moment, &format!("%Y-%m-%dT%H:%M:%S{fraction}%z"));
    // The year has four digits in ISO texts and the offset a colon.
    let (wall, offset) = shown.split_at(shown.rfind(['+', '-']).expect("an offset ends it"));
    let seconds = if offset.len() > 5 { format!(":{}", &offset[5..]) } else { String::new() };
    let year_end = wall.find('-').expect("a dash follows the year");
    Some(format!("{:0>4}{}{}:{}{seconds}", &wall[..year_end], &wall[year_end..], &offset[..3], &offset[3..5]))
}

#[test]
fn dates_are_read_and_written_as_the_reference_does() {
    let (mut checked, mut differing) = (0, Vec::new());
    let recorded = lines("expressions_dates.jsonl");
    let texts: BTreeSet<&str> = recorded
        .iter()
        .flat_map(|line| line["reads"].as_object().into_iter().flatten().map(|(text, _)| text.as_str()))
        .chain([
            "",
            "text",
            "2024-02-30",
            "2023-02-29T00:00:00Z",
            "2024-02-29T24:00:00Z",
            "2024-02-29T13:45:30z",
            "nan",
        ])
        .collect();
    for line in &recorded {
        if let Some(reads) = line["reads"].as_object() {
            let format = line["format"].as_str().unwrap();
            for text in &texts {
                checked += 1;
                let expected = reads.get(*text).and_then(Json::as_str).map(str::to_owned);
                let found = shown(text, format);
                if found != expected {
                    differing.push(format!("{text:?} read as {format:?}: {expected:?} but {found:?}"));
                }
            }
        }
        let moment = dates::parse(line["text"].as_str().unwrap_or_default(), line["as"].as_str().unwrap_or_default());
        for (format, expected) in line["writes"].as_object().into_iter().flatten() {
            checked += 1;
            let found = dates::format(*moment.as_ref().unwrap(), format);
            if expected.as_str() != Some(&found) {
                differing.push(format!("{} written as {format:?}: {expected} but {found:?}", line["text"]));
            }
        }
    }
    assert!(checked > 1_000, "too few dates were recorded to prove anything");
    assert!(differing.is_empty(), "{} of {checked} differ:\n  {}", differing.len(), differing.join("\n  "));
}
