//! Where schemas come from. The expected values were observed in the reference implementation (7.39.1).

use std::collections::BTreeMap;

use super::*;
use crate::manifest::node::Document;

fn loaders(written: &Json) -> Result<SchemaLoaders, Problem> {
    let stream = json!({ "type": "DeclarativeStream", "name": "orders", "schema_loader": written });
    Document::from_json(&stream).root().need("schema_loader")
}

fn loader(written: &Json) -> SchemaLoader {
    let loaders = loaders(written).expect("a loader");
    loaders.iter().next().expect("one loader").clone()
}

fn with_scope<T>(then: impl FnOnce(&Scope<'_>) -> T) -> T {
    let config = json!({ "folder": "extra" });
    then(&Scope::new(&config, jiff::Timestamp::UNIX_EPOCH))
}

fn from_files(loader: &SchemaLoader, files: &[(&str, Json)]) -> Result<Json, RecordError> {
    let files: BTreeMap<&str, Vec<u8>> =
        files.iter().map(|(path, json)| (*path, json.to_string().into_bytes())).collect();
    with_scope(|scope| loader.schema(Given::Files(&|path| files.get(path).cloned()), scope))
}

fn path(loader: &SchemaLoader) -> Result<String, RecordError> {
    match with_scope(|scope| loader.needs(scope))? {
        Needs::File(path) => Ok(path),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_inline_schema_is_what_is_written() {
    let schema = json!({ "type": "object", "properties": { "id": { "type": "integer" } } });
    let inline = loader(&json!({ "type": "InlineSchemaLoader", "schema": schema }));
    assert_eq!(with_scope(|scope| inline.schema(Given::Nothing, scope)), Ok(schema));
    assert!(matches!(with_scope(|scope| inline.needs(scope)), Ok(Needs::Nothing)));
    let empty = loader(&json!({ "type": "InlineSchemaLoader" }));
    assert_eq!(with_scope(|scope| empty.schema(Given::Nothing, scope)), Ok(json!({})));
}

#[test]
fn a_file_is_called_by_its_path_in_the_package() {
    for (written, expected) in [
        ("./source_shop/schemas/orders.json", "schemas/orders.json"),
        ("source_shop/schemas/orders.json", "schemas/orders.json"),
        ("./orders.json", "orders.json"),
        ("./source_shop/{{ config.folder }}/{{ parameters.name }}.json", "extra/orders.json"),
    ] {
        let loader = loader(&json!({
            "type": "JsonFileSchemaLoader", "file_path": written, "$parameters": { "name": "orders" },
        }));
        assert_eq!(path(&loader).as_deref(), Ok(expected), "{written}");
    }
    let named = loader(&json!({ "type": "JsonFileSchemaLoader", "$parameters": { "name": "orders" } }));
    assert_eq!(path(&named).as_deref(), Ok("schemas/orders.json"));
    for outside in ["./s/../../etc/passwd", "s//x", "/", "./s/c:x", "s/\\x"] {
        let loader = loader(&json!({ "type": "JsonFileSchemaLoader", "file_path": outside }));
        assert_eq!(path(&loader).expect_err(outside).code(), "schema_unreadable");
    }
}

#[test]
fn references_of_a_file_are_written_out() {
    let loader = loader(&json!({ "type": "JsonFileSchemaLoader", "file_path": "./s/schemas/orders.json" }));
    let files = [
        (
            "schemas/orders.json",
            json!({ "properties": { "a": { "$ref": "money.json" }, "b": [{ "$ref": "#/definitions/x" }],
                "c": { "$ref": "money.json#/definitions/cents" } }, "definitions": { "x": { "type": "string" } } }),
        ),
        (
            "schemas/shared/money.json",
            json!({ "properties": { "cents": { "$ref": "#/definitions/cents" } }, "definitions": { "cents": { "type": "integer" } } }),
        ),
    ];
    let expected = json!({
        "properties": { "a": { "properties": { "cents": { "type": "integer" } } }, "b": [{ "type": "string" }],
            "c": { "type": "integer" } },
        "definitions": { "x": { "type": "string" } },
    });
    assert_eq!(from_files(&loader, &files), Ok(expected));
    for broken in [
        json!({ "a": { "$ref": "missing.json" } }),
        json!({ "a": { "$ref": "#/nowhere" } }),
        json!({ "a": { "$ref": "../secret.json" } }),
        json!({ "a": { "$ref": "#" } }),
        json!({ "a": { "$ref": "#/b" }, "b": [] }),
    ] {
        let error = from_files(&loader, &[("schemas/orders.json", broken.clone())]).expect_err("broken");
        assert_eq!(error.code(), "schema_unreadable", "{broken}");
    }
    assert_eq!(from_files(&loader, &[]).expect_err("missing").code(), "schema_unreadable");
}

#[test]
fn a_stream_without_a_loader_has_the_schema_of_its_name_if_there_is_one() {
    let stream = Document::from_json(&json!({ "type": "DeclarativeStream", "name": "orders" })).root();
    let loaders = SchemaLoaders::by_default(&stream).expect("loaders");
    let loader = loaders.iter().next().expect("one");
    assert_eq!(path(loader).as_deref(), Ok("schemas/orders.json"));
    assert_eq!(from_files(loader, &[]), Ok(json!({})));
    assert_eq!(
        from_files(loader, &[("schemas/orders.json", json!({ "type": "object" }))]),
        Ok(json!({ "type": "object" }))
    );
}

#[test]
fn of_several_loaders_the_first_one_that_has_a_property_wins() {
    let inline = |schema: Json| json!({ "type": "InlineSchemaLoader", "schema": schema });
    let loaders = loaders(&json!([inline(json!({})), inline(json!({}))])).expect("loaders");
    let merged = loaders.merge(vec![
        json!({ "properties": { "a": 1, "b": 1 }, "type": "object" }),
        json!({ "properties": { "b": 2, "c": 2 } }),
        json!({}),
    ]);
    let expected = json!({
        "$schema": "http://json-schema.org/draft-07/schema#", "type": ["null", "object"],
        "properties": { "a": 1, "b": 1, "c": 2 },
    });
    assert_eq!(merged, expected);
}

fn dynamic(identifier: &Json, rest: &Json) -> SchemaLoader {
    let mut identifier = identifier.clone();
    identifier["type"] = "SchemaTypeIdentifier".into();
    let mut written = json!({
        "type": "DynamicSchemaLoader", "retriever": { "type": "SimpleRetriever" }, "schema_type_identifier": identifier,
    });
    written.as_object_mut().expect("a mapping").extend(rest.as_object().expect("a mapping").clone());
    loader(&written)
}

fn properties(loader: &SchemaLoader, record: Option<&Json>) -> Result<Json, RecordError> {
    let mut schema = with_scope(|scope| loader.schema(Given::Record(record), scope))?;
    assert_eq!(schema["additionalProperties"], json!(true));
    Ok(schema["properties"].take())
}

#[test]
fn a_source_tells_its_schema_in_types_that_are_mapped() {
    let identifier = json!({
        "schema_pointer": ["fields"], "key_pointer": ["name"], "type_pointer": ["kind", "type"],
        "types_mapping": [
            { "type": "TypesMap", "current_type": "money", "target_type": "number" },
            { "type": "TypesMap", "current_type": "list", "target_type": { "field_type": "array", "items":
                { "field_type": "array", "items": "integer" } }, "condition": "{{ raw_schema.of == 'int' }}" },
            { "type": "TypesMap", "current_type": "list", "target_type": "array" },
            { "type": "TypesMap", "current_type": ["a", "b"], "target_type": ["string", "date"] },
        ],
    });
    let field = |name: &str, kind: Json| json!({ "name": name, "kind": { "type": kind } });
    let mut of_int = field("l", json!("list"));
    of_int["of"] = "int".into();
    let record = json!({ "fields": [
        field("m", json!("money")), of_int, field("p", json!("list")), field("e", json!(["a", "b"])),
        field("o", json!(["string", "integer"])), field("t", json!("timestamp_without_timezone")), { "name": "d" },
    ] });
    let loader = dynamic(&identifier, &json!({}));
    let expected = json!({
        "m": { "type": ["null", "number"] },
        "l": { "type": ["null", "array"], "items": { "type": ["null", "array"], "items": { "type": ["null", "integer"] } } },
        "p": { "type": ["null", "array"] },
        "e": { "oneOf": [{ "type": ["null", "string"] }, { "type": ["null", "string"], "format": "date" }] },
        "o": { "oneOf": [{ "type": ["null", "string"] }, { "type": ["null", "integer"] }] },
        "t": { "type": ["null", "string"], "format": "date-time", "airbyte_type": "timestamp_without_timezone" },
        "d": { "type": ["null", "string"] },
    });
    assert_eq!(properties(&loader, Some(&record)), Ok(expected));
    assert_eq!(properties(&loader, None), Ok(json!({})), "without a record there is nothing to tell");
    for broken in [
        json!({ "fields": "none" }),
        json!({ "fields": [{ "name": 1 }] }),
        json!({ "fields": [field("x", json!("unheard"))] }),
        json!({ "fields": [field("x", json!(["string"]))] }),
    ] {
        assert_eq!(properties(&loader, Some(&broken)).expect_err("broken").code(), "schema_unreadable", "{broken}");
    }
}

#[test]
fn told_properties_are_filtered_and_transformed() {
    let loader = dynamic(
        &json!({ "key_pointer": ["0"] }),
        &json!({
            "schema_filter": { "type": "RecordFilter", "condition": "{{ 'secret' not in record }}" },
            "schema_transformations": [{ "type": "KeysToLower" }],
        }),
    );
    let record = json!([["Id"], ["secret"]]);
    assert_eq!(properties(&loader, Some(&record)), Ok(json!({ "id": { "type": ["null", "string"] } })));
}

#[test]
fn what_is_asked_for_has_to_be_given() {
    let loader = loader(&json!({ "type": "JsonFileSchemaLoader", "file_path": "s/a.json" }));
    let error = with_scope(|scope| loader.schema(Given::Nothing, scope)).expect_err("nothing given");
    assert_eq!(error.code(), "schema_unreadable");
    let problem = loaders(&json!({ "type": "CustomSchemaLoader", "class_name": "x.Y" })).expect_err("custom");
    assert!(problem.to_string().contains("x.Y"), "{problem}");
}
