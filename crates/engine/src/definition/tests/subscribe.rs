//! What `subscribe` asks for, what it brings along, and what is told where it cannot be.

use std::time::Duration;

use super::*;
use crate::clock::SystemClock;
use crate::connector::{Connector, ConnectorError, Connectors, Named};
use crate::entropy::SystemEntropy;
use crate::spec::Schedule;

/// A shop without webhooks.
const SHOP: &str = r##"
version: 7.0.0
type: DeclarativeSource
check: { type: CheckStream, stream_names: [items] }
definitions:
  requester: { type: HttpRequester, url_base: "https://shop.example", path: all }
  retriever:
    type: SimpleRetriever
    record_selector: { type: RecordSelector, extractor: { type: DpathExtractor, field_path: [] } }
    requester: { $ref: "#/definitions/requester" }
streams:
  - { type: DeclarativeStream, name: items, primary_key: id, retriever: { $ref: "#/definitions/retriever" } }
  - { type: DeclarativeStream, name: tags, primary_key: id, retriever: { $ref: "#/definitions/retriever" } }
"##;

const TOLD: &str = r##"
metadata:
  trireme:
    $PROVIDER
    webhooks:
      subscribe: { requester: { $ref: "#/definitions/requester" }, id: [id], secret: $SECRET }
    streams:
      items: { events: [{ type: item, action: updated, id: [id] }] }
      tags: { events: [{ type: tag_gone, action: deleted, id: [id] }] }
"##;

#[derive(Debug)]
struct Shops;

impl Connectors for Shops {
    fn find(&self, name: &str, _: Option<&str>) -> Result<Arc<Connector>, ConnectorError> {
        let told = |provider: &str, secret: &str| {
            format!("{SHOP}{}", TOLD.replace("$PROVIDER", provider).replace("$SECRET", secret))
        };
        let text = match name {
            "./silent.yaml" => SHOP.to_owned(),
            "./ours.yaml" => told("provider: github", "ours"),
            "./app.yaml" => told("provider: shopify", "app"),
            "./nobody.yaml" => told("", "ours"),
            _ => told("provider: nobody-knows", "ours"),
        };
        let (clock, entropy) = (SystemClock::shared(), SystemEntropy::shared());
        Connector::load(Named { name, text: &text }, None, Arc::new(|_| None), &clock, &entropy).map(Arc::new)
    }
}

fn read(json: Json, public_url: Option<&str>) -> Result<(SourceSpec, Report), Report> {
    let public_url = public_url.map(Arc::from);
    let context = Context { connectors: Arc::new(Shops), public_url, ..context() };
    read_json(json, |at| source(at, "shop".parse().expect("a name"), &context))
}

fn subscribed(connector: &str, more: Json) -> Json {
    let mut json = json!({ "connector": connector, "config": {}, "subscribe": true });
    json.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    json
}

fn good(json: Json) -> (SourceSpec, Report) {
    read(json.clone(), Some("https://hooks.example")).unwrap_or_else(|report| panic!("{json}: {report:?}"))
}

fn findings(report: &Report) -> Vec<String> {
    report.findings.iter().map(|one| format!("{} {}", one.pointer, one.code)).collect()
}

#[test]
fn it_brings_the_provider_the_record_and_a_reconciliation_of_what_is_told() {
    let streams = json!({ "streams": { "items": { "poll": "30s" }, "tags": { "poll": "30s" } } });
    let (spec, report) = good(subscribed("./ours.yaml", streams));
    assert_eq!(findings(&report), Vec::<String>::new());
    assert_eq!(spec.webhook.as_ref().map(|webhook| webhook.provider.as_str()), Some("github"));
    let connector = spec.connector.as_ref().expect("it has one");
    assert!(connector.subscribe && connector.normalize);
    let schedule = connector.streams["items"].reconcile.as_ref().map(|spec| spec.schedule.clone());
    assert_eq!(schedule, Some(Schedule::Every(Duration::from_secs(3_600))));
    assert_eq!(connector.streams["tags"].reconcile, None, "that one is gone is not all that happens to it");
    let again = good(write_source(&spec, &mut |secret| secret.expose().to_owned())).0;
    assert_eq!(again, spec, "written and read again it is the same");
}

#[test]
fn what_its_owner_says_stays() {
    let own = json!({ "normalize": false, "webhook": { "secret": "mine" },
                      "streams": { "items": { "poll": "30s", "reconcile": "2h" } } });
    let (spec, _) = good(subscribed("./ours.yaml", own));
    let connector = spec.connector.as_ref().expect("it has one");
    assert!(!connector.normalize);
    let schedule = connector.streams["items"].reconcile.as_ref().map(|spec| spec.schedule.clone());
    assert_eq!(schedule, Some(Schedule::Every(Duration::from_secs(7_200))));
    let webhook = spec.webhook.as_ref().expect("it listens");
    assert_eq!((webhook.provider.as_str(), webhook.secrets.len()), ("github", 1));
    assert_eq!(good(write_source(&spec, &mut |secret| secret.expose().to_owned())).0, spec);
    let other = json!({ "webhook": { "provider": "standard-webhooks" } });
    let (spec, _) = good(subscribed("./nobody.yaml", other));
    assert_eq!(spec.webhook.map(|webhook| webhook.provider), Some("standard-webhooks".to_owned()));
}

#[test]
fn what_it_lacks_is_told_where_it_is_to_be_written() {
    let url = Some("https://hooks.example");
    for (json, url, expected) in [
        (subscribed("./ours.yaml", json!({})), None, "/subscribe public_url_missing"),
        (json!({ "publish": true, "subscribe": true }), url, "/subscribe conflict"),
        (subscribed("./ours.yaml", json!({ "subscribe": "often" })), url, "/subscribe invalid_value"),
        (subscribed("./nobody.yaml", json!({})), url, "/subscribe missing_key"),
        (subscribed("./unknown.yaml", json!({})), url, "/subscribe unknown_name"),
        (subscribed("./app.yaml", json!({})), url, "/subscribe secret_missing"),
    ] {
        let report = read(json.clone(), url).expect_err("it lacks something");
        assert!(findings(&report).contains(&expected.to_owned()), "{json}: {:?}", findings(&report));
    }
    let app = json!({ "webhook": { "secret": "of the app" } });
    assert!(read(subscribed("./app.yaml", app), url).is_ok());
}

#[test]
fn a_connector_without_webhooks_leaves_polling_and_a_warning() {
    let (spec, report) = good(subscribed("./silent.yaml", json!({ "streams": { "items": { "poll": "30s" } } })));
    assert_eq!(findings(&report), ["/subscribe subscribe_unsupported"]);
    assert!(spec.webhook.is_none() && spec.subscribes());
}
