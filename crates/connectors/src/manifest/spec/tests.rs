//! Specifications: what is wrong with a config, which of its values are secrets, and what is done to it.

use serde_json::json;

use super::*;
use crate::manifest::node::{Document, Limits};

fn spec(text: &str) -> Spec {
    let document = Document::parse("shop.yaml", text, Limits::default()).expect(text);
    document.root().need("spec").expect(text)
}

fn told(schema: Json, config: Json) -> Vec<String> {
    check(&schema, &config).iter().map(ToString::to_string).collect()
}

#[test]
fn configs_are_judged_field_by_field() {
    let schema = json!({
        "type": "object",
        "required": ["token", "start"],
        "additionalProperties": false,
        "properties": {
            "token": {"type": "string", "title": "API Token", "airbyte_secret": true, "minLength": 3},
            "start": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "pattern_descriptor": "YYYY-MM-DD"},
            "pages": {"type": ["integer", "null"], "minimum": 1, "maximum": 100},
            "share": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
            "region": {"type": "string", "enum": ["eu", "us"]},
            "ids": {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2, "uniqueItems": true},
            "nested": {"type": "object", "required": ["a"], "properties": {"a": {"const": 1}}},
        }
    });
    let right = json!({"token": "abc", "start": "2024-01-01"});
    assert_eq!(told(schema.clone(), right.clone()), Vec::<String>::new());
    for (field, value, expected) in [
        ("token", json!("ab"), "token: must have at least 3 characters"),
        ("token", json!(7), "token: must be a text"),
        ("start", json!("yesterday"), "start: must look like YYYY-MM-DD"),
        ("pages", json!(0), "pages: must be at least 1"),
        ("pages", json!(101), "pages: must be at most 100"),
        ("pages", json!(1.5), "pages: must be a whole number or null"),
        ("share", json!(0), "share: must be more than 0"),
        ("share", json!(1.0), "share: must be less than 1"),
        ("region", json!("mars"), "region: must be one of \"eu\", \"us\""),
        ("ids", json!([]), "ids: needs at least 1 items"),
        ("ids", json!([1, 2, 3]), "ids: has more than 2 items"),
        ("ids", json!([1, 1.0]), "ids: has an item twice"),
        ("ids", json!([1, "x"]), "ids[1]: must be a whole number"),
        ("nested", json!({}), "nested.a: is missing"),
        ("nested", json!({"a": 2}), "nested.a: must be 1"),
        ("tokne", json!("x"), "tokne: is not known here; there are: token, start, pages, share, region, ids, nested"),
    ] {
        let mut config = right.clone();
        config[field] = value;
        assert_eq!(told(schema.clone(), config), [expected], "{field}");
    }
    for (field, value) in [("pages", json!(5.0)), ("pages", json!(null)), ("share", json!(0.5)), ("ids", json!([1, 2]))]
    {
        let mut config = right.clone();
        config[field] = value;
        assert_eq!(told(schema.clone(), config), Vec::<String>::new(), "{field}");
    }
    assert_eq!(told(schema.clone(), json!({})), ["token: is missing (API Token)", "start: is missing"]);
    assert_eq!(told(schema, json!([])), ["config: must be an object"]);
}

#[test]
fn of_several_options_the_one_that_is_meant_is_told_about() {
    let schema = json!({"properties": {"credentials": {"type": "object", "oneOf": [
        {"title": "OAuth", "required": ["kind", "refresh"], "properties": {"kind": {"const": "oauth"}, "refresh": {"type": "string"}}},
        {"title": "Token", "required": ["kind", "token"], "properties": {"kind": {"enum": ["token"]}, "token": {"type": "string"}}},
    ]}}});
    for (credentials, expected) in [
        (json!({"kind": "oauth", "refresh": "r"}), vec![]),
        (json!({"kind": "token", "token": "t"}), vec![]),
        (json!({"kind": "oauth"}), vec!["credentials.refresh: is missing"]),
        (json!({"kind": "token", "token": 1}), vec!["credentials.token: must be a text"]),
        (json!({"kind": "basic"}), vec!["credentials: fits none of its 2 options: OAuth, Token"]),
    ] {
        assert_eq!(told(schema.clone(), json!({"credentials": credentials})), expected, "{credentials}");
    }
    let both = json!({"oneOf": [{"type": "number"}, {"type": "integer"}]});
    assert_eq!(told(both, json!(1)), ["config: fits more than one of its options"]);
    assert_eq!(told(json!({"anyOf": [{"type": "number"}, {"type": "integer"}]}), json!(1)), Vec::<String>::new());
    assert_eq!(
        told(json!({"allOf": [{"minimum": 2}, {"maximum": 0}]}), json!(1)),
        ["config: must be at least 2", "config: must be at most 0"]
    );
    assert_eq!(told(json!({"not": {"type": "string"}}), json!("x")), ["config: has what it must not have"]);
}

#[test]
fn formats_are_doubts() {
    for (format, right, wrong) in [
        ("date", "2024-02-29", "2023-02-29"),
        ("date-time", "2024-02-29T10:00:00Z", "2024-02-29"),
        ("date-time", "2024-02-29T10:00:00.5+02:00", "2024-02-29T25:00:00Z"),
        ("uri", "https://shop.example", "shop"),
    ] {
        let schema = json!({"format": format});
        assert_eq!(told(schema.clone(), json!(right)), Vec::<String>::new(), "{right}");
        let problems = check(&schema, &json!(wrong));
        assert_eq!(problems.iter().map(|problem| problem.weight).collect::<Vec<_>>(), [Weight::Doubt], "{wrong}");
    }
    let problems = check(&json!({"pattern": "^(?!x)"}), &json!("y"));
    assert_eq!(problems[0].weight, Weight::Doubt, "a pattern that needs look-around");
}

#[test]
fn a_schema_of_options_of_options_ends() {
    let mut schema = json!({"type": "string"});
    for _ in 0..30 {
        schema = json!({"anyOf": [schema.clone(), schema]});
        if schema.to_string().len() > 200_000 {
            break;
        }
    }
    let problems = check(&schema, &json!(1));
    assert!(!problems.is_empty());
    assert!(problems.iter().all(|problem| !problem.message.contains('1')), "no value is quoted");
}

const SECRETS: &str = "
spec:
  connection_specification:
    type: object
    properties:
      shop: {type: string}
      token: {type: string, airbyte_secret: true}
      credentials:
        oneOf:
          - {properties: {kind: {const: a}, password: {type: string, airbyte_secret: true}}}
          - {properties: {kind: {const: b}, key: {type: object, airbyte_secret: true}}}
      keys: {type: array, items: {type: string, airbyte_secret: true}}
";

#[test]
fn secrets_are_known_and_never_shown() {
    let spec = spec(SECRETS);
    let config = json!({
        "shop": "acme", "token": "tok-1", "keys": ["key-1", "key-12"],
        "credentials": {"kind": "a", "password": "hunter2", "key": {"pem": "-----"}},
    });
    let mut values = spec.secrets().values(&config);
    values.sort_unstable();
    assert_eq!(values, ["-----", "hunter2", "key-1", "key-12", "tok-1"]);
    let message = "acme: tok-1 was refused, as was key-12 (hunter2)";
    assert_eq!(spec.secrets().hide(message, &config), "acme: **** was refused, as was **** (****)");
    assert_eq!(
        spec.secrets().masked(&config),
        json!({
            "shop": "acme", "token": "****", "keys": ["****", "****"],
            "credentials": {"kind": "a", "password": "****", "key": "****"},
        })
    );
    for problem in check(&spec.schema, &json!({"token": {"x": "hunter2"}, "keys": "hunter2", "shop": 5})) {
        assert!(!problem.to_string().contains("hunter2"), "{problem}");
    }
}

#[test]
fn the_specification_is_told_as_the_protocol_has_it() {
    let spec = spec(
        "spec: {type: Spec, documentation_url: 'https://docs.example', connection_specification: {type: object, properties: {a: {type: string}}}, advanced_auth: {auth_flow_type: oauth2.0}}",
    );
    assert_eq!(
        spec.json(),
        json!({
            "connectionSpecification": {"type": "object", "properties": {"a": {"type": "string"}}},
            "documentationUrl": "https://docs.example",
            "advanced_auth": {"auth_flow_type": "oauth2.0"},
        })
    );
}

/// A specification with these rules.
fn ruled(rules: &str) -> Spec {
    spec(&format!(
        "spec: {{type: Spec, connection_specification: {{type: object}}, config_normalization_rules: {{type: ConfigNormalizationRules, {rules}}}}}"
    ))
}

#[test]
fn configs_of_old_are_migrated() {
    for (change, before, after) in [
        (
            "{type: ConfigRemapField, field_path: [region], map: {EU: eu, US: us}}",
            json!({"region": "EU"}),
            json!({"region": "eu"}),
        ),
        (
            "{type: ConfigRemapField, field_path: [region], map: {EU: eu}}",
            json!({"region": "AP"}),
            json!({"region": "AP"}),
        ),
        ("{type: ConfigRemapField, field_path: [a, b], map: {x: 1}}", json!({"a": {"b": "x"}}), json!({"a": {"b": 1}})),
        ("{type: ConfigRemapField, field_path: [a, b], map: {x: 1}}", json!({"a": "x"}), json!({"a": "x"})),
        (
            "{type: ConfigAddFields, fields: [{path: [a, b], value: \"{{ config['x'] }}\"}]}",
            json!({"x": "y"}),
            json!({"x": "y", "a": {"b": "y"}}),
        ),
        (
            "{type: ConfigAddFields, fields: [{path: [a], value: '1'}, {path: [b], value: \"{{ config['a'] + 1 }}\"}]}",
            json!({}),
            json!({"a": 1, "b": 2}),
        ),
        (
            "{type: ConfigAddFields, fields: [{path: [a], value: '1', value_type: string}]}",
            json!({}),
            json!({"a": "1"}),
        ),
        (
            "{type: ConfigAddFields, condition: \"{{ config['on'] }}\", fields: [{path: [a], value: '1'}]}",
            json!({"on": false}),
            json!({"on": false}),
        ),
        (
            "{type: ConfigRemoveFields, field_pointers: [[a, b], [c]]}",
            json!({"a": {"b": 1, "d": 2}}),
            json!({"a": {"d": 2}}),
        ),
        (
            "{type: ConfigRemoveFields, condition: \"{{ config['on'] }}\", field_pointers: [[a]]}",
            json!({"a": 1}),
            json!({"a": 1}),
        ),
    ] {
        let spec = ruled(&format!(
            "config_migrations: [{{type: ConfigMigration, transformations: [{change}]}}], transformations: [{change}]"
        ));
        let mut migrated = before.clone();
        let changed = spec.migrate(&mut migrated, Timestamp::UNIX_EPOCH).expect(change);
        assert_eq!((&migrated, changed), (&after, before != after), "{change}");
        let mut transformed = before.clone();
        spec.transform(&mut transformed, Timestamp::UNIX_EPOCH).expect(change);
        assert_eq!(transformed, after, "{change}");
    }
}

#[test]
fn further_rules_are_told_field_by_field() {
    let strategy = "validation_strategy: {type: ValidateAdheresToSchema, base_schema: {type: array, items: {type: object, required: [name]}}}";
    let spec = ruled(&format!("validations: [{{type: DpathValidator, field_path: [reports], {strategy}}}]"));
    for (config, expected) in [
        (json!({"reports": [{"name": "a"}]}), vec![]),
        (json!({}), vec![]),
        (json!({"reports": "[{\"name\": 1}]"}), vec![]),
        (json!({"reports": [{}]}), vec!["reports[0].name: is missing"]),
        (json!({"reports": "[{"}), vec!["reports: must be JSON, written as a text"]),
    ] {
        let told: Vec<String> = spec.validate(&config, Timestamp::UNIX_EPOCH).iter().map(ToString::to_string).collect();
        assert_eq!(told, expected, "{config}");
    }
}

#[test]
fn custom_rules_are_left_out_and_told() {
    let spec = ruled(
        "transformations: [{type: CustomConfigTransformation, class_name: shop.Fix}], validations: [{type: DpathValidator, field_path: [a], validation_strategy: {type: CustomValidationStrategy, class_name: shop.Judge}}]",
    );
    let codes: Vec<&str> = spec.left_out.iter().map(Problem::code).collect();
    assert_eq!(codes, ["component_custom", "component_custom"]);
}
