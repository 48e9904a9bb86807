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
