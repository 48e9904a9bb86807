//! What is told about a manifest, for machines and for people.

use serde_json::json;

use super::*;
use crate::manifest::node::Limits;
use crate::manifest::overrides::tests::overrides;

const MANIFEST: &str = r#"version: 7.40.0
metadata: {license: Apache-2.0}
definitions:
  requester: {type: HttpRequester, url_base: 'https://shop.example', path: x}
  retriever:
    type: SimpleRetriever
    requester: '#/definitions/requester'
    record_selector: {extractor: {field_path: []}}
  pages: {type: DefaultPaginator, pagination_strategy: {type: PageIncrement, page_size: 100}}
  accounts: {name: accounts, primary_key: id, retriever: '#/definitions/retriever'}
streams:
  - '#/definitions/accounts'
  - name: orders
    primary_key: [shop, id]
    retriever:
      $ref: '#/definitions/retriever'
      paginator: '#/definitions/pages'
      partition_router:
        type: SubstreamPartitionRouter
        parent_stream_configs: [{parent_key: id, partition_field: account, stream: '#/definitions/accounts'}]
    incremental_sync:
      type: DatetimeBasedCursor
      cursor_field: updated_at
      datetime_format: '%Y-%m-%d'
      cursor_granularity: P1D
      step: P30D
      start_datetime: '2024-01-01'
  - name: rows
    retriever:
      $ref: '#/definitions/retriever'
      requester: {$ref: '#/definitions/requester', authenticator: {type: CustomAuthenticator, class_name: shop.components.Auth}}
      record_selector: {extractor: {type: CustomRecordExtractor, class_name: shop.components.Rows}}
  - name: jobs
    retriever: {$ref: '#/definitions/retriever', decoder: {type: TeleportDecoder}}
  - name: broken
    retriever: {requester: '#/definitions/requester', record_selector: {extractor: {field_path: 7}}}
  - type: ConditionalStreams
    condition: "{{ config['all'] }}"
    streams: [{name: extra, retriever: '#/definitions/retriever'}]
dynamic_streams:
  - name: reports
    type: DynamicDeclarativeStream
    stream_template: {name: null, primary_key: id, retriever: '#/definitions/retriever'}
    components_resolver:
      type: ParametrizedComponentsResolver
      stream_parameters: {list_of_parameters_for_stream: [{name: a}]}
      components_mapping: [{field_path: [name], value: "{{ components_values['name'] }}"}]
"#;

fn look(with: Overrides) -> Inspection {
    inspect(&Document::parse("shop.yaml", MANIFEST, Limits::default()).expect("YAML"), with, None)
}

fn stream<'i>(inspection: &'i Inspection, name: &str) -> &'i StreamReport {
    inspection.streams.iter().find(|stream| stream.name == name).expect(name)
}

#[test]
fn each_stream_is_told_with_what_it_needs() {
    let inspection = look(Overrides::default());
    assert_eq!(inspection.summary, Summary { runs: 4, needs_override: 1, unsupported: 1, wrong: 1 });
    assert_eq!((inspection.license.as_deref(), inspection.version.as_deref()), (Some("Apache-2.0"), Some("7.40.0")));
    assert_eq!((inspection.problems.len(), inspection.warnings.len()), (0, 1), "{:?}", inspection.warnings);
    for (name, verdict) in
        [("accounts", Verdict::Runs), ("orders", Verdict::Runs), ("extra", Verdict::Runs), ("reports", Verdict::Runs)]
    {
        assert_eq!(stream(&inspection, name).verdict, verdict, "{name}");
    }
    let Verdict::NeedsOverride { classes } = &stream(&inspection, "rows").verdict else { panic!("custom") };
    let classes: Vec<_> =
        classes.iter().map(|custom| (custom.component.as_str(), custom.class.as_str(), custom.path.as_str())).collect();
    assert_eq!(
        classes,
        [
            ("CustomAuthenticator", "shop.components.Auth", "streams[2].retriever.requester.authenticator"),
            ("CustomRecordExtractor", "shop.components.Rows", "streams[2].retriever.record_selector.extractor"),
        ]
    );
    let Verdict::Unsupported { component, problem } = &stream(&inspection, "jobs").verdict else { panic!("unknown") };
    assert_eq!((component.as_str(), problem.line), ("TeleportDecoder", 34));
    let Verdict::Wrong { problem } = &stream(&inspection, "broken").verdict else { panic!("wrong") };
    assert_eq!(
        (problem.line, problem.path.as_str()),
        (36, "streams[4].retriever.record_selector.extractor.field_path")
    );
    assert!(stream(&inspection, "extra").conditional && !stream(&inspection, "orders").conditional);
    assert!(stream(&inspection, "reports").template && !stream(&inspection, "orders").template);
}

#[test]
fn cursors_deletes_and_requests_are_told() {
    let inspection = look(Overrides::default());
    let orders = stream(&inspection, "orders");
    let cursor = orders.cursor.as_ref().expect("a cursor");
    assert_eq!(
        (cursor.field.as_str(), cursor.format.as_deref(), cursor.granularity.as_deref()),
        ("updated_at", Some("%Y-%m-%d"), Some("P1D"))
    );
    assert_eq!(
        (orders.deletes, orders.primary_key.as_slice()),
        (Deletes::FullScan, ["shop".to_owned(), "id".to_owned()].as_slice())
    );
    assert_eq!(orders.requests, "1 per page of 100 and slice of P30D, for each record of accounts");
    let rows = stream(&inspection, "rows");
    assert_eq!((rows.cursor.is_none(), rows.deletes, rows.requests.as_str()), (true, Deletes::None, "1"));
}

#[test]
fn overrides_make_streams_run_and_those_that_do_nothing_are_told() {
    let file = "overrides: {Auth: {component: {type: NoAuth}}, shop.components.Rows: {jsonata: response}, Gone: {component: {type: NoAuth}}}";
    let inspection = look(overrides(file));
    assert_eq!(stream(&inspection, "rows").verdict, Verdict::Runs);
    assert_eq!(inspection.unused_overrides, ["Gone"]);
}

#[test]
fn a_manifest_that_cannot_be_read_has_no_streams_but_problems() {
    let document = Document::parse("shop.yaml", "streams: {a: 1}\ncheck: 7", Limits::default()).expect("YAML");
    let inspection = inspect(&document, Overrides::default(), Some("MIT".to_owned()));
    assert_eq!(
        (inspection.problems.len(), inspection.streams.len(), inspection.license.as_deref()),
        (2, 0, Some("MIT"))
    );
    assert!(inspection.to_string().contains("error: 1:10: streams: must be a list, not a mapping"), "{inspection}");
}

#[test]
fn people_get_a_line_for_each_stream_and_what_to_do() {
    let text = look(Overrides::default()).to_string();
    for line in [
        "shop.yaml: of its streams 4 run, 1 need an override, 1 are not supported, 1 are wrong; format version 7.40.0; licence Apache-2.0",
        "stream              verdict            cursor      deletes    requests per poll",
        "orders              runs               updated_at  full scan  1 per page of 100 and slice of P30D, for each record of accounts",
        "rows                needs an override  none        none       1",
        "reports (template)  runs               none        full scan  1",
        "rows: CustomAuthenticator shop.components.Auth at streams[2].retriever.requester.authenticator",
        "jobs: 34:59: streams[3].retriever.decoder: TeleportDecoder is not supported here",
    ] {
        assert!(text.lines().any(|told| told == line), "{line}\n{text}");
    }
}

#[test]
fn machines_get_the_same() {
    let inspection = serde_json::to_value(look(Overrides::default())).expect("JSON");
    assert_eq!(inspection["summary"], json!({"runs": 4, "needs_override": 1, "unsupported": 1, "wrong": 1}));
    assert_eq!(inspection["streams"][2]["verdict"], json!("needs_override"));
    assert_eq!(inspection["streams"][2]["classes"][0]["class"], json!("shop.components.Auth"));
    assert_eq!(inspection["streams"][1]["cursor"]["field"], json!("updated_at"));
    assert_eq!(inspection["streams"][1]["deletes"], json!("full_scan"));
}

/// The same manifest with an extension of its own.
fn look_beyond(extension: &str) -> Inspection {
    let text = MANIFEST.replace("metadata: {license: Apache-2.0}\n", &format!("metadata:\n  trireme:\n{extension}"));
    inspect(&Document::parse("shop.yaml", &text, Limits::default()).expect("YAML"), Overrides::default(), None)
}

const EXTENSION: &str = r#"    documentation: https://shop.example/docs (2026-11)
    provider: shop
    webhooks:
      each: { values: [a, b], as: branch }
      subscribe: { requester: '#/definitions/requester', id: [id], secret: [key], events: [order.paid, order.gone] }
      unsubscribe: { requester: '#/definitions/requester' }
      list: { requester: '#/definitions/requester', id: [id], url: [url] }
      renew: { requester: '#/definitions/requester', every: P1D }
    streams:
      accounts: { deletes: none, events: [{ type: account }] }
      orders:
        object: order
        version: { field: [at, changed], precision: PT1S }
        deletes: { tombstone: [status, name], is: gone }
        get: { requester: '#/definitions/requester' }
        write: { update: { requester: '#/definitions/requester' }, delete: { requester: '#/definitions/requester' } }
        events:
          - { type: order.paid, id: [id] }
          - { type: order.gone, action: deleted, id: [id] }
      extra: { deletes: { feed: orders } }
"#;

#[test]
fn what_an_extension_says_is_told_to_people() {
    let text = look_beyond(EXTENSION).to_string();
    for line in [
        "known from https://shop.example/docs (2026-11)",
        "webhooks of the provider shop: subscribe to 2 topics, by several subscriptions, unsubscribe, list, renew every \
         86400 s; the secret comes with the answer",
        "create, update and delete are described and checked, but nothing sends them yet",
        "stream              verdict            cursor      deletes            by id              webhooks  requests per poll",
        "orders              runs               updated_at  field status.name  get update delete  2 topics  1 per page of \
         100 and slice of P30D, for each record of accounts",
        "extra               runs               none        stream orders      none               none      1",
        "accounts            runs               none        none               none               1 topic   1",
        "accounts: told by account (a hint)",
        "orders: told by order.paid (a fact of its own), order.gone (deleted)",
    ] {
        assert!(text.lines().any(|told| told == line), "{line}\n{text}");
    }
    let by_hand = look_beyond("    provider: shop\n").to_string();
    assert!(by_hand.contains("webhooks of the provider shop: subscribed to by hand\n"), "{by_hand}");
    assert!(!by_hand.contains("create"), "{by_hand}");
    assert!(!look(Overrides::default()).to_string().contains("by id"), "nothing is said where nothing is known");
}

#[test]
fn what_an_extension_says_is_told_to_machines() {
    let told = serde_json::to_value(look_beyond(EXTENSION)).expect("JSON");
    assert_eq!(
        told["beyond"],
        json!({
            "documentation": "https://shop.example/docs (2026-11)",
            "provider": "shop",
            "webhooks": {
                "several": true, "topics": ["order.paid", "order.gone"], "secret": "answer",
                "unsubscribe": true, "list": true, "renew_every_seconds": 86_400,
            },
            "writes": "described and checked, but nothing sends them yet",
        })
    );
    let orders = &told["streams"][1];
    assert_eq!((&orders["deletes"], &orders["deletes_by"]), (&json!("tombstone"), &json!("status.name")));
    assert_eq!((&orders["object"], &orders["version"]), (&json!("order"), &json!("at.changed")));
    assert_eq!((&orders["get"], &orders["write"]), (&json!(true), &json!(["update", "delete"])));
    assert_eq!(
        orders["events"],
        json!([{ "type": "order.paid", "means": "fact" }, { "type": "order.gone", "means": "deleted" }])
    );
    assert_eq!(serde_json::to_value(look(Overrides::default())).expect("JSON")["beyond"], json!(null));
}

#[test]
fn mistakes_of_an_extension_are_told_where_they_are() {
    let stranger = look_beyond("    streams: { orderz: { deletes: scan } }\n");
    let told: Vec<_> = stranger.warnings.iter().map(|warning| (warning.line, warning.message.as_str())).collect();
    assert!(told.contains(&(4, "speaks of the stream 'orderz', which the manifest does not have")), "{told:?}");
    let wrong = look_beyond("    streams: { orders: { deletes: maybe } }\n");
    assert_eq!((wrong.problems.len(), wrong.problems[0].line), (1, 4), "{:?}", wrong.problems);
}
