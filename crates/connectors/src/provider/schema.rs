//! `docs/schemas/provider.json`, by which editors complete and check a recipe: made from the types that read it.
//! Only tests make it; the program hands out the committed file.

use std::borrow::Cow;
use std::path::Path;

use domain::Assurance;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::example::ExamplesSpec;
use super::settings::Param;
use super::span::Span;
use super::spec::RecipeSpec;
use super::yaml::At;

const COMMITTED: &str = "docs/schemas/provider.json";

impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }
    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

impl<T: JsonSchema> JsonSchema for Param<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("{}OrSetting", T::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                generator.subschema_for::<T>(),
                {
                    "type": "object",
                    "description": "The name of the setting that gives it.",
                    "properties": { "setting": { "type": "string" } },
                    "required": ["setting"],
                    "additionalProperties": false,
                },
            ]
        })
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A span of time such as 300s, 5m, 24h or 3d.",
            "pattern": "^[0-9]+[smhd]$",
        })
    }
}

pub(super) fn assurance(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": Assurance::ALL.map(Assurance::as_str), "description": "What the request proves." })
}

/// One schema for both documents of a file: editors hold each document against the same one. Which of the two a
/// document is meant to be is told by its keys rather than tried out, so that a mistake gets its own message.
fn schema() -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let recipe = generator.subschema_for::<RecipeSpec>();
    let examples = generator.subschema_for::<ExamplesSpec>();
    let definitions = generator.take_definitions(true);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A provider of Trireme",
        "description": "How one webhook sender signs, and in the second document samples and vectors; \
            catalogue/providers/README.md says more.",
        "if": { "anyOf": [{ "required": ["samples"] }, { "required": ["vectors"] }] },
        "then": examples,
        "else": recipe,
        "$defs": definitions,
    })
}

fn repository() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Both documents of a file, as editors read them.
fn documents(text: &str) -> Vec<Value> {
    let split = text.find("\n---\n").map_or((text, None), |at| (&text[..at], Some(&text[at + 5..])));
    let read = |text: &str| serde_saphyr::from_str::<Value>(text).unwrap_or_else(|error| panic!("{error}"));
    [Some(split.0), split.1].into_iter().flatten().map(read).collect()
}

#[test]
fn the_committed_schema_is_the_one_that_the_types_make() {
    let made = format!("{:#}\n", schema());
    if made != std::fs::read_to_string(repository().join(COMMITTED)).unwrap_or_default() {
        let folder = repository().join("target/tmp");
        let fresh = folder.join("provider-schema.json");
        std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&fresh, made)).expect("the folder is ours");
        panic!("{COMMITTED} is out of date; look at the difference, then: cp {} {COMMITTED}", fresh.display());
    }
}

#[test]
fn every_file_of_the_catalogue_fits_the_schema() {
    let validator = jsonschema::draft202012::new(&schema()).expect("a schema");
    let mut wrong = Vec::new();
    let mut documents_seen = 0;
    for entry in std::fs::read_dir(repository().join("catalogue/providers")).expect("the catalogue") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            for document in documents(&std::fs::read_to_string(&path).expect("a text")) {
                documents_seen += 1;
                let told = validator.iter_errors(&document).map(|error| format!("{}: {error}", error.instance_path()));
                wrong.extend(told.map(|error| format!("{}{error}", path.display())));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(documents_seen > 200, "{documents_seen}");
}

#[test]
fn what_the_reader_refuses_by_its_shape_the_schema_refuses_too() {
    let validator = jsonschema::draft202012::new(&schema()).expect("a schema");
    let text = std::fs::read_to_string(repository().join("catalogue/providers/github.yaml")).expect("a text");
    assert!(documents(&text).iter().all(|document| validator.is_valid(document)));
    for (from, to) in [
        ("title: GitHub", "titel: GitHub"),
        ("hash: sha256", "hash: sha265"),
        ("header: x-hub-signature-256", "hedder: x"),
        ("deadline: 10s", "deadline: 10 seconds"),
        ("kind: tampered", "kind: tempered"),
        ("expect:", "expekt:"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from} is in the file");
        assert!(!documents(&changed).iter().all(|document| validator.is_valid(document)), "{to}");
    }
}
