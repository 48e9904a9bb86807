//! Manifests as a whole: what is read at once, what is read on demand, and what a mistake costs.

use jiff::Timestamp;
use serde_json::{Map, Value as Json, json};

use super::*;
use crate::manifest::node::Limits;

fn load(text: &str) -> Result<Source, Vec<Problem>> {
    Source::load(&Document::parse("shop.yaml", text, Limits::default()).expect(text), Overrides::default())
}

fn source(text: &str) -> Source {
    load(text).expect(text)
}

/// A manifest with a stream of each of these names, and whatever else is written.
fn manifest(names: &[&str], more: &str) -> String {
    let streams: String = names.iter().map(|name| format!("  - {}\n", stream(name, ""))).collect();
    format!("version: 6.0.0\ncheck: {{stream_names: [a]}}\nstreams:\n{streams}{more}")
}

fn stream(name: &str, retriever: &str) -> String {
    format!(
        "{{type: DeclarativeStream, name: {name}, primary_key: id, retriever: {{requester: {{url_base: 'https://shop.example', path: {name}}}, record_selector: {{extractor: {{field_path: []}}}}{retriever}}}}}"
    )
}

#[test]
fn what_is_unknown_costs_only_the_streams_that_use_it() {
    let text = format!(
        "streams:\n  - {}\n  - {}\n  - '#/nowhere'\n  - {}\n",
        stream("good", ""),
        stream("custom", ", paginator: {type: DefaultPaginator, pagination_strategy: {class_name: shop.Pages}}"),
        stream("new", ", decoder: {type: TeleportDecoder}"),
    );
    let source = source(&text);
    let names: Vec<&str> = source.declared().iter().map(|stream| stream.name.as_str()).collect();
    assert_eq!(names, ["good", "custom", "streams[2]", "new"]);
    assert_eq!(source.stream("good").expect("declared").expect("runs").name(), "good");
    for (name, code, said) in [
        (
            "custom",
            "component_custom",
            "'shop.Pages' is code, which is never executed; an override can replace this CustomPaginationStrategy",
        ),
        ("streams[2]", "manifest_reference", "'#/nowhere' leads to nothing in this manifest"),
        ("new", "component_unsupported", "TeleportDecoder is not supported here"),
    ] {
        let problem = source.stream(name).expect("declared").expect_err(name);
        assert_eq!((problem.code(), problem.message()), (code, said), "{name}");
        assert!(problem.place().line > 1, "{problem}");
    }
    assert!(source.stream("nobody").is_none());
}

#[test]
fn every_mistake_outside_of_the_streams_is_told_at_once() {
    let text = "version: [1]\ncheck: {type: CheckMoon}\nspec: {type: Spec}\nconcurrency_level: {type: ConcurrencyLevel}\nstreams: 1\n";
    let told: Vec<String> = load(text).expect_err(text).iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "shop.yaml:1:10: version: must be a text, not a list",
            "shop.yaml:2:8: check: CheckMoon is not supported here",
            "shop.yaml:3:7: spec: needs 'connection_specification'",
            "shop.yaml:4:20: concurrency_level: needs 'default_concurrency'",
            "shop.yaml:5:10: streams: must be a list, not a number",
        ]
    );
    for (text, said) in [
        ("[]", "must be a manifest, which is a mapping with 'version', 'check' and 'streams', not a list"),
        ("", "must be a manifest, which is a mapping with 'version', 'check' and 'streams', not nothing"),
        ("version: 1.0.0", "needs 'streams' or 'dynamic_streams'"),
    ] {
        assert_eq!(load(text).expect_err(text)[0].message(), said);
    }
}

#[test]
fn a_newer_version_is_a_warning() {
    for (version, warnings) in
        [("0.29.0", 0), ("6.48.1", 0), ("7.39.9", 0), ("7.40.0", 1), ("8.0.0", 1), ("soon", 0), ("10.0", 1)]
    {
        let source = source(&manifest(&["a"], "").replace("6.0.0", version));
        assert_eq!(source.warnings.len(), warnings, "{version}: {:?}", source.warnings);
    }
    let newer = source(&manifest(&["a"], "").replace("6.0.0", "8.1.0"));
    assert_eq!(
        newer.warnings[0].to_string(),
        "shop.yaml:1:10: version: is written for version 8.1.0 of the format; what came after 7.39 is not known here"
    );
}

#[test]
fn checks_are_read_with_what_they_lay_over_the_config() {
    let check = |text: &str| source(&manifest(&["a"], "").replace("{stream_names: [a]}", text)).check.expect(text);
    let names = |names: &[&str]| CheckStreams {
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        dynamic: Vec::new(),
    };
    assert_eq!(check("{stream_names: [a, b]}"), Check::Streams { streams: names(&["a", "b"]), config: Map::new() });
    let over = check("{stream_names: [], config_overrides: {limit: 1, path: '#/a'}}");
    assert_eq!(over.config(&json!({"limit": 9, "token": "t"})), json!({"limit": 1, "token": "t", "path": "#/a"}));
    assert_eq!(
        check("{type: CheckDynamicStream, stream_count: 2}"),
        Check::Dynamic { count: 2, probes: true, config: Map::new() }
    );
    let Check::Streams { streams, .. } = check(
        "{stream_names: [], dynamic_streams_check_configs: [{type: DynamicStreamCheckConfig, dynamic_stream_name: d, stream_count: 3}]}",
    ) else {
        panic!("streams");
    };
    assert_eq!(streams.dynamic, [CheckDynamic { name: "d".to_owned(), count: Some(3) }]);
}

#[test]
fn streams_behind_a_condition_are_there_if_it_holds() {
    let text = format!(
        "streams:\n  - {}\n  - type: ConditionalStreams\n    condition: \"{{{{ config['all'] }}}}\"\n    streams: [{}, {}]\n",
        stream("a", ""),
        stream("b", ""),
        stream("c", "")
    );
    let source = source(&text);
    assert_eq!(source.declared().len(), 3);
    for (config, expected) in
        [(json!({"all": true}), vec!["a", "b", "c"]), (json!({"all": false}), vec!["a"]), (json!({}), vec!["a"])]
    {
        let present = source.present(&Scope::new(&config, Timestamp::UNIX_EPOCH)).expect("conditions");
        assert_eq!(present.iter().map(|stream| stream.name.as_str()).collect::<Vec<_>>(), expected, "{config}");
    }
}

#[test]
fn parents_are_known_without_typing_a_stream() {
    let of = |parent: &str| {
        format!(
            ", partition_router: {{type: SubstreamPartitionRouter, parent_stream_configs: [{{parent_key: id, partition_field: p, stream: {parent}}}]}}"
        )
    };
    let text = format!(
        "streams:\n  - {}\n  - {}\n  - {}\n  - {}\n",
        stream("a", ""),
        stream("b", &of("'#/streams/0'")),
        stream(
            "c",
            &format!(
                ", partition_router: [{{type: GroupingPartitionRouter, group_size: 2, underlying_partition_router: {{type: SubstreamPartitionRouter, parent_stream_configs: [{{stream: {}}}]}}}}]",
                stream("d", "")
            )
        ),
        stream("e", ", partition_router: 7"),
    );
    assert_eq!(source(&text).parent_names().into_iter().collect::<Vec<_>>(), ["a", "d"]);
}

#[test]
fn concurrency_and_groups_are_read() {
    let more = "concurrency_level: {type: ConcurrencyLevel, default_concurrency: \"{{ config.get('n', 4) }}\", max_concurrency: 10}\nstream_groups:\n  crm: {action: {type: BlockSimultaneousSyncsAction}, streams: ['#/streams/0', '#/streams/1']}\n";
    let source = source(&manifest(&["a", "b"], more));
    let concurrency = source.concurrency.as_ref().expect("a level");
    for (config, level) in
        [(json!({}), Ok(4)), (json!({"n": 40}), Ok(10)), (json!({"n": 0}), Ok(1)), (json!({"n": "many"}), Err(()))]
    {
        assert_eq!(concurrency.level(&Scope::new(&config, Timestamp::UNIX_EPOCH)).map_err(|_| ()), level, "{config}");
    }
    let streams = vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(source.groups().expect("groups"), [Group { name: "crm".to_owned(), streams }]);
}

/// The names of the streams that the first definition makes.
fn made(definition: &str, config: &Json) -> Vec<String> {
    let source = source(&format!("dynamic_streams:\n  - {definition}\n"));
    let definitions = source.dynamic().expect(definition);
    let scope = Scope::new(config, Timestamp::UNIX_EPOCH);
    let crate::manifest::stream::Values::Known(values) = definitions[0].values(&scope, config).expect("values") else {
        panic!("read");
    };
    let nodes = values.iter().map(|values| definitions[0].stream(values, &scope).expect("a stream"));
    nodes.map(|node| Stream::read(&node).expect("a stream").name().to_owned()).collect()
}

#[test]
fn templates_make_a_stream_for_each_set_of_values() {
    let template = stream("null", "");
    let config = json!({"reports": [{"name": "x"}, {"name": "y"}], "regions": ["eu", "us"]});
    let put = "{type: ComponentMappingDefinition, field_path: [name], value: \"{{ components_values['name'] }}\"}";
    for (resolver, expected) in [
        (
            format!("{{type: ConfigComponentsResolver, stream_config: {{type: StreamConfig, configs_pointer: [reports]}}, components_mapping: [{put}]}}"),
            vec!["x", "y"],
        ),
        (
            format!("{{type: ConfigComponentsResolver, stream_config: [{{configs_pointer: [reports], default_values: [{{name: z}}]}}], components_mapping: [{put}]}}"),
            vec!["x", "y", "z"],
        ),
        (
            "{type: ConfigComponentsResolver, stream_config: [{configs_pointer: [reports]}, {configs_pointer: [regions]}], components_mapping: [{field_path: [name], value: \"{{ components_values['name'] }}_{{ components_values['source_config_1'][1] }}\"}]}".to_owned(),
            vec!["x_eu", "x_us", "y_eu", "y_us"],
        ),
        (
            format!("{{type: ParametrizedComponentsResolver, stream_parameters: {{type: StreamParametersDefinition, list_of_parameters_for_stream: [{{name: p}}, {{name: q}}]}}, components_mapping: [{put}]}}"),
            vec!["p", "q"],
        ),
    ] {
        let definition = format!("{{type: DynamicDeclarativeStream, stream_template: {template}, components_resolver: {resolver}}}");
        assert_eq!(made(&definition, &config), expected, "{resolver}");
    }
}

#[test]
fn parents_are_told_of_streams_that_can_be_found_and_of_no_others() {
    let child = stream(
        "child",
        ", partition_router: {type: SubstreamPartitionRouter, parent_stream_configs: [{stream: '#/streams/0', parent_key: id, partition_field: p}]}",
    );
    let grouped = stream(
        "grouped",
        ", partition_router: {type: GroupingPartitionRouter, group_size: 2, underlying_partition_router: {type: SubstreamPartitionRouter, parent_stream_configs: [{stream: '#/streams/1', parent_key: id, partition_field: p}]}}",
    );
    let lost = [
        "'#/nowhere'".to_owned(),
        "{type: DeclarativeStream, name: lost, retriever: '#/nowhere'}".to_owned(),
        "{type: StateDelegatingStream, name: lost, full_refresh_stream: '#/nowhere', incremental_stream: '#/streams/2'}".to_owned(),
        stream("lost", ", partition_router: '#/nowhere'"),
        stream("lost", ", partition_router: {type: GroupingPartitionRouter, underlying_partition_router: '#/nowhere'}"),
        stream("lost", ", partition_router: [{type: SubstreamPartitionRouter, parent_stream_configs: '#/nowhere'}]"),
        "{type: DeclarativeStream, name: round, retriever: {partition_router: '#/streams/9/retriever/partition_router'}}".to_owned(),
    ];
    let streams = [stream("one", ""), child, grouped].into_iter().chain(lost);
    let text = format!("streams:\n{}", streams.map(|stream| format!("  - {stream}\n")).collect::<String>());
    assert_eq!(source(&text).parent_names().into_iter().collect::<Vec<_>>(), ["child", "one"]);
}
