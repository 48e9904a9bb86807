//! Connector manifests: never a panic, never a walk without end, every mistake told with its place.

use bolero::check;
use connectors::manifest::inspect::inspect;
use connectors::manifest::node::{Document, Limits};
use connectors::manifest::overrides::Overrides;
use connectors::manifest::source::Source;

use crate::mutation::{Edit, Tally, damaged, effort};

const SEED: &str = r#"version: 6.0.0
type: DeclarativeSource
check: {type: CheckStream, stream_names: [orders]}
definitions:
  base: &base
    url_base: "https://shop.example/{{ config['shop'] }}"
    authenticator: {type: BearerAuthenticator, api_token: "{{ config['token'] }}"}
  retriever:
    type: SimpleRetriever
    requester: {<<: *base, type: HttpRequester, path: "{{ parameters['path'] }}"}
    record_selector: {type: RecordSelector, extractor: {type: DpathExtractor, field_path: [data]}}
    paginator: {type: DefaultPaginator, pagination_strategy: {type: PageIncrement, page_size: 100}}
  shops: {type: DeclarativeStream, $parameters: {name: shops, path: /shops}, retriever: '#/definitions/retriever'}
streams:
  - $ref: '#/definitions/shops'
  - type: DeclarativeStream
    $parameters: {name: orders, path: /orders}
    primary_key: [id]
    retriever:
      $ref: '#/definitions/retriever'
      partition_router:
        type: SubstreamPartitionRouter
        parent_stream_configs: [{stream: '#/streams/0', parent_key: id, partition_field: shop}]
    incremental_sync:
      type: DatetimeBasedCursor
      cursor_field: updated_at
      datetime_format: '%Y-%m-%d'
      start_datetime: "{{ config['start'] }}"
    transformations: [{type: AddFields, fields: [{path: [shop], value: "{{ stream_partition.shop }}"}]}]
    schema_loader: {type: InlineSchemaLoader, schema: {type: object, properties: {id: {type: integer}}}}
spec: {type: Spec, connection_specification: {type: object, required: [token], properties: {token: {type: string, airbyte_secret: true}}}}
"#;

#[test]
fn manifests_of_any_kind() {
    let tally = Tally::default();
    let (time, inputs) = effort(1_500);
    check!().with_test_time(time).with_iterations(inputs).with_type::<Vec<Edit>>().for_each(|edits| {
        let bytes = damaged(SEED.as_bytes(), &edits[..edits.len().min(4)]);
        let text = String::from_utf8_lossy(&bytes);
        // Smaller than what is loaded, so that a walk to the end takes no time that one could wait for.
        let limits = Limits { steps_max: 50_000, ..Limits::default() };
        let document = match Document::parse("shop.yaml", &text, limits) {
            Ok(document) => document,
            Err(problems) => {
                tally.note(false);
                return assert!(!problems.is_empty(), "refused without a reason");
            }
        };
        let inspection = inspect(&document, Overrides::default(), None);
        assert!(!inspection.streams.is_empty() || !inspection.problems.is_empty(), "nothing is told of {text}");
        let _ = document.root().loaded();
        if let Ok(source) = Source::load(&document, Overrides::default()) {
            // What a reader asks before it reads a stream: a mistake in one of them must not end the walk over all.
            let _ = (source.parent_names(), source.groups(), source.dynamic().is_ok());
            let _ = (source.budget().is_ok(), source.jobs_max().is_ok());
        }
        tally.note(inspection.problems.is_empty());
    });
    tally.check("manifests");
}
