//! What templates promise beyond agreeing with the reference: bounds, messages, chance that can be repeated, and how
//! little they allocate.

use connectors::manifest::expression::{Condition, Kinds, Mapping, Template};
use connectors::manifest::scope::{Scope, SliceView};
use http::HeaderMap;
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};

const NOW: Timestamp = Timestamp::constant(1_709_214_330, 123_456_000);

fn value(template: &str, config: &Json) -> Result<Json, &'static str> {
    let template = Template::compile(template).map_err(|failure| failure.code())?;
    template.value(&Scope::new(config, NOW)).map_err(|failure| failure.code())
}

#[test]
fn what_runs_away_is_stopped() {
    let config = json!({ "many": vec![0; 2_000] });
    let long = "[".repeat(100);
    let chained = "1".to_owned() + &"+1".repeat(1_000);
    let deep = "{{ m()".to_owned() + &" ~ 1 + 1".repeat(120) + " }}";
    for (template, code) in [
        ("{% for a in config.many %}{% for b in config.many %}{{ b }}{% endfor %}{% endfor %}", "template_limit"),
        ("{{ 'x' * 100000000 }}", "template_limit"),
        ("{{ 'x'.ljust(1000000000) }}", "template_limit"),
        ("{{ '%999999999d' % 1 }}", "template_limit"),
        ("{{ '{:>99999999}'.format(1) }}", "template_limit"),
        ("{{ [0] * 1000000000 }}", "template_limit"),
        ("{{ 10 ** 100 }}", "template_limit"),
        ("{% set a = [] %}{% set _ = a.append(a) %}{{ a }}", "template_limit"),
        (
            "{% set ns = namespace(a=[]) %}{% for x in config.many %}{% set ns.a = [ns.a] %}{% endfor %}",
            "template_limit",
        ),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "template_limit"),
        (
            "{% set ns = namespace(t='x') %}{% for x in config.many %}{% set ns.t = ns.t ~ ns.t %}{% endfor %}",
            "template_limit",
        ),
        ("{{ 'aaaaaaaaaaaaaaaaaaaaaaaaaaaa!' | regex_search('(a{1000}){1000}') }}", "template_value"),
        (&format!("{{% macro m() %}}{deep}{{% endmacro %}}{deep}"), "template_limit"),
        (&format!("{{{{ {long} }}}}"), "template_syntax"),
        (&format!("{{{{ {chained} }}}}"), "template_syntax"),
        (&format!("{{{{ {} }}}}", "not ".repeat(500)), "template_syntax"),
        (&"x".repeat((1 << 20) + 1).replacen('x', "{{ 1 }}", 1), "template_syntax"),
    ] {
        let shown: String = template.chars().take(80).collect();
        assert_eq!(value(template, &config), Err(code), "{shown}");
    }
}

#[test]
fn what_is_only_long_is_not_stopped() {
    let config = json!({ "many": vec![1; 20_000] });
    let chain = "1".to_owned() + &" + 1".repeat(240);
    let nested = "(".repeat(50) + "7" + &")".repeat(50);
    for (template, expected) in [
        (format!("{{{{ {chain} }}}}"), json!(241)),
        (format!("{{{{ {nested} }}}}"), json!(7)),
        ("{{ config.many | sum }}".to_owned(), json!(20_000)),
        (
            "{% set ns = namespace(n=0) %}{% for x in config.many %}{% set ns.n = ns.n + x %}{% endfor %}{{ ns.n }}"
                .to_owned(),
            json!(20_000),
        ),
        ("x".repeat(100_000), json!("x".repeat(100_000))),
    ] {
        assert_eq!(value(&template, &config), Ok(expected), "{:.60}", template);
    }
}

#[test]
fn failures_say_which_template_and_why() {
    let config = json!({ "date": "2024" });
    let scope = Scope::new(&config, NOW);
    for (template, code, message) in [
        ("{{ config.a.b }}", "template_undefined", "the template \"{{ config.a.b }}\" uses \"a\", which is undefined"),
        (
            "{{ record.id }}",
            "template_unknown_variable",
            "uses the variable `record`, which is not known in this place",
        ),
        (
            "{{ 'a' | regex_search('(?=a)') }}",
            "template_unsupported",
            "a look ahead, which a search in linear time cannot do",
        ),
        ("{{ config.__class__.x }}", "template_forbidden", "\"__class__\", which templates may not reach"),
        ("{{ now_utc().strptime('x', '%Y') }}", "template_value", "\"x\" does not match the format \"%Y\""),
    ] {
        let failure = Template::compile(template).unwrap().value(&scope).unwrap_err();
        assert_eq!(failure.code(), code);
        assert!(failure.to_string().contains(message), "{failure}");
        assert_eq!(failure.template(), template);
    }
    for (template, message) in [
        ("{{ 1 + }}", "has `}}` where a value belongs"),
        ("{{ x | nope }}", "has the filter `nope`, which is not in the format"),
        ("{% for x in y %}", "ends where `endfor` or `else` belongs"),
        ("{{ stream_state.x }}", "uses `stream_state`, which the format no longer has: use `stream_interval`"),
    ] {
        let failure = Template::compile(template).unwrap_err();
        assert!(failure.to_string().contains(message), "{failure}");
    }
}

#[test]
fn a_drawn_uuid_is_one_and_repeats_with_its_seed() {
    let config = Json::Null;
    let template = Template::compile("{{ generate_uuid() }} {{ generate_uuid() }}").unwrap();
    let drawn = |seed| template.text(&Scope::new(&config, NOW).chance(seed)).unwrap();
    let (first, second) = (drawn(1), drawn(2));
    assert_eq!(first, drawn(1));
    assert_ne!(first, second);
    let (a, b) = first.split_once(' ').unwrap();
    assert_ne!(a, b);
    for uuid in [a, b] {
        assert_eq!((uuid.len(), &uuid[14..15]), (36, "4"), "{uuid}");
        assert!("89ab".contains(&uuid[19..20]), "{uuid}");
    }
}

#[test]
fn constants_are_known_without_a_scope() {
    for (template, constant) in [
        ("plain", Some(json!("plain"))),
        ("1_000", Some(json!(1000))),
        ("{{ 1 + 1 }}", Some(json!(2))),
        ("{{ [1, 'a'] | join(',') }}", Some(json!("1,a"))),
        ("{{ config.x }}", None),
        ("{{ now_utc() }}", None),
        ("{{ generate_uuid() }}", None),
        ("{{ unknown }}", None),
        ("{{ none.x.y }}", None),
    ] {
        assert_eq!(Template::compile(template).unwrap().constant(), constant.as_ref(), "{template}");
    }
}

#[test]
fn headers_are_found_in_any_case_and_links_only_where_pages_are_turned() {
    let config = Json::Null;
    let mut headers = HeaderMap::new();
    headers.append("x-next", "p2".parse().unwrap());
    headers.append("x-many", "a".parse().unwrap());
    headers.append("x-many", "b".parse().unwrap());
    headers.append("link", "<https://a.example/?p=1,2>; rel=\"next\"".parse().unwrap());
    let text = |template: &str, scope: Scope<'_>| Template::compile(template).unwrap().text(&scope).unwrap();
    let scope = Scope::new(&config, NOW);
    assert_eq!(text("{{ headers['X-Next'] }} {{ headers['x-many'] }}", scope.headers(&headers)), "p2 a, b");
    assert_eq!(text("{{ headers['link'][:9] }}", scope.headers(&headers)), "<https://");
    assert_eq!(text("{{ headers.link.next.url }}", scope.page_headers(&headers)), "https://a.example/?p=1,2");
}

#[test]
fn a_slice_is_its_parts_and_both_together() {
    let config = Json::Null;
    let of = |value: Json| value.as_object().cloned().unwrap();
    let (partition, cursor, extra) = (of(json!({"id": 1})), of(json!({"start": "a"})), of(json!({"t": [1]})));
    let view = SliceView { partition: &partition, cursor: &cursor, extra_fields: &extra };
    let scope = Scope::new(&config, NOW).slice(view);
    let value = |template: &str| Template::compile(template).unwrap().value(&scope).unwrap();
    assert_eq!(value("{{ stream_slice }}"), json!({"id": 1, "start": "a"}));
    assert_eq!(value("{{ stream_partition.partition }}"), json!({"id": 1}));
    assert_eq!(value("{{ stream_interval.start }}"), json!("a"));
    assert_eq!(value("{{ stream_slice.extra_fields.t[0] }}"), json!(1));
    assert_eq!(value("{{ stream_slice['extra_fields'] }}"), json!({"t": [1]}));
}

#[test]
fn mappings_leave_out_what_is_empty_and_flat_ones_keep_texts() {
    let config = json!({"n": 5, "l": [1, 2], "none": null});
    let scope = Scope::new(&config, NOW);
    let source = json!({
        "{{ config.n }}": {"a": "{{ config.l }}", "b": ["{{ config.none }}", "x{{ config.n }}"], "gone": "{{ config.x.y }}"},
        "n": "{{ config.n }}", "fixed": 1, "empty": "{{ config.x }}",
    });
    let mapping = Mapping::compile(&source).unwrap();
    let nested = json!({"5": {"a": [1, 2], "b": [null, "x5"]}, "n": 5, "fixed": 1});
    assert_eq!(mapping.value(&scope).unwrap(), nested);
    let flat =
        Mapping::compile(&json!({"n": "{{ config.n }}", "l": "{{ config.l }}", "none": "{{ config.x.y }}"})).unwrap();
    let entries: Map<String, Json> = flat.entries(&scope, Kinds::TEXT_OR_LIST).unwrap().into_iter().collect();
    assert_eq!(Json::Object(entries), json!({"n": "5", "l": [1, 2], "none": null}));
}

#[test]
fn a_path_allocates_no_more_than_its_result() {
    let config = json!({"key": "a text that is some words long", "deep": {"id": 7, "on": true}});
    let record = json!({"id": 12, "nested": {"at": "2024-02-29T13:45:30Z"}});
    let scope = Scope::new(&config, NOW).record(&record);
    for (template, most) in [
        ("{{ config['key'] }}", 1),
        ("{{ config.deep.id }}", 0),
        ("{{ record['id'] }}", 0),
        ("{{ record.nested.at }}", 1),
        ("constant", 1),
    ] {
        let template = Template::compile(template).unwrap();
        let counted = allocation_counter::measure(|| drop(template.value(&scope).unwrap()));
        assert!(counted.count_total <= most, "{}: {} allocations", template.source(), counted.count_total);
    }
    for (condition, holds) in
        [("{{ config.deep.on }}", true), ("{{ record.id == 12 }}", true), ("{{ record.no }}", false)]
    {
        let condition = Condition::compile(condition).unwrap();
        let counted = allocation_counter::measure(|| assert_eq!(condition.holds(&scope).unwrap(), holds));
        assert_eq!(counted.count_total, 0, "{}", condition.source());
    }
}

/// Any JSON but for numbers that are written in more than one way.
fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        (-1e18..1e18).prop_map(Json::from),
        "\\PC{0,6}|['\"\\\\\n\t{}\\[\\],:# ]{0,6}|[0-9_.e+-]{0,5}|\\x00|[\\u{80}-\\u{a0}]{1,2}".prop_map(Json::String),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::Array),
            prop::collection::vec(("\\PC{0,4}", inner), 0..4)
                .prop_map(|pairs| Json::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Printing and reading back gives the same, however it is written: this is what makes the short way right.
    #[test]
    fn what_is_printed_is_read_back(found in any_json()) {
        let config = json!({ "x": found });
        let listed = Json::Array(vec![config["x"].clone()]);
        // The first is never printed; the second is, and then read as a literal.
        prop_assert_eq!(value("{{ [config['x']] }}", &config), Ok(listed.clone()));
        if !config["x"].is_string() {
            prop_assert_eq!(value("[{{ config['x'] }}]", &config), Ok(listed));
        }
    }

    #[test]
    fn no_text_is_too_strange(text in "\\PC{0,30}|(\\{\\{|\\}\\}|\\{%|%\\}|[a-z.'()|\\[\\] 0-9é]){0,24}") {
        let config = json!({ "a": 1 });
        let _ = value(&text, &config);
    }
}
