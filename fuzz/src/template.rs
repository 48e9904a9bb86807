//! Templates and their dates: any text compiles or is refused, what compiles ends within its budget, and what it gives is
//! told the same twice.

use bolero::check;
use connectors::manifest::expression::dates::{Format, Period};
use connectors::manifest::expression::{Condition, Kinds, Mapping, Template};
use connectors::manifest::scope::Scope;
use serde_json::json;

use crate::mutation::{Edit, Tally, damaged, effort};

const ITERATIONS: usize = 6_000;

const SEEDS: [&str; 14] = [
    "{{ config['a']['b'] | default('x') | upper }}-{{ 1_000 + 0x1f // 3 ** 2 }}",
    "{% for k, v in config.items() if v is not none %}{{ loop.index }}:{{ k ~ v }}{% else %}none{% endfor %}",
    "{% set ns = namespace(n=[]) %}{% for x in config.l recursive %}{% set _ = ns.n.append(x) %}{% endfor %}{{ ns.n }}",
    "{{ (now_utc() - duration('P1Y2M3DT4H5M6.7S')).strftime('%Y-%m-%dT%H:%M:%S.%f%z') if config.a else none }}",
    "{{ format_datetime(config['d'], '%s', '%Y-%m-%d') }}{{ str_to_datetime('2024-W09-4T10:11:12,5+02:00') }}",
    "{{ '%-5.2f|%s' % (1.5, config) }}{{ '{:>{}}{0[a].b!r:^9}'.format('x', 5) }}",
    "{{ config.l[1:-1:2] + ['é', none, {'k': (1, 2.5e-7)}] | map('int', default=3) | sort(reverse=true) | join(',') }}",
    "{{ config.s | regex_search('([a-z]+)\\\\d{2,}') | regex_replace('(a)|[^b]', '\\\\1') | hash('sha256') | tojson }}",
    "{% macro m(a, b=2) %}{{ varargs }}{{ caller() }}{{ m(a) }}{% endmacro %}{% call m(1) %}x{% endcall %}",
    "{% raw %}{{ x }}{% endraw %}{#- c -#}{% filter upper %}a{% endfilter %}{% with q = 1 %}{{ q }}{% endwith %}",
    "[1_0, -2.5e3, 0xff, 'a' \"b\", r'\\d', {'k': (1,), None: True}, ...] # c",
    "{{ 'x' * 3000000 }}{{ [0] * 90000 }}{{ 10 ** 30 * 10 ** 30 }}{{ 'a'.center(999999999) }}",
    "{{ max(config.l) }}{{ min(1, 'a') }}{{ 5 is divisibleby 2 }}{{ config.l | selectattr('id', 'gt', 1) | list }}",
    "{{ config.l | groupby('id') | list | length }}{{ 'a,b'.split(',', 1)[-1][::-1] }}{{ {'a': 1}.get('b', []) }}",
];

#[test]
fn templates_of_any_kind() {
    let tally = Tally::default();
    let config = json!({
        "a": {"b": "c"}, "d": "2024-02-29", "l": [1, {"id": 2}, null, "x", [3]], "s": "abc123", "n": null, "f": 1.5,
    });
    let now = "2024-02-29T13:45:30.123456Z".parse().expect("a time");
    let scope = Scope::new(&config, now);
    let (time, inputs) = effort(ITERATIONS);
    check!().with_test_time(time).with_iterations(inputs).with_type::<(u8, Vec<Edit>)>().for_each(|(seed, edits)| {
        let seed = SEEDS[usize::from(*seed) % SEEDS.len()];
        let bytes = damaged(seed.as_bytes(), &edits[..edits.len().min(3)]);
        let text = String::from_utf8_lossy(&bytes);
        let Ok(template) = Template::compile(&text) else { return tally.note(false) };
        tally.note(true);
        let value = template.value(&scope);
        assert_eq!(value, template.value(&scope), "{text:?}");
        assert_eq!(value.is_ok(), template.text(&scope).is_ok(), "{text:?}");
        let restricted = template.value_of(&scope, Kinds::TEXT_OR_LIST);
        assert!(restricted.map_or(true, |value| value.is_string() || value.is_array()), "{text:?}");
        let _ = Condition::compile(&text).expect("it compiled as a template").holds(&scope);
        let _ = Mapping::compile(&json!({ &*text: [&*text] })).expect("it compiled").value(&scope);
    });
    tally.check("templates");
}

#[test]
fn dates_of_any_kind() {
    let tally = Tally::default();
    let formats = ["%Y-%m-%dT%H:%M:%S.%f%z", "%d/%b/%y %I:%M %p", "%s", "%ms", "%G-W%V-%u", "%j %U %w %Y", "%_ms%Y"];
    let texts = ["2024-02-29T13:45:30.123456+02:00", "29/Feb/24 01:05 PM", "1709214330", "2024-W09-4", "060 08 4 2024"];
    let (time, inputs) = effort(ITERATIONS);
    check!().with_test_time(time).with_iterations(inputs).with_type::<(u8, u8, Vec<Edit>, Vec<Edit>)>().for_each(
        |(format, text, format_edits, text_edits)| {
            let format = formats[usize::from(*format) % formats.len()].as_bytes();
            let format = damaged(format, &format_edits[..format_edits.len().min(1)]);
            let text = texts[usize::from(*text) % texts.len()].as_bytes();
            let text = damaged(text, &text_edits[..text_edits.len().min(1)]);
            let (format, text) = (String::from_utf8_lossy(&format), String::from_utf8_lossy(&text));
            let format = Format::new(&format);
            let moment = format.parse(&text);
            tally.note(moment.is_ok());
            if let Ok(moment) = moment {
                let _ = format.write(moment);
                for period in ["P1M", "-P4Y", "PT0.5S"] {
                    let period = Period::parse(period).expect("a duration");
                    let _ = period.after(moment).and_then(|later| period.before(later));
                }
            }
            let _ = Period::parse(&text);
        },
    );
    tally.check("dates");
}
