//! Every connector of ours: what its manifest and its extension say holds together, and every request that the extension
//! makes possible can be built.

mod answers;
mod requests;

use connectors::manifest::catalogue::{embedded, embedded_names};
use connectors::manifest::extension::{Extension, StreamExtension};
use connectors::manifest::inspect::{Inspection, inspect};
use connectors::manifest::node::{Document, Limits};
use connectors::manifest::overrides::Overrides;
use connectors::manifest::source::Source;
use connectors::provider::catalogue;
use serde_json::{Map, Value as Json, json};

/// One connector, loaded.
struct Ours {
    name: &'static str,
    source: Source,
    extension: Extension,
    inspection: Inspection,
    /// A value for each field of its config.
    config: Json,
}

fn all() -> Vec<Ours> {
    let all: Vec<Ours> = embedded_names().map(ours).collect();
    assert!(all.len() >= 15, "the connectors are embedded");
    all
}

fn ours(name: &'static str) -> Ours {
    let text = embedded(name).expect(name);
    let document = Document::parse(name, text, Limits::default()).unwrap_or_else(|problems| panic!("{problems:?}"));
    let source = Source::load(&document, Overrides::default()).unwrap_or_else(|problems| panic!("{problems:?}"));
    let extension = Extension::of(source.root()).unwrap_or_else(|problem| panic!("{problem}"));
    let inspection = inspect(&document, Overrides::default(), None);
    let config = config(&source);
    Ours { name, source, extension, inspection, config }
}

/// A config as its specification describes it: the first example, the default, or something of the type.
fn config(source: &Source) -> Json {
    let root = source.root();
    let schema = root.get("spec").and_then(|spec| spec.get("connection_specification"));
    let schema = schema.expect("a connector of ours says what it is configured by").json().expect("JSON");
    let mut config = Map::new();
    for (name, field) in schema["properties"].as_object().expect("properties") {
        let example = field.get("examples").and_then(|examples| examples.get(0)).or_else(|| field.get("default"));
        let value = example.cloned().unwrap_or_else(|| match field["type"].as_str() {
            Some("array") => json!(["one", "two"]),
            Some("integer" | "number") => json!(1),
            Some("boolean") => json!(true),
            _ if field["format"] == "date-time" => json!("2026-01-01T00:00:00Z"),
            _ => json!(format!("a-{name}")),
        });
        config.insert(name.clone(), value);
    }
    for (name, value) in [("base_url", "https://api.example"), ("instance_url", "https://api.example")] {
        config.insert(name.to_owned(), Json::from(value));
    }
    Json::Object(config)
}

#[test]
fn every_stream_runs_and_nothing_is_doubtful() {
    for ours in all() {
        let (name, told) = (ours.name, &ours.inspection);
        assert!(told.problems.is_empty() && told.warnings.is_empty(), "{name}: {told:?}");
        assert!(told.summary.runs >= 3, "{name}: {told}");
        assert_eq!(told.summary.runs, told.streams.len(), "{name}: {told}");
        for stream in &told.streams {
            assert!(!stream.primary_key.is_empty() && stream.notes.is_empty(), "{name}: {stream:?}");
        }
        assert!(ours.source.check.is_some() && ours.source.spec.is_some(), "{name}");
    }
}

#[test]
fn every_extension_says_whence_it_is_known_and_how_deletes_are_told() {
    for ours in all() {
        let (name, extension) = (ours.name, &ours.extension);
        let documentation = extension.documentation.as_deref().unwrap_or_default();
        let dated = documentation.rsplit_once(" (20").is_some_and(|(url, month)| {
            url.starts_with("https://") && month.len() == "26-11)".len() && month.ends_with(')')
        });
        assert!(dated, "{name}: a page and the month of it, not '{documentation}'");
        let told: Vec<&str> = ours.inspection.streams.iter().map(|stream| stream.name.as_str()).collect();
        assert_eq!(extension.strangers(|stream| told.contains(&stream)), [""; 0], "{name}");
        assert_eq!(extension.streams.len(), told.len(), "{name}: something is said of every stream");
        for (stream, said) in &extension.streams {
            assert!(said.deletes.is_some(), "{name} {stream}: how deletes are told is not said");
            assert!(said.object.is_some(), "{name} {stream}: its records have no name");
        }
    }
}

#[test]
fn a_version_is_a_field_that_the_records_have() {
    for ours in all() {
        for (stream, said) in &ours.extension.streams {
            let Some(version) = &said.version else { continue };
            let declared = ours.source.declared().iter().find(|declared| declared.name == *stream).expect(stream);
            let node = declared.node.get("schema_loader").and_then(|loader| loader.get("schema")).expect("inline");
            let properties = &node.json().expect("JSON")["properties"];
            assert!(properties.get(&version.field[0]).is_some(), "{} {stream}: {:?}", ours.name, version.field);
        }
    }
}

#[test]
fn every_topic_is_one_that_the_provider_can_tell_and_has_one_meaning_for_a_stream() {
    let mut topics = 0;
    for ours in all() {
        let (name, extension) = (ours.name, &ours.extension);
        let provider = extension.provider.as_deref().unwrap_or_else(|| panic!("{name}: no provider"));
        let recipe = catalogue().get(provider).unwrap_or_else(|| panic!("{name}: no recipe '{provider}'"));
        for (stream, said) in &extension.streams {
            for mapping in &said.events {
                let topic = mapping.event_type.as_str();
                assert!(recipe.can_tell(topic), "{name} {stream}: '{topic}' is never told");
                let same = said.events.iter().filter(|other| other.event_type == topic).count();
                assert_eq!(same, 1, "{name} {stream}: '{topic}' is mapped {same} times");
                topics += 1;
            }
        }
    }
    assert!(topics > 150, "{topics}");
}

#[test]
fn what_is_subscribed_to_is_mapped() {
    for ours in all() {
        let Some(webhooks) = &ours.extension.webhooks else { continue };
        let (name, asked) = (ours.name, &webhooks.subscribe.events);
        for topic in asked {
            let is_mapped = ours.extension.meanings(topic).next().is_some();
            // Some name a topic by more than its events do (a prefix), or a family of topics by less.
            let topic = topic.trim_start_matches("zen:event-type:");
            let is_mapped = is_mapped || ours.extension.meanings(topic).next().is_some();
            let is_family = ours
                .extension
                .streams
                .values()
                .flat_map(|stream| &stream.events)
                .any(|mapping| mapping.event_type.strip_prefix(topic).is_some_and(|rest| rest.starts_with('.')));
            assert!(is_mapped || is_family, "{name}: '{topic}' is asked for, but means nothing");
        }
    }
}

/// The row of the catalogue's table that a connector must have.
fn row(ours: &Ours) -> String {
    let streams = ours.inspection.streams.iter().map(|stream| match stream.cursor {
        Some(_) => format!("**{}**", stream.name),
        None => stream.name.clone(),
    });
    let streams: Vec<String> = streams.collect();
    let webhooks = match &ours.extension.webhooks {
        None => "by hand",
        Some(webhooks) if webhooks.renew.is_some() => "subscribed and renewed",
        Some(_) => "subscribed",
    };
    let count =
        |can: &dyn Fn(&StreamExtension) -> bool| ours.extension.streams.values().filter(|said| can(said)).count();
    let (get, written) = (count(&|said| said.get.is_some()), count(&|said| said.create.is_some()));
    format!("| {} | {} | {webhooks} | {get} | {written} |", ours.name, streams.join(", "))
}

#[test]
fn the_catalogue_says_of_each_what_it_has() {
    let readme = include_str!("../../../../catalogue/connectors/README.md");
    let rows: Vec<String> = all().iter().map(row).collect();
    let told: Vec<&str> = readme.lines().filter(|line| line.starts_with("| ") && !line.contains("streams")).collect();
    assert_eq!(told, rows, "catalogue/connectors/README.md should have these rows:\n{}", rows.join("\n"));
}
