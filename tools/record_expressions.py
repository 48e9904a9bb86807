#!/usr/bin/env python3
"""Records what the reference implementation makes of expressions and dates, for the tests of crates/connectors.

The tests need no Python: they read the committed files under crates/connectors/tests/manifest. This script writes them
anew when the pinned release of the reference moves, or when a shape is added below. It expects a virtual environment
with that release (airbyte-cdk==7.39.1) in the environment variable REFERENCE_VENV, and restarts itself with the Python
in it:

    REFERENCE_VENV=/path/to/venv tools/record_expressions.py [--out DIRECTORY]

Time stands still at 2024-02-29T13:45:30.123456Z, and the time zone is UTC.
"""

import argparse
import copy
import json
import math
import os
import sys
import types
import warnings

RELEASE = "7.39.1"
NOW = (2024, 2, 29, 13, 45, 30, 123456)


def restart_in_the_environment():
    venv = os.environ.get("REFERENCE_VENV")
    if not venv:
        sys.exit("REFERENCE_VENV is not set; see --help")
    python = os.path.join(venv, "bin", "python")
    if os.path.realpath(sys.prefix) != os.path.realpath(venv):
        os.environ["TZ"] = "UTC"
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(python, [python, *sys.argv])


# The variables that templates see. A slice is given in its parts, headers as a list of pairs.
USUAL = {
    "config": {
        "api_key": "k-123",
        "domain": "acme.example",
        "start_date": "2024-01-15T00:00:00Z",
        "end_date": "2024-02-01",
        "day": "2024-01-31",
        "page_size": 50,
        "limit": "25",
        "ratio": 0.25,
        "whole": 3.0,
        "enabled": True,
        "disabled": False,
        "nothing": None,
        "empty": "",
        "zero": 0,
        "list": ["b", "A", "c"],
        "numbers": [3, 1, 2],
        "dates": ["2024-01-01", "2023-06-30"],
        "credentials": {"type": "oauth", "token": "t'\"x", "scopes": ["read", "write"]},
        "rows": [
            {"id": 1, "name": "Ada", "active": True, "tags": ["x"]},
            {"id": 2, "name": "bob", "active": False, "tags": []},
            {"id": 3, "name": "Cy", "active": True},
        ],
        "lookback": 3,
        "millis": 1704067200123,
        "url": "https://acme.example/api?a=b c&d=é",
        "text": "Hello, World! <b>&</b>",
        "camel": "someCamelCaseHTTPName",
        "padded": "  padded\t",
        "literal": "[1, 'two', None]",
        "underscored": "1_000",
        "unicode": "naïve ☃ 𝄞",
    },
    "parameters": {"name": "orders", "path": "/v1/orders", "size": 10, "nested": {"key": "v"}},
    "stream_slice": {
        "partition": {"id": 7, "region": "eu", "parent_slice": {}},
        "cursor": {"start_time": "2024-01-01T00:00:00Z", "end_time": "2024-01-31T23:59:59Z"},
        "extra": {"title": "First", "owner": {"id": 9}},
    },
    "next_page_token": {"next_page_token": 100},
    "record": {
        "id": 12,
        "name": "Zed",
        "updated_at": "2024-02-03T04:05:06.789Z",
        "created": 1706933106,
        "amount": "12.50",
        "price": 9.99,
        "nested": {"a": {"b": "deep"}, "list": [1, 2, 3]},
        "tags": ["x", "y"],
        "null": None,
        "flag": False,
        "items": [{"sku": "a1", "n": 2}, {"sku": "b2", "n": 5}],
        "status": "active",
        "big": 12345678901234567890,
    },
    "response": {
        "data": [{"id": 1}, {"id": 2}],
        "has_more": True,
        "next": "https://acme.example/v1/orders?cursor=abc%3D&limit=2",
        "meta": {"page": 2, "total": 7, "cursor": None},
        "paging": {"cursors": {"after": "xyz"}},
        "count": 2,
        "errors": [],
    },
    "headers": [
        ["content-type", "application/json"],
        ["x-next", "p2"],
        ["x-total", "57"],
        ["link", '<https://acme.example/?page=2>; rel="next", <https://acme.example/?page=9>; rel="last"'],
    ],
    "last_record": {"id": 99, "updated_at": "2024-02-02", "data": {"k": "v"}},
    "last_page_size": 2,
    "page_size": 100,
    "creation_response": {"id": "job-1", "urls": ["u1", "u2"]},
    "polling_response": {"status": "done", "results": {"url": "https://files.example/1"}},
    "download_target": "https://files.example/1?x=y",
    "components_values": {"name": "comp", "key": 5},
    "stream_template_config": {"name": "tpl"},
    "raw_schema": {"type": "string", "id": "f1", "key": "value"},
    "property": "name",
    "session_token": "sess",
    "request_url": "https://acme.example/v1/x",
}

def mapped(value, change):
    """The same shape with every leaf changed."""
    if isinstance(value, dict):
        return {key: mapped(item, change) for key, item in value.items()}
    return change(value)


def wrong_leaf(value):
    """A leaf of another type."""
    if isinstance(value, bool):
        return "yes"
    if isinstance(value, str):
        return 5
    if isinstance(value, (int, float)):
        return "five"
    if isinstance(value, list):
        return {"a": 1}
    return 0


def emptied(value):
    if isinstance(value, str):
        return ""
    if isinstance(value, bool):
        return False
    if isinstance(value, (int, float)):
        return 0
    return type(value)() if value is not None else None


def with_(context, **changes):
    changed = copy.deepcopy(context)
    changed.update(changes)
    return changed


def emptied_context():
    context = {name: emptied(value) for name, value in USUAL.items()}
    context["stream_slice"] = {"partition": {}, "cursor": {}, "extra": {}}
    return context


def changed_context(change):
    context = {}
    for name, value in USUAL.items():
        context[name] = value if name == "headers" else mapped(value, change)
    context["download_target"] = USUAL["download_target"]
    context["session_token"] = USUAL["session_token"]
    context["request_url"] = USUAL["request_url"]
    context["last_page_size"] = 0
    context["page_size"] = None
    return context


CONTEXTS = {
    "usual": USUAL,
    "empty": emptied_context(),
    "null": changed_context(lambda _: None),
    "wrong": changed_context(wrong_leaf),
    "bare": {"config": {"api_key": "k", "start_date": "2020-02-29", "list": [], "text": "true"}},
}


def product(shapes, **choices):
    """Every shape with every choice in the place of its name: `@x` stands for one of `x`."""
    made = []
    for shape in shapes:
        found = [shape]
        for name, values in choices.items():
            place = "@" + name
            found = [text.replace(place, value) if place in text else text for text in found for value in values]
        made.extend(found)
    return list(dict.fromkeys(made))


def quoted(texts):
    return ["'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'" for text in texts]


PATHS = [
    "config['api_key']", "config.api_key", "config['page_size']", "config['ratio']", "config['whole']",
    "config['enabled']", "config['nothing']", "config['empty']", "config['zero']", "config['missing']",
    "config['missing']['deeper']", "config.missing.deeper", "config['list']", "config['credentials']",
    "config.credentials.scopes[0]", "config['credentials']['token']", "config['rows'][1]['name']", "config['rows'][-1].id",
    "config['rows'][9]", "config['list'][-1]", "config['literal']", "config['underscored']", "config['unicode']",
    "config['millis']", "config.start_date", "config", "parameters['name']", "parameters.nested.key", "parameters",
    "parameters.get('none')", "stream_slice['id']", "stream_slice.region", "stream_partition.id",
    "stream_partition['region']", "stream_interval['start_time']", "stream_interval.end_time", "stream_slice",
    "stream_slice.extra_fields", "stream_slice.extra_fields['title']", "stream_slice.extra_fields.owner.id",
    "stream_slice.partition", "stream_slice.cursor_slice", "stream_slice['extra_fields']", "stream_slice['missing']",
    "stream_slice.get('id')", "stream_slice.get('missing', 'd')", "stream_slice._partition",
    "stream_partition.parent_slice", "next_page_token", "next_page_token['next_page_token']",
    "next_page_token.next_page_token", "record['id']", "record.name", "record['nested']['a']['b']", "record.nested.list",
    "record['null']", "record['flag']", "record['missing']", "record.missing.deeper", "record", "record['big']",
    "record['price']", "record.amount", "record['items']", "record['items'][0]['sku']", "response.data",
    "response['has_more']", "response.next", "response.meta.cursor", "response.paging.cursors.after",
    "response['paging']['cursors']['before']", "response.errors", "response", "headers['x-next']",
    "headers['link']['next']['url']", "headers.link.last.url", "headers['link']['first']['url']", "headers['X-Missing']",
    "headers.get('x-total')", "last_record['id']", "last_record.updated_at", "last_record.data", "last_record['data']",
    "last_record", "last_page_size", "page_size", "creation_response['id']", "creation_response.urls[0]",
    "polling_response.results.url", "download_target", "components_values['name']", "components_values.key",
    "stream_template_config.name", "raw_schema['type']", "raw_schema.id", "property", "session_token", "request_url",
    "unknown", "unknown['x']", "config['__class__']", "config.__class__", "self.x", "none", "true", "None", "True",
]

VALUES = [
    "config['api_key']", "config['page_size']", "config['ratio']", "config['nothing']", "config['list']",
    "config['missing']", "config['credentials']", "record['amount']", "record['tags']", "config['enabled']",
]

LITERALS = [
    "1", "0", "-5", "1_000", "0x1f", "0b101", "0o17", "1.5", "2.0", "1e3", "1e16", "1.5e-7", "1e22", "''", "'a'", '"b"',
    "'it\\'s'", "'tab\\t\\u00e9\\x41'", "'a' 'b'", "[]", "[1, 'x', none, true, 2.5]", "()", "(1,)", "(1, 2)", "1, 2", "{}",
    "{'a': 1}", "{'a': {'b': [1, {'c': none}]}}", "{1: 2, none: 3, true: 4}", "[[1], [2, [3]]]", "{'k': now_utc()}",
    "'\\\\d\\d'", "\"it's\"", "'both \\' and \"'", "'\\n'", "'☃'", "'\\x07'", "123456789012345678901234567890",
    "[config['list'], 'x']", "{'a': config['missing']}", "{config['api_key']: 1}", "{config['list']: 1}",
]

PLAIN = [
    "", "plain", "123", "1_000", "0x1f", "0o17", "0b11", "007", "00", "0_0", "0_7", "1__0", "1.", ".5", "1.5e3", "1e400", "-5", "--5",
    "+5", "- 5", "1,2", "1,", "(1)", "()", "[1, 2", "[1, 2]", "[1, 2,]", "[,]", "{'a': 1}", "{'a': 1,}", "{1, }", "{'a'}",
    "None", "True", "False", "true", "false", "null", "nan", "inf", "2024-01-01", "2024-01-01T00:00:00Z", "12:30", "'x'", '"x"',
    "'a' 'b'", "'a'\n'b'", "('a'\n'b')", "r'\\d'", "b'x'", "u'x'", "f'x'", "'''a\nb'''", '"""{"a": 1}"""', "'unfinished", "...", "set()",
    "1+2j", "1+2", "1-2", "~5", "not True", "  5", "\t5", "\n5", "\n 5", "5\n", "5 # five", "# only", "#", "5;", "1 2", "1 ,2",
    "{'a': [1, (2, 3), {'b': None}]}", "{1: 'a', 2.5: 'b', None: 'c', True: 'd'}", "[1,\n 2]", "[1, # one\n 2]", "0xg", "1L", "1e", "e5",
    "é", "'é'", "'\\N'", "'\\x4'", "'\\d'", "'a\\\nb'", "\\", "\"it's\"", "-0", "-0.0", "1E5", "00.5", "09.5", "09", "1_000.000_1", "1_",
    "_1", "0777", "+True", "-'a'", "[-1, +2.5]", "{[]: 1}", "{{", "}}", "{%", "%}", "{#", "#}", "{# c #}", "a{# c #}b", "{#- c -#} x",
    "{ {", "100%", "a\n", "a\n\n", "a\r\nb", "{{ '' }}", "{{}}", "{{ }}", "{% %}", "x {{", "{{ 1", "{{ 1 }", "{{ (1 }}", "{{ 1) }}",
    "{{ [1,2 }}", "{{ 'a }}", "{{ a b }}", "{{ 1 + }}", "{{ | upper }}", "{{ x. }}", "{{ config[ }}", "{{ config['a' }}",
    "{{ stream_state }}", "{{ config.stream_state }}", "about stream_state", "{% raw %}{{ x }}{% endraw %}", "{% raw %}{{ x }}",
    "{%- raw -%} {{ x }} {%- endraw -%} y", "{{ '{{' }}", "{{ '}}' }}", "{{ {'a': {'b': 1}}}}", "{{{'a':1}}}", "{{ 'a' }}{{ 'b' }}",
    "1{{ 2 }}3", "{{ 1 }},{{ 2 }}", "[{{ 1 }}, {{ 2 }}]", "{'k': {{ config['page_size'] }}}", "{\"k\": \"{{ config['api_key'] }}\"}",
    "{{ 1 }} {{ 2 }}", " {{ 1 }} ", "{{- 1 -}} ", " {{- 1 }}", "a {{- ' b ' -}} c", "{{ 007 }}", "{{ 1.2.3 }}", "{{ 1..2 }}", "{{ .5 }}",
    "{{ 5. }}", "{{ 0x }}", "{{ 1__0 }}", "{{ 1_ }}", "{{ @ }}", "{{ $x }}", "{{ ! }}", "{{ a ? b }}", "{{ '\\x4' }}", "{{ '\\u12' }}",
    "{{ 'é\\é' }}", "{% unknown %}", "{% endif %}", "{% if true %}", "{% for x in [1] %}", "{% include 'x' %}", "{% extends 'x' %}",
    "{% import 'x' as y %}", "{% autoescape false %}a{% endautoescape %}", "{% do x %}", "{% break %}", "{{ x is }}", "{{ 1 is foo }}",
    "{{ 1 | foo }}", "{{ 1 | foo if false else 2 }}", "{{ 1 | foo if true else 2 }}", "{% if false %}{{ 1 | foo }}{% endif %}ok",
    "{% if true %}{{ 1 | foo }}{% endif %}", "{{ [1 | foo] }}", "{{ (1 | foo) if false else 3 }}", "{{ foo() }}", "{{ range(3) }}",
    "{{ 'a' if true }}", "{{ 'a' if false }}", "x{{ 'a' if false }}y", "{{ ('a' if false).b }}", "{{ lipsum }}", "{{ dict(a=1) }}",
    "{{ dict({'a': 1}, b=2) }}", "{{ dict([('a', 1)]) }}", "{{ namespace(a=1).a }}", "{{ joiner()() }}", "{{ cycler(1, 2).current }}",
]

EXTENSIONS = ["%s", "%ms", "%s_as_float", "%epoch_microseconds", "%Y-%m-%dT%H:%M:%S.%_msZ", "%_ms"]
FORMATS = [
    "%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S.%fZ", "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S.%f%z", "%Y-%m-%d %H:%M:%S",
    "%d/%m/%y", "%b %d, %Y", "%A %B %-d %Y", "%I:%M %p", "%j", "%U %W %V %G %u %w", "%c", "%x %X", "%e|%k|%l|%P", "%H%M%S%f", "%%Y",
    "%Y%m%dT%H%M%S", "%D %T %R %F %r", "%C %y %h", "%n%t", "%Q", "%", "%5Y|%3d|%_d|%-m|%0e|%^a|%#Z", "%Z", "%z", "%s", "text",
] + EXTENSIONS[1:]


def templates():
    """Every template, once."""
    made = []
    made += product(["{{ @p }}", "a{{ @p }}b"], p=PATHS)
    made += product(["{{ @p | default('d') }}", "{{ @p is none }}", "{{ @p or 'x' }}"], p=PATHS[:60])
    made += product(["{{ @l }}"], l=LITERALS)
    made += PLAIN
    made += operators() + conditions() + methods() + filters() + tests() + macros() + dates() + statements() + formats()
    made += usual()
    return list(dict.fromkeys(made))


def operators():
    made = product(
        ["{{ @v @o @w }}"],
        v=["7", "-7.5", "'ab'", "[1]", "(1,)", "config['nothing']", "config['missing']", "config['page_size']", "true"],
        o=["+", "-", "*", "/", "//", "%", "**", "~"],
        w=["2", "0", "-2", "1.5", "'x'", "[2]", "config['nothing']", "config['missing']", "config['lookback']"],
    )
    made += product(
        ["{{ @v @o @w }}"],
        v=["1", "'a'", "none", "[1, 2]", "config['start_date']", "config['missing']", "config['page_size']", "record['amount']"],
        o=["==", "!=", "<", "<=", ">", ">=", "in", "not in"],
        w=["1", "1.0", "'a'", "'abc'", "none", "[1]", "config['list']", "config['missing']", "config['credentials']"],
    )
    made += product(
        ["{{ @v and @w }}", "{{ @v or @w }}", "{{ not @v }}", "{{ @v if @w else 'no' }}", "{{ @v if @w }}"],
        v=["0", "''", "'x'", "config['nothing']", "config['missing']", "config['enabled']"],
        w=["1", "none", "config['disabled']", "config['list']", "config['missing']['x']"],
    )
    made += [
        "{{ -config['page_size'] }}", "{{ +config['ratio'] }}", "{{ -'a' }}", "{{ --5 }}", "{{ -5 ** 2 }}", "{{ 2 ** 3 ** 2 }}",
        "{{ 1 + 2 * 3 }}", "{{ (1 + 2) * 3 }}", "{{ 7 // 2 * 2 }}", "{{ 1 < 2 < 3 }}", "{{ 1 < 3 < 2 }}", "{{ 1 == 1.0 == true }}",
        "{{ 'a' < 'b' }}", "{{ 'a' ~ 1 ~ none ~ true ~ 1.0 }}", "{{ 'a' ~ config['missing'] }}", "{{ 1 ~ 2 + 3 }}", "{{ not 1 == 2 }}",
        "{{ not not 1 }}", "{{ 1 in [1] and 2 not in [1] }}", "{{ 'x' * 3 }}", "{{ [0] * 3 }}", "{{ [1] + [2] + (3,) }}", "{{ (1,) + (2,) }}",
        "{{ 10 ** 20 }}", "{{ 2 ** -1 }}", "{{ 2 ** 0.5 }}", "{{ 7 % -3 }}", "{{ -7 // 2 }}", "{{ 7.5 // 2 }}", "{{ -7.5 % 2 }}", "{{ 1 / 3 }}",
        "{{ 1e308 * 10 }}", "{{ 0.1 + 0.2 }}", "{{ 1 / 0 }}", "{{ 1 % 0 }}", "{{ 1.0 // 0 }}", "{{ 0 ** -1 }}", "{{ true + true }}",
        "{{ [1, 2] < [1, 3] }}", "{{ [1, 'a'] < [1, 2] }}", "{{ (1, 2) == [1, 2] }}", "{{ {'a': 1} == {'a': 1.0} }}", "{{ none == false }}",
        "{{ config['list'] == ['b', 'A', 'c'] }}", "{{ config['missing'] == config['other'] }}", "{{ 'ell' in 'hello' }}", "{{ 1 in 'a' }}",
        "{{ 1 in none }}", "{{ 'api_key' in config }}", "{{ 'id' in record }}", "{{ [] in config }}", "{{ 'x' in headers }}",
        "{{ 'id' in stream_slice }}", "{{ config['page_size'] * 2 + 1 }}", "{{ config['ratio'] * 100 }}", "{{ config['whole'] }}",
    ]
    return made


def conditions():
    texts = ["no", "False", "false", "0", "0.0", "{}", "[]", "()", "None", "null", "True", "1", " ", "0.00", "-0", "00", "''", "set()", "{1}"]
    made = ["{{ '" + text.replace("'", "\\'") + "' }}" for text in texts] + texts
    made += product(
        ["{{ @a == @b }}", "{{ @a > @b }}", "{{ @a and @b }}", "{{ @a is not none and @b }}", "{{ not @a or @b }}"],
        a=["record['updated_at']", "record.status", "response.has_more", "last_page_size", "config['start_date']"],
        b=["stream_interval['start_time']", "'active'", "config['limit']", "none", "response['meta']['total']"],
    )
    made += [
        "{{ not response.next }}", "{{ response.data | length == 0 }}", "{{ response.data|length < config.page_size }}",
        "{{ response['meta']['page'] >= response['meta']['total'] }}", "{{ last_page_size < page_size }}", "{{ not response.get('next') }}",
        "{{ 'next' not in headers['link'] }}", "{{ headers.get('x-next') is none }}", "{{ record.id > 10 and record.status == 'active' }}",
        "{{ record.get('deleted', false) }}", "{{ record['tags'] | length > 0 }}", "{{ 'x' in record['tags'] }}",
        "{{ record['updated_at'] >= config['start_date'] }}", "{{ record.nested.a.b == 'deep' }}", "{{ record.missing.deeper == 1 }}",
        "{{ record['null'] > '2024' }}", "{{ record.price > 5 }}", "{{ record['amount'] | float > 10 }}", "{{ record.created|int > 0 }}",
        "{{ response.status in [1, 2] }}", "{{ response.errors }}", "{{ 'errors' in response and response.errors }}", "{{ response is mapping }}",
        "{{ config.get('enabled') == true }}", "{{ config['enabled'] is true }}", "{{ config.enabled is sameas true }}", "{{ property in ['name'] }}",
        "{{ response.count < 100 }}", "{{ (response.meta.total / 2) | int }}", "{{ response.data[-1].id }}", "{{ response.data[-1]['missing'] }}",
    ]
    return made


def methods():
    made = product(
        ["{{ @v.@m }}"],
        v=["config['text']", "config['list']", "config['credentials']", "config['page_size']", "config['nothing']", "config['missing']", "'a-b-c'"],
        m=["upper()", "lower()", "strip()", "split()", "split('-')", "split(',')", "get('type')", "get('x', 'd')", "keys()", "values()",
           "items()", "replace('a', 'b')", "startswith('H')", "endswith(('!', '>'))", "join(['1', '2'])", "index('A')", "count('l')", "isoformat()",
           "title()", "find('W')", "copy()", "nothing()"],
    )
    texts = ["'Hello World'", "'a,b,,c'", "'  x y  '", "'ǅž ß É'", "'1234'", "''", "'x\\ny\\r\\nz'"]
    calls = [
        "upper()", "lower()", "title()", "capitalize()", "swapcase()", "casefold()", "strip()", "lstrip()", "rstrip()", "strip('H x')", "split()",
        "split(',')", "split(',', 1)", "split(None, 1)", "split(maxsplit=1)", "split(sep=',')", "rsplit(',', 1)", "rsplit(None, 1)", "rsplit()", "splitlines()",
        "splitlines(true)", "split('')", "replace('o', '0')", "replace('o', '0', 1)", "replace('', '-')", "startswith('He')", "startswith(('x', 'a'))",
        "startswith('l', 2)", "endswith('d')", "find('o')", "find('o', 5)", "find('zz')", "rfind('o')", "index('zz')", "count('l')", "count('')",
        "zfill(6)", "zfill('x')", "ljust(8)", "rjust(8, '*')", "center(9, '-')", "center(8)", "isdigit()", "isalpha()", "isalnum()", "isspace()",
        "isupper()", "islower()", "istitle()", "isnumeric()", "isdecimal()", "isascii()", "isidentifier()", "isprintable()", "partition(',')", "rpartition(',')",
        "removeprefix('He')", "removesuffix('ld')", "format()", "join('abc')", "join([1])", "join(none)", "encode()", "encode().decode()", "upper(1)",
        "replace(1, 2)", "startswith(1)", "nope", "nope()", "expandtabs()",
    ]
    made += product(["{{ @t.@c }}"], t=texts, c=calls)
    lists = [
        "[3, 1, 2].index(1)", "[3, 1, 2].index(9)", "[1, 1].count(1)", "(1, 2).index(2)", "(1, 2).count(1)", "[1].append(2)", "[2, 1].sort()",
        "[1].copy()", "[1].pop()", "[].pop()", "[1, 2].pop(0)", "[1].pop(5)", "[1].remove(2)", "[1].nope()", "[1].append()", "[1].append(1, 2)",
        "{'a': 1}.get('a')", "{'a': 1}.get('b')", "{'a': 1}.get('b', 2)", "{'a': 1}.get()", "{'a': 1}.get([])", "{'a': 1}.pop('a')", "{'a': 1}.pop('b')",
        "{'a': 1}.pop('b', 3)", "{'a': 1}.items()", "{'a': 1}.keys()", "{'a': 1}.values()", "{'a': 1}.items() | list", "{'a': 1}.keys() | list",
        "{'a': 1}.update({'b': 2})", "{'a': 1}.setdefault('b', 2)", "{'a': 1}.copy()", "{'a': 1}.nope()", "{'a': 1}['a']", "{'a': 1}.a", "{'a': 1}['b']",
        "{'get': 1}.get", "{'get': 1}['get']", "{'items': [1]}['items']", "{'a': {'items': 2}}.a['items']", "[1, 2].0", "[1, 2][1]", "[1, 2][-3]", "[1, 2]['x']",
        "'abc'[0]", "'abc'[-1]", "'abc'[5]", "'abc'['x']", "5[0]", "none[0]", "none.x", "none['x']", "none.x.y", "5.5.x", "'a'.b", "'a'.b.c",
        "(5).bit_length()", "(5).real", "(2.0).is_integer()", "(2.5).is_integer()", "true.real", "'a'.upper", "config.get", "[1].append",
    ]
    made += ["{{ " + text + " }}" for text in lists]
    made += product(
        ["{{ @v[@s] }}"],
        v=["'abcdef'", "[0, 1, 2, 3]", "(0, 1, 2)", "config['api_key']", "config['list']", "config['page_size']", "config['missing']", "config['nothing']",
           "config['credentials']"],
        s=["1:3", ":2", "2:", ":", "::2", "::-1", "-2:", ":-1", "5:1", "1:3:0", "'a':", "none:2", "1.5:", "0"],
    )
    return made


def filters():
    values = VALUES + ["'Hello World'", "[3, 1, 2]", "{'b': 1, 'a': 2}", "-3.7", "'42.9'", "'é <x> & \"q\"'"]
    simple = [
        "upper", "lower", "title", "capitalize", "trim", "length", "count", "first", "last", "list", "reverse", "sort", "unique", "sum", "max", "min", "int",
        "float", "abs", "round", "string", "tojson", "join", "join(',')", "hash", "hash('sha256')", "base64encode", "base64decode", "urlencode", "escape", "e",
        "safe", "default('d')", "d", "default('d', true)", "items", "dictsort", "wordcount", "striptags", "center(12)", "truncate(5)", "indent", "replace('l', 'L')",
        "int(7)", "float(1.5)", "string|length", "tojson(indent=2)", "filesizeformat", "map('upper')|list", "map('int')|list", "select|list", "batch(2)|list",
        "slice(2)|list", "attr('x')", "format", "reject('none')|list", "regex_search('(\\\\w+)')", "regex_replace('[aeiou]', '*')", "hmac('key')", "pprint",
        "base64binascii_decode", "sort(reverse=true)", "list|length", "unique|list", "reverse|list", "items|list", "max|string", "nope",
    ]
    made = product(["{{ @v | @f }}"], v=values, f=simple)
    texts = [
        "'42' | int", "'0x1f' | int(base=16)", "'0b11' | int(0, 2)", "'1_000' | int", "' 12 ' | int", "'1e3' | int", "'-5.9' | int", "'abc' | int(-1)", "'inf' | int",
        "'inf' | float", "'nan' | float", "'1_0.5' | float", "'1__0' | float", "'' | int", "none | int", "[] | int", "true | int", "1e30 | int", "config['x'] | int",
        "config['x'] | float", "config['x'] | string", "config['x'] | length", "config['x'] | list", "config['x'] | first", "config['x'] | join(',')",
        "config['x'] | tojson", "config['x'] | upper", "config['x'] | hash", "config['x'] | base64encode", "config['x'] | default", "config['x'] | default(none)",
        "config['x'] | default(default_value='z')", "config['x'].y | default('d')", "none | default('d')", "none | default('d', true)", "'' | default('d', boolean=true)",
        "2.5 | round", "3.5 | round", "2.675 | round(2)", "1234.5 | round(-2)", "1250 | round(-2)", "2.1 | round(0, 'ceil')", "-2.1 | round(method='floor')",
        "5 | round", "'a' | round", "2.5 | round('x')", "2.5 | round(1, 'up')", "42.55 | round(1) | string", "[1, 2.5, true] | sum", "['a'] | sum", "[] | sum",
        "[[1], [2]] | sum(start=[])", "config['rows'] | sum(attribute='id')", "config['rows'] | map(attribute='name') | list",
        "config['rows'] | map(attribute='name') | join(', ')", "config['rows'] | map(attribute='tags.0') | list", "config['rows'] | map(attribute='tags.0', default='-') | list",
        "config['rows'] | map('length') | list", "config['rows'] | map(attribute='x') | list", "config['rows'] | map() | list", "config['rows'] | map('nope') | list",
        "config['rows'] | map(attribute='name') | map('lower') | list", "['1', '2'] | map('int') | list", "['a-b', 'c'] | map('replace', '-', '+') | list",
        "['1', 'x'] | map('int', default=9) | list", "config['rows'] | selectattr('active') | list", "config['rows'] | selectattr('active') | map(attribute='id') | list",
        "config['rows'] | selectattr('id', 'gt', 1) | map(attribute='name') | join('|')", "config['rows'] | selectattr('name', 'equalto', 'Ada') | first",
        "config['rows'] | selectattr('name', '==', 'Nobody') | first", "config['rows'] | selectattr('name', '==', 'Nobody') | list | first",
        "config['rows'] | rejectattr('active') | map(attribute='name') | list", "config['rows'] | selectattr('tags', 'defined') | list | length",
        "config['rows'] | rejectattr('tags') | map(attribute='id') | list", "config['rows'] | selectattr() | list", "config['rows'] | selectattr('id', 'nope') | list",
        "config['rows'] | groupby('active') | list", "config['rows'] | groupby('active') | map(attribute='grouper') | list", "config['rows'] | groupby('active', default=1) | length",
        "(config['rows'] | groupby('name'))[0].list", "config['rows'] | sort(attribute='name') | map(attribute='name') | list",
        "config['rows'] | sort(attribute='name', case_sensitive=true) | map(attribute='name') | list", "config['rows'] | sort(attribute='active,name', reverse=true) | map(attribute='id') | list",
        "config['rows'] | max(attribute='id')", "config['rows'] | min(attribute='name') | attr('get')", "config['rows'] | map(attribute='id') | max", "['b', 'A'] | sort",
        "['b', 'A'] | sort(case_sensitive=true)", "[1, 'a'] | sort", "[1, none] | max", "[] | max", "[] | first", "[] | last", "'' | first", "['B', 'b', 'a'] | unique | list",
        "['B', 'b'] | unique(true) | list", "[[1]] | unique | list", "{'b': 1, 'A': 2} | dictsort", "{'b': 1, 'A': 2} | dictsort(true)", "{'b': 1, 'A': 2} | dictsort(false, 'value')",
        "{'b': 1, 'A': 2} | dictsort(reverse=true)", "{'b': 1} | dictsort(by='x')", "{'a': 1} | items | list", "[1, 2, 3, 4, 5] | batch(2) | list",
        "[1, 2, 3, 4, 5] | batch(2, 'x') | list", "[1, 2, 3, 4, 5] | slice(2) | list", "[1, 2, 3, 4, 5] | slice(3, 'x') | list", "[1, 2, 3] | select('odd') | list",
        "[1, 2, 3] | reject('divisibleby', 2) | list", "[0, 1, '', 'a'] | select | list", "[0, 1, '', 'a'] | reject | list", "[1, 2] | select('in', [2]) | list", "[1, 2] | select('nope') | list",
        "[1, 2] | join", "[1, none, 'x'] | join('-')", "[{'a': 1}] | join(',', attribute='a')", "[1, 2] | join(1)", "'abc' | join(',')", "5 | join(',')", "'abc' | list", "'abc' | reverse",
        "[1, 2] | reverse | list", "5 | reverse", "{'a': 1, 'b': 2} | list", "{'a': 1} | length", "5 | length", "none | length", "none | list", "'a b c' | replace(' ', '_')",
        "'aaa' | replace('a', 'b', 2)", "123 | replace(2, 'x')", "'a' | replace('a')", "'x' | upper | lower", "'hello world-foo (bar)' | title", "'HELLO' | capitalize", "' x ' | trim", "'xxaxx' | trim('x')",
        "'a' | center(5)", "'hello world foo' | truncate(9)", "'hello world foo' | truncate(9, true)", "'hello world' | truncate(9)", "'hello world' | truncate(9, false, '..', 0)",
        "'hello' | truncate(2)", "'a\\nb\\n\\nc' | indent(2)", "'a\\nb\\n\\nc' | indent(2, true)", "'a\\nb\\n\\nc' | indent(2, blank=true)", "'a\\nb' | indent('> ')", "'%s-%s' | format(1, 'x')", "'%(a)s' | format(a=5)",
        "'%s' | format", "'a b&c/d?é' | urlencode", "{'a b': 'c&d', 'e': 1} | urlencode", "[('a', 1), ('b', 'x y')] | urlencode", "5 | urlencode", "none | urlencode", "'<a href=\"x\">&\\'' | escape",
        "'<b>bold</b>  text <!-- c --> x' | striptags", "'a b  c' | wordcount", "1 | filesizeformat", "999 | filesizeformat", "1500 | filesizeformat", "1500 | filesizeformat(true)", "123456789 | filesizeformat", "'x' | filesizeformat",
        "{'b': [1, none, true, 1.5, 'é<\\'&>']} | tojson", "{'b': 1, 'a': 2} | tojson", "{1: 2, 'a': 3} | tojson", "{1: 2} | tojson", "'a\"b\\n' | tojson", "now_utc() | tojson", "(1, 2) | tojson", "1e22 | tojson", "{'a': 1} | tojson | length",
        "{'a': 1} | string", "[1, 'x'] | string", "5 | string", "none | string", "true | string", "1.0 | string", "'x' | string", "{'a': {'b': none}} | string", "now_utc() | string", "'é' | string", "['é'] | string", "stream_slice | string",
        "record | string", "last_record | string", "stream_slice | tojson", "config['credentials'] | string", "record['id'] | string", "stream_slice['id'] | string", "record['id'] | string ~ 'x'",
        "'a' | hash", "'a' | hash('md5', 'salt')", "'a' | hash('sha1')", "'a' | hash('sha256', salt='s')", "'a' | hash('sha384')", "'a' | hash('sha512')", "'a' | hash('nope')", "'a' | hash(5)", "5 | hash", "none | hash", "{'a': 1} | hash", "'é' | hash", "'a' | hash('sha224')",
        "'a' | hash('new')", "'a' | hmac('k')", "'a' | hmac('k', 'sha256')", "'a' | hmac('k', 'md5')", "'a' | hmac", "5 | hmac(6)", "'a:b' | base64encode", "(config['api_key'] ~ ':') | base64encode", "'YTpi' | base64decode", "'YTpi=' | base64decode", "'YT' | base64decode", "'YQ==' | base64decode",
        "'YQ' | base64decode", "'!!' | base64decode", "'/w==' | base64decode", "5 | base64encode", "none | base64encode", "'é' | base64encode", "'é' | base64binascii_decode", "'abc' | base64binascii_decode",
        "'abc123' | regex_search('([0-9]+)')", "'abc' | regex_search('([0-9]+)')", "'abc' | regex_search('b')", "'abc' | regex_search('(b)|(x)')", "'abc' | regex_search('(x)|(b)')", "'abc' | regex_search('(')", "5 | regex_search('(5)')", "none | regex_search('x')", "'abc' | regex_search(5)",
        "'page=12&x' | regex_search('page=(\\\\d+)')", "'a.b' | regex_search('a\\\\.(.)')", "'ab\\n' | regex_search('(b)$')", "'Ab' | regex_search('(?i)(a)')", "'a1' | regex_search('(?P<x>\\\\d)')", "'[x]' | regex_search('([[])')", "'a{b' | regex_search('(a{b)')", "'aaa' | regex_search('(a{2})')", "'aaa' | regex_search('(a{,2})')",
        "'x-y_z' | regex_search('([\\\\w-]+)')", "'x' | regex_search('([^\\\\d]+)')", "'é' | regex_search('(\\\\w)')", "'abab' | regex_search('(ab)\\\\1')", "'foobar' | regex_search('foo(?=bar)')", "'foobar' | regex_search('(?<=foo)(bar)')", "'a&&b' | regex_search('([&~]+)')", "'tab\\t' | regex_search('(\\\\t)')", "'x' | regex_search('\\\\Z')",
        "'a-b' | regex_replace('-', '+')", "'aXbX' | regex_replace('X', '')", "'ab' | regex_replace('(a)(b)', '\\\\2\\\\1')", "'ab' | regex_replace('(?P<n>a)', '<\\\\g<n>>')", "'ab' | regex_replace('a', '\\\\9')", "'ab' | regex_replace('', '-')", "'a$b' | regex_replace('\\\\$', '$1')", "5 | regex_replace('5', 'x')", "'ab' | regex_replace('a', 5)", "'abc' | regex_replace('[^a]', '\\\\\\\\')",
        "'ab' | attr('upper')", "record | attr('id')", "{'a': 1} | attr('a')", "[1, 2] | attr('index')", "'abc' | d | upper", "['a'] | first | upper", "5 | abs", "-5 | abs", "-5.5 | abs", "'a' | abs", "duration('-P1D') | abs", "[3, 1] | min", "(1, 2) | list", "{'a': 1}.items() | map('first') | list",
        "'[1, 2]' | list | length", "config.list | map('lower') | sort | join(',')", "config['numbers'] | sort | first", "config['numbers'] | max", "config['dates'] | min", "config['list'] | join('&ids=')", "record['items'] | map(attribute='n') | sum", "record['items'] | selectattr('sku', 'equalto', 'b2') | map(attribute='n') | first",
    ]
    return made + ["{{ " + text + " }}" for text in texts]


def tests():
    names = [
        "none", "not none", "defined", "not defined", "undefined", "string", "number", "integer", "float", "boolean", "true", "false", "mapping", "sequence", "iterable", "callable", "odd", "even",
        "divisibleby 2", "divisibleby(5)", "in [1, 50, 'k-123']", "eq 50", "==(50)", "ne 'x'", "gt 10", "lt 10", "ge 50", "le(50)", "greaterthan 1", "lessthan 1", "equalto 'k-123'", "sameas none", "sameas(true)",
        "lower", "upper", "escaped", "filter", "test", "nope",
    ]
    made = product(["{{ @v is @n }}"], v=VALUES + ["now_utc()", "'upper'", "config['missing']['x']"], n=names)
    made += ["{{ 1 is odd and 2 is even }}", "{{ 1 is not odd }}", "{{ 'a' is in ['a'] }}", "{{ 1 is none == false }}", "{{ config.x is defined and config.x.y }}", "{{ not config.x is defined }}",
             "{{ 5 is divisibleby 0 }}", "{{ 5 is divisibleby }}", "{{ 'x' if config.api_key is defined else 'y' }}", "{{ config is mapping and 'a' or 'b' }}", "{{ 4 is divisibleby 2 is true }}"]
    return made


def macros():
    made = product(
        ["{{ max(@a, @b) }}", "{{ min(@a, @b) }}"],
        a=["1", "'a'", "config['start_date']", "config['nothing']", "config['missing']", "stream_interval['start_time']", "now_utc()"],
        b=["2.5", "'b'", "day_delta(-1)", "str_to_datetime('2024-01-01')"],
    )
    texts = [
        "max([1, 3, 2])", "min('bca')", "max(5)", "max()", "max([])", "max([1], [2])", "max(1, 2, key=3)", "max({'a': 1, 'b': 2})", "min(config['numbers'])", "max(config['dates'])", "max(none, 1)", "max(1, 'a')",
        "timestamp(1658505815.223235)", "timestamp(5)", "timestamp('2022-07-22T16:03:35.223235+02:00')", "timestamp('2022-01-01')", "timestamp(true)", "timestamp(none)", "timestamp('x')", "timestamp(config['start_date'])", "timestamp(config['start_date']) | int",
        "timestamp(record['created'])", "timestamp(now_utc())", "timestamp(config['missing'])", "timestamp()", "timestamp(dt='2022-01-01')", "timestamp([])", "timestamp(1e400)", "timestamp('1e5')",
        "sanitize_url('https://a.b/c?d=e f&g=é')", "sanitize_url(config['url'])", "sanitize_url(5)", "sanitize_url(none)", "sanitize_url('a b+c~d-e_f.g*')", "sanitize_url(value='x/y')", "sanitize_url('')", "sanitize_url(config['missing'])",
        "camel_case_to_snake_case('CamelCase')", "camel_case_to_snake_case('HTTPServer2')", "camel_case_to_snake_case(config['camel'])", "camel_case_to_snake_case('ÉcoleÀ')", "camel_case_to_snake_case(5)", "camel_case_to_snake_case('')", "camel_case_to_snake_case('already_snake')",
        "today_utc()", "today_utc().strftime('%Y')", "today_utc() - duration('P1D')", "today_utc().isoformat()", "today_utc() + duration('P1M')", "today_utc() - duration('PT36H')", "today_utc() + duration('PT36H')", "today_utc().year", "today_utc() < now_utc()", "today_utc() == now_utc().date()",
        "today_utc(1)", "today_with_timezone('America/New_York')", "today_with_timezone('Pacific/Kiritimati')", "today_with_timezone('Nowhere/None')", "today_with_timezone('utc')", "today_with_timezone('Asia/Tokyo').isoformat()", "today_with_timezone(5)", "today_with_timezone(timezone='UTC')", "today_with_timezone()",
        "now_utc()", "[now_utc()]", "now_utc(1)", "now_utc().nope", "now_utc() | string", "now_utc() == now_utc()", "now_utc() > config['start_date']", "now_utc() - now_utc()", "now_utc() + now_utc()", "now_utc() - 5", "now_utc() + config['x']",
        "day_delta(1)", "day_delta(-1)", "day_delta(0.5)", "day_delta(-30, format='%Y-%m-%d')", "day_delta(25, '%s')", "day_delta('x')", "day_delta(none)", "day_delta()", "day_delta(1e12)", "day_delta(-config['lookback'], '%Y-%m-%dT%H:%M:%SZ')", "day_delta(num_days=1, format='%d')", "day_delta(1, none)", "day_delta(true)", "day_delta(config['missing'])",
        "str_to_datetime('2022-01-14')", "str_to_datetime('2022-01-01T13:45:30+02:00')", "str_to_datetime('2022-01-01 13:45')", "str_to_datetime('20220101T134530Z')", "str_to_datetime('2022')", "str_to_datetime('2022-01')", "str_to_datetime('202201')", "str_to_datetime('2022-W05-3')", "str_to_datetime('2022W05')",
        "str_to_datetime('2022-045')", "str_to_datetime('2022-13-01')", "str_to_datetime('x')", "str_to_datetime('')", "str_to_datetime(5)", "str_to_datetime(none)", "str_to_datetime('2022-01-01T24:00')", "str_to_datetime('2022-01-01T10:11:12.123456789Z')", "str_to_datetime('2022-01-01T10:11:12,5')", "str_to_datetime('2022-01-01T10:11:12.5-0330')",
        "str_to_datetime('2022-01-01T10+05')", "str_to_datetime('2022-01-01T10:11:12+00:00').tzinfo", "str_to_datetime('2022-1-1')", "str_to_datetime('2022-01-01T1:1')", "str_to_datetime(' 2022-01-01')", "str_to_datetime('2022-01-01T')", "str_to_datetime('2022-01-01X10')", "str_to_datetime('0001-01-01T00:00:00+01:00')",
        "str_to_datetime(config['start_date']) + duration('P1D')", "(str_to_datetime(config['day']) + duration('P1M')).strftime('%Y-%m-%d')", "str_to_datetime(s=config['start_date'])", "str_to_datetime(config['start_date']).timestamp() | int", "[str_to_datetime('2022-01-14')]", "[str_to_datetime('2022-01-14').replace(microsecond=5, second=1)]",
        "duration('P1D')", "duration('P1Y2M3DT4H5M6S')", "duration('PT0.5S')", "duration('P1W')", "duration('-P1D')", "duration('+P2D')", "duration('PT36H')", "duration('P1.5D')", "duration('P0,5D')", "duration('P1M')", "duration('P0M')", "duration('P1Y')", "duration('P13M')", "duration('-P1M')", "duration('P0.5M')", "duration('P')", "duration('PT')", "duration('P1')",
        "duration('1D')", "duration('')", "duration('x')", "duration('P1DT')", "duration('P1D2M')", "duration('PT1M2H')", "duration(5)", "duration(none)", "duration(config['missing'])", "duration('P0001-02-03T04:05:06')", "duration('P99999999999D')", "duration('PT1e5S')", "duration('p1d')", "duration('P1DT0.000001S')", "duration('PT0.0000005S')", "duration('PT1.0000015S')",
        "[duration('P1D')]", "[duration('P1M')]", "[duration('PT0S')]", "[duration('-PT1S')]", "[duration('P1Y1D')]", "duration('P1D') == duration('PT24H')", "duration('P1M') == duration('P30D')", "duration('P12M') == duration('P1Y')", "duration('P1D') < duration('P2D')", "duration('P1M') < duration('P2M')", "duration('P1D') + duration('PT1H')", "duration('P1M') + duration('P1D')",
        "duration('P1D') - duration('P1M')", "duration('P1M') - duration('P1D')", "duration('P1D') * 2", "2 * duration('P1D')", "duration('P1D') * 1.5", "duration('P1M') * 3", "duration('P1M') * 1.5", "duration('P1D') / 2", "duration('P1D') / duration('PT1H')", "duration('P1D') // duration('PT7H')", "duration('P1D') % duration('PT7H')", "duration('P1D') // 7", "duration('P1D') / 0",
        "-duration('P1D')", "-duration('P1M')", "duration('P1D').days", "duration('P1DT1H').seconds", "duration('P1D').total_seconds()", "duration('P1DT0.5S').total_seconds()", "duration('P1M').months", "duration('P1Y').years", "duration('P1M').days", "duration('P1M') | string", "duration('P1D') | string", "duration('P1D') and 'x'", "duration('PT0S') and 'x'", "duration('P1D') + 1", "duration('P1D') ~ ''",
    ]
    made += ["{{ " + text + " }}" for text in texts]
    made += product(
        ["{{ now_utc() @o duration('@d') }}", "{{ (now_utc() @o duration('@d')).strftime('%Y-%m-%dT%H:%M:%SZ') }}", "{{ today_utc() @o duration('@d') }}"],
        o=["+", "-"],
        d=["P1D", "P1M", "P1Y", "P3M", "PT1H30M", "P2W", "P1Y2M10DT2H30M", "P11M", "PT0.25S", "P10000Y", "-P1M"],
    )
    return made


def dates():
    made = product(["{{ now_utc().strftime(@f) }}", "{{ format_datetime(config['start_date'], @f) }}", "{{ format_datetime(now_utc(), @f) }}"], f=quoted(FORMATS))
    made += product(["{{ format_datetime(@v, '%Y-%m-%dT%H:%M:%S.%f%z') }}", "{{ format_datetime(@v, '%s', '%Y-%m-%d') }}"],
                    v=["config['day']", "config['millis']", "1706933106", "'1706933106'", "config['nothing']", "config['missing']", "record['updated_at']", "today_utc()", "1.5", "true", "''"])
    texts = [
        "format_datetime('2024-01-31', '%Y')", "format_datetime('31/01/2024', '%Y-%m-%d', '%d/%m/%Y')", "format_datetime(1704067200123, '%Y-%m-%d', '%ms')", "format_datetime(1704067200, '%Y-%m-%d', '%s')", "format_datetime('1704067200', '%Y-%m-%d', '%s')", "format_datetime(1704067200123456, '%Y-%m-%dT%H:%M:%S.%f', '%epoch_microseconds')",
        "format_datetime('2024-01-31T10:00:00+02:00', '%Y-%m-%dT%H:%M:%S%z', '%Y-%m-%dT%H:%M:%S%z')", "format_datetime('2024-01-31T10:00:00+02:00', '%s')", "format_datetime('2024-01-31', '%s', input_format='%Y-%m-%d')", "format_datetime('2024-01-31', '%ms', '%Y-%m-%d')", "format_datetime(dt='2024-01-31', format='%d')", "format_datetime('2024-01-31')", "format_datetime('2024-01-31', none)",
        "format_datetime('2024-01-31', 5)", "format_datetime('x', '%Y')", "format_datetime('2024-01-31', '%Y', '%d')", "format_datetime('2024-01-31', '%Y', '')", "format_datetime('2024-01-31', '%Y', none)", "format_datetime(config['start_date'], '%Y-%m-%d') ~ 'T'", "format_datetime(20240131, '%Y-%m-%d', '%Y%m%d')",
        "now_utc().isoformat()", "now_utc().isoformat(' ')", "now_utc().isoformat(timespec='seconds')", "now_utc().isoformat(timespec='milliseconds')", "now_utc().isoformat(sep='_', timespec='minutes')", "now_utc().isoformat(timespec='x')", "now_utc().date()", "now_utc().time()", "now_utc().date().isoformat()", "now_utc().year", "now_utc().month", "now_utc().day", "now_utc().hour",
        "now_utc().microsecond", "now_utc().tzinfo", "now_utc().timestamp()", "now_utc().timestamp() | int", "(now_utc().timestamp() * 1000) | int", "now_utc().weekday()", "now_utc().isoweekday()", "now_utc().isocalendar()", "now_utc().toordinal()", "now_utc().replace(day=1)", "now_utc().replace(hour=0, minute=0, second=0, microsecond=0)", "now_utc().replace(month=2, day=30)", "now_utc().replace(tzinfo=none)",
        "now_utc().replace(2020, 1)", "now_utc().replace(x=1)", "now_utc().replace(day='1')", "now_utc().utcoffset()", "now_utc().tzname()", "now_utc().ctime()", "now_utc().strftime()", "now_utc().strftime(5)", "now_utc().strftime(format='%Y')", "now_utc().strftime('%s') | int", "now_utc().strftime('%Y') | int - 1", "now_utc().strptime('2022-03-04', '%Y-%m-%d')",
        "now_utc().strptime('2022-03-04 05', '%Y-%m-%d %H').strftime('%d %H')", "now_utc().strptime('x', '%Y')", "now_utc().strptime('2022', '%Y') < now_utc()", "now_utc().strptime('2022', '%Y') == now_utc()", "now_utc().strptime(config['day'], '%Y-%m-%d').date()", "now_utc().fromtimestamp(0)", "now_utc().fromtimestamp(1704067200.5)", "now_utc().utcfromtimestamp(5)", "now_utc().fromisoformat('2022-01-01')",
        "now_utc() >= str_to_datetime(config['start_date'])", "(now_utc() - str_to_datetime('2024-01-01')).days", "(now_utc() - str_to_datetime('2024-01-01')).total_seconds()", "(now_utc() - duration('P1D')).date()", "(now_utc() - duration('P1D')) | string", "now_utc() - str_to_datetime('2024-01-01')", "str_to_datetime('2024-01-01') - now_utc()", "today_utc() - today_utc()", "now_utc() - today_utc()",
        "today_utc().strftime('%Y-%m-%dT%H:%M:%SZ')", "today_utc().replace(day=1)", "today_utc().weekday()", "today_utc().isocalendar()", "today_utc().hour", "today_utc().timestamp()", "[today_utc()]", "(today_utc() - duration('P1M')).replace(day=1).isoformat()", "now_utc().min", "now_utc().fold", "now_utc().astimezone()", "'%s' % now_utc()", "'{}'.format(now_utc())", "'{:%Y-%m}'.format(now_utc())",
        "now_utc().date() == today_utc()", "now_utc() ~ ''", "now_utc() if now_utc() else 'x'", "(config['start_date'] | string)[:10]", "config['start_date'][:10]", "config['start_date'].split('T')[0]", "config['start_date'].replace('Z', '+00:00')", "str_to_datetime(config['start_date']).strftime('%s')", "format_datetime(stream_interval['start_time'], '%Y-%m-%d')", "format_datetime(stream_slice['end_time'], '%s') | int + 1",
    ]
    return made + ["{{ " + text + " }}" for text in texts]


def statements():
    texts = [
        "{% if config['enabled'] %}on{% else %}off{% endif %}", "{% if config['missing'] %}a{% elif config['api_key'] %}b{% else %}c{% endif %}", "{% if config['missing']['x'] %}a{% endif %}", "{% if false %}a{% endif %}", "{%- if true -%} x {%- endif -%} y", " {%+ if true +%} x {% endif %}",
        "{% if 1 %}{% if 0 %}a{% else %}b{% endif %}{% endif %}", "{% if config['list'] is defined: %}c{% endif %}", "{% if 1, 2 %}t{% endif %}", "{% if %}x{% endif %}",
        "{% for x in [1, 2, 3] %}{{ x }}{% endfor %}", "{% for x in config['list'] %}{{ x }},{% endfor %}", "{% for x in config['list'] %}{{ x }}{% if not loop.last %},{% endif %}{% endfor %}", "{% for x in [] %}a{% else %}none{% endfor %}", "{% for k, v in config['credentials'].items() %}{{ k }}={{ v }};{% endfor %}", "{% for k in config['credentials'] %}{{ k }} {% endfor %}",
        "{% for r in config['rows'] if r.active %}{{ r.id }}{% endfor %}", "{% for r in config['rows'] if r.active %}{{ loop.index }}/{{ loop.length }} {% endfor %}", "{% for x in [1, 2] %}{% for y in [3, 4] %}{{ x * y }} {% endfor %}{% endfor %}", "{% for x in [1, 2] %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.first }}{{ loop.last }} {% endfor %}",
        "{% for x in 'abc' %}{{ x }}-{% endfor %}", "{% for x in 5 %}a{% endfor %}", "{% for x in none %}a{% endfor %}", "{% for x in config['missing'] %}a{% else %}empty{% endfor %}", "{% for a, b in [[1, 2], [3, 4]] %}{{ a + b }}{% endfor %}", "{% for a, b in [[1]] %}{{ a }}{% endfor %}", "{% for (a, b), c in [((1, 2), 3)] %}{{ a }}{{ b }}{{ c }}{% endfor %}",
        "{% for x in [3, 1, 2] | sort %}{{ x }}{% endfor %}", "{% for x in [1, 2, 3] %}{{ loop.previtem }}{{ loop.nextitem }}|{% endfor %}", "{% for x in [1, 2, 3, 4] %}{{ loop.cycle('a', 'b') }}{% endfor %}", "{% for x in [1, 1, 2] %}{{ loop.changed(x) }}{% endfor %}", "{% for x in [1] %}{{ loop }}{% endfor %}", "{{ loop.index }}", "{% for x in [1] %}{% endfor %}{{ x }}",
        "{% for x in [[1, [2]], [3]] recursive %}{% if x is iterable %}({{ loop(x) }}){% else %}{{ x }}{% endif %}{% endfor %}", "{% for x in [1, 2] %}{% set y = x %}{% endfor %}{{ y }}", "{% set y = 0 %}{% for x in [1, 2] %}{% set y = x %}{% endfor %}{{ y }}", "{% set y = 0 %}{% for x in [1, 2] %}{% set y = y + x %}{{ y }}{% endfor %}", "{% for loop in [1] %}{% endfor %}", "{% for x in [1] %}{% set loop = 1 %}{% endfor %}",
        "{% set x = 5 %}{{ x }}", "{% set x = 5 %}{{ x + 1 }}", "{% set x, y = 1, 2 %}{{ x }}{{ y }}", "{% set x = [] %}{% set _ = x.append(1) %}{{ x }}", "{% set x = {} %}{% set _ = x.update({'a': 1}) %}{{ x }}", "{% set x = [] %}{% for i in [1, 2] %}{% set _ = x.append(i * 2) %}{% endfor %}{{ x }}", "{% set x %}block {{ 1 + 1 }}{% endset %}{{ x | upper }}", "{% set x | upper %}ab{% endset %}{{ x }}",
        "{% set x = config['missing'] %}{{ x }}", "{% set x = config['missing'] %}{{ x.y }}", "{% set x %}{% endset %}{{ x }}", "{% set true = 1 %}", "{% set 5 = 1 %}", "{% set x.y = 1 %}", "{% set ns = namespace(total=0) %}{% for r in config['rows'] %}{% set ns.total = ns.total + r.id %}{% endfor %}{{ ns.total }}", "{% set ns = namespace() %}{% set ns.a = 1 %}{{ ns.a }}{{ ns.b }}", "{% set ns = namespace(a=1) %}{{ ns }}", "{% set config.x = 1 %}",
        "{% if config['api_key'] %}{% set x = 1 %}{% endif %}{{ x }}", "{% if config['api_key'] %}{% set x = 1 %}{% else %}{% set x = 2 %}{% endif %}{{ x }}", "{% set x = 0 %}{% if config['api_key'] %}{% set x = 1 %}{% endif %}{{ x }}", "{{ x }}{% set x = 1 %}", "{% set config = 1 %}{{ config }}", "{% if true %}{% set config = 1 %}{% endif %}{{ config }}", "{% set max = 1 %}{{ max }}", "{% for x in [1] %}{% if x %}{% set z = 1 %}{% endif %}{{ z }}{% endfor %}",
        "{% for x in [1] %}{% set z = 1 %}{% if x %}{% set z = 2 %}{% endif %}{{ z }}{% endfor %}", "{% set z = 0 %}{% for x in [1, 2] %}{% if x %}{% set z = z + x %}{% endif %}{{ z }}{% endfor %}{{ z }}", "{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}", "{% with %}{% set q = 1 %}{{ q }}{% endwith %}", "{% with a = 1 %}{% endwith %}{{ a }}", "{% with a = 1, b = a %}{{ b }}{% endwith %}", "{% filter upper %}abc {{ config['api_key'] }}{% endfilter %}", "{% filter replace('a', 'b') | upper %}aa{% endfilter %}",
        "{% filter nope %}x{% endfilter %}", "{% macro m(a, b=2) %}{{ a }}-{{ b }}{% endmacro %}{{ m(1) }} {{ m(1, 3) }} {{ m(b=4, a=5) }}", "{% macro m() %}x{% endmacro %}{{ m(1) }}", "{% macro m(a) %}[{{ a }}]{% endmacro %}{{ m() }}", "{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, x=2) }}", "{% macro m(n) %}{{ n }}{% if n > 0 %}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(3) }}", "{% macro m() %}<{{ caller() }}>{% endmacro %}{% call m() %}in{% endcall %}",
        "{% macro m() %}{{ caller(1) }}{% endmacro %}{% call(x) m() %}got {{ x }}{% endcall %}", "{% set x = 1 %}{% macro m() %}{{ x }}{% endmacro %}{{ m() }}", "{% macro m() %}{{ y }}{% endmacro %}{{ m() }}", "{% macro m(a=config['api_key']) %}{{ a }}{% endmacro %}{{ m() }}", "{% macro m(a, b=1, c) %}{% endmacro %}", "{{ m() }}{% macro m() %}{% endmacro %}", "{% block b %}in block {{ config['api_key'] }}{% endblock %}", "{% block b %}x{% endblock b %}y", "{% print 1, 2 %}", "{# comment #}x{# {{ y }} #}",
        "a\n{% if true %}\nb\n{% endif %}\nc", "a\n{%- if true %}\nb\n{%- endif %}\nc", "{\n  \"a\": {{ config['page_size'] }},\n  \"b\": [{% for x in config['list'] %}\"{{ x }}\"{% if not loop.last %}, {% endif %}{% endfor %}]\n}", "{{ {'a': config['list'], 'b': {'c': config['page_size']}} }}", "{{ [config['api_key'], config['page_size']] }}", "{% set ids = config['rows'] | map(attribute='id') | list %}{{ ids | join(',') }}",
        "{% set c = cycler('a', 'b') %}{{ c.next() }}", "{% set j = joiner(', ') %}{% for x in [1, 2, 3] %}{{ j() }}{{ x }}{% endfor %}", "{% for key, value in record | dictsort %}{{ key }} {% endfor %}", "{% for item in record['items'] %}{{ item.sku }}:{{ item['n'] }} {% endfor %}", "{% for i in response.data %}{{ i.id }}{% endfor %}", "{% if response.next %}{{ response.next.split('cursor=')[1] }}{% endif %}", "{% if 'x' in record.tags %}yes{% endif %}",
        "{% set q = 'a' if config['enabled'] else 'b' %}{{ q }}", "{% set parts = config['url'].split('?') %}{{ parts[0] }}", "{% set d = str_to_datetime(config['start_date']) %}{{ (d + duration('P1D')).strftime('%Y-%m-%d') }}", "{% set x = 1 %}{% set x = x + 1 %}{{ x }}", "{% for x in range(3) %}{{ x }}{% endfor %}", "{% for x in [1,2,3,4,5] %}{% if x == 3 %}{% break %}{% endif %}{% endfor %}", "{% set a = [1] %}{% set b = a %}{% set _ = b.append(2) %}{{ a }}", "{% set a = [1, 2, 3] %}{{ a.pop() }}{{ a }}",
        "{% set a = {'x': 1} %}{{ a.pop('x') }}{{ a }}", "{% set a = [3, 1] %}{% set _ = a.sort() %}{{ a }}", "{% set a = [3, 1] %}{% set _ = a.extend([4]) %}{% set _ = a.insert(0, 9) %}{% set _ = a.reverse() %}{{ a }}", "{% set a = [1] %}{% set _ = a.remove(1) %}{{ a }}", "{% set a = {} %}{% set _ = a.setdefault('k', []).append(1) %}{{ a }}", "{{ self.x }}", "{{ super() }}", "{% endfor %}", "{% for x in [1] %}{% endif %}", "{% else %}", "{% for %}{% endfor %}", "{% for x in %}{% endfor %}", "{% for x [1] %}{% endfor %}",
    ]
    return texts


def formats():
    made = product(["{{ '@f' % @v }}"], f=["%s", "%d", "%5d|", "%-5s|", "%05.1f", "%x", "%r", "%e", "%g", "%c", "%%", "%i%%", "%+d", "%.3s", "%(a)s", "%q", "%", "%s %s", "abc"],
                   v=["5", "3.7", "'text'", "none", "config['list']", "('a', 'b')", "{'a': 1}", "config['missing']", "()"])
    specs = ["", ":>8", ":<8|", ":^8|", ":*^9", ":05d", ":,", ":.2f", ":+.1e", ":%", ":x", ":#b", ":08.3f", ":s", ":10", ":.2", ":_d", ":q", "!r", "!s:>6", "!x", ":{}"]
    made += product(["{{ '{@s}'.format(@v) }}"], s=specs, v=["5", "1234567.891", "'text'", "none", "true"])
    texts = [
        "'{} {}'.format(1, 2)", "'{0} {1} {0}'.format('a', 'b')", "'{a}-{b}'.format(a=1, b=2)", "'{}'.format()", "'{a}'.format(1)", "'{} {0}'.format(1)", "'{{}}'.format(1)", "'{'.format(1)", "'}'.format(1)", "'{0[a]}'.format({'a': 1})", "'{0.year}'.format(now_utc())", "'{0[1]}'.format([1, 2])", "'{x[k][0]}'.format(x={'k': [7]})",
        "'{:{}}'.format('a', 5)", "'{:>{w}}'.format('a', w=4)", "'{a}'.format_map({'a': 1})", "'{}'.format(config['list'])", "'{}'.format(config['missing'])", "'{:d}'.format('x')", "'{:s}'.format(5)", "'{:>5}'.format(none)", "'%(api_key)s' % config", "'%(x)s' % config", "'%s' % (1, 2)", "'%s %s' % (1,)", "'%*d' % (5, 42)", "'%.*f' % (2, 3.14159)", "'%s' % ((1, 2),)", "'%5.2f%%' % 12.345",
        "'%s/%s' % (config['domain'], parameters['name'])", "'%d items' % config['page_size']", "'%d' % 'x'", "'%d' % 1e3", "'%s' % none", "'%s' % config['missing']", "'%d' % config['missing']", "'%a' % 'é'", "'%o' % 8", "'%X' % 255", "'%#x' % 255", "'%#o' % 8", "'% d' % 5", "'%E' % 12345.678", "'%G' % 0.00001", "'%g' % 100000", "'%g' % 1000000", "'%.0f' % 2.5", "'%.10g' % 0.1", "'%f' % 1e20", "'%c' % 65", "'%c' % 'ab'", "'%s %(a)s' % {'a': 1}", "'%(a)' % {'a': 1}", "'%z' % 1",
        "'a' ~ '%s' % 1", "'{:.0f}'.format(0.5)", "'{:.3}'.format(3.14159)", "'{:.3}'.format(1234.5)", "'{:e}'.format(12345)", "'{:g}'.format(1e10)", "'{:n}'.format(5)", "'{:c}'.format(65)", "'{:o}'.format(8)", "'{:X}'.format(255)", "'{:,}'.format(1234567)", "'{:,.2f}'.format(1234567.891)", "'{:+}'.format(5)", "'{: }'.format(5)", "'{:<5}|'.format(5)", "'{:=+6}'.format(5)", "'{:06}'.format(-5)", "'{:.1%}'.format(0.256)", "'{!r}'.format('x')", "'{!a}'.format('é')",
    ]
    return made + ["{{ " + text + " }}" for text in texts]


def usual():
    """What manifests really say, in our own words."""
    return [
        "https://{{ config['domain'] }}/api/v2", "https://{{ config.domain }}.example.com/{{ parameters['path'] }}", "/orders/{{ stream_partition['id'] }}/items", "{{ parameters.path }}/{{ stream_slice.id }}?region={{ stream_slice.region }}",
        "Bearer {{ config['api_key'] }}", "{{ config['credentials']['token'] }}", "{{ 'Bearer ' ~ config['api_key'] }}", "Basic {{ (config['api_key'] ~ ':x') | base64encode }}", "{{ config['start_date'] or day_delta(-30, '%Y-%m-%d') }}", "{{ config.get('start_date', '2020-01-01T00:00:00Z') }}",
        "{{ config['start_date'] if config['start_date'] else (now_utc() - duration('P2Y')).strftime('%Y-%m-%dT%H:%M:%SZ') }}", "{{ format_datetime(config['start_date'], '%Y-%m-%d') if config.get('start_date') else day_delta(-7, '%Y-%m-%d') }}", "{{ max(config['start_date'], day_delta(-90, '%Y-%m-%dT%H:%M:%SZ')) }}", "{{ stream_interval['start_time'] }},{{ stream_interval['end_time'] }}",
        "updated_at:>={{ stream_interval.start_time }}", "{{ stream_interval.get('start_time') or config['start_date'] }}", "{{ (stream_interval['start_time'] | string)[:10] }}", "{{ response.get('next', {}).get('after') }}", "{{ response['paging']['cursors']['after'] if response.get('paging') else none }}", "{{ response.meta.page + 1 if response.meta.page < response.meta.total else None }}",
        "{{ last_record['id'] }}", "{{ last_record.updated_at if last_record else '' }}", "{{ headers['link']['next']['url'] if headers['link'] and headers['link']['next'] else none }}", "{{ next_page_token['next_page_token'] }}", "{{ next_page_token.get('next_page_token') }}", "{{ next_page_token['next_page_token'] if next_page_token else 0 }}", "{{ (next_page_token or {}).get('next_page_token', 1) }}",
        "{{ record['first'] ~ ' ' ~ record['last'] }}", "{{ record.nested.a.b | upper }}", "{{ record['price'] * 100 }}", "{{ (record['price'] * 100) | round | int }}", "{{ record['amount'] | float }}", "{{ record['created'] | int * 1000 }}", "{{ record.get('name', 'unknown') }}", "{{ record['tags'] | join(';') }}", "{{ record | tojson }}", "{{ record['id'] ~ '-' ~ stream_partition['id'] }}",
        "{{ record['updated_at'].split('.')[0] ~ 'Z' }}", "{{ format_datetime(record['created'], '%Y-%m-%dT%H:%M:%SZ') }}", "{{ 'true' if record['flag'] else 'false' }}", "{{ [record['id'], record['name']] | join('_') | hash('sha256') }}", "{{ stream_partition.get('parent_slice', {}).get('id') }}", "{{ stream_slice.extra_fields.get('title') }}", "{{ config['list'] | join(',') }}",
        "{{ config['page_size'] }}", "{{ config.get('page_size', 100) }}", "{{ config['limit'] | int }}", "{{ parameters.get('size') or 100 }}", "{\"query\": \"{ orders(first: {{ config['page_size'] }}) { id } }\"}", "query { orders(after: \"{{ next_page_token['next_page_token'] }}\") { id } }", "{{ {'filter': {'id': stream_partition['id']}, 'limit': config['page_size']} }}", "[{\"propertyName\": \"{{ parameters['name'] }}\"}]",
        "{{ timestamp(config['start_date']) | int }}", "{{ (now_utc() - duration('PT1H')).strftime('%s') }}", "{{ now_utc().strftime('%Y-%m-%dT%H:%M:%S.%fZ') }}", "{{ today_utc() }}", "{{ today_utc().strftime('%Y-%m-%d') }}T00:00:00Z", "{{ day_delta(-config.get('lookback', 1)) }}", "P{{ config['lookback'] }}D", "PT{{ config.get('missing', 5) }}M", "{{ config['lookback'] * 24 }}h",
        "{{ polling_response['status'] }}", "{{ creation_response['urls'] | first }}", "{{ download_target }}&format=csv", "{{ session_token }}", "{{ raw_schema['type'] == 'string' }}", "{{ components_values['name'] | lower }}", "{{ stream_template_config['name'] }}_{{ components_values['key'] }}", "{{ property | upper }}", "{{ request_url.split('?')[0] }}",
        "{{ config['url'] | regex_search('https://([^/]+)') }}", "{{ response.next | regex_search('cursor=([^&]+)') }}", "{{ (response.next | regex_search('limit=(\\\\d+)')) | int }}", "{{ config['text'] | regex_replace('<[^>]+>', '') }}", "{{ response.data | map(attribute='id') | max }}", "{{ response.data[-1]['id'] if response.data else None }}", "{{ response['data'] | last | default({}) }}", "{{ (response.data | last).id }}",
    ]


DATE_TEXTS = [
    "2024-01-31", "2024-1-5", "2024-02-29T13:45:30Z", "2024-02-29T13:45:30.123Z", "2024-02-29T13:45:30.123456Z", "2024-02-29T13:45:30+02:00", "2024-02-29T13:45:30.5+0230", "2024-02-29T13:45:30-00:00", "2024-02-29 13:45:30", "2024-02-29T13:45:30", "20240229", "20240229T134530", "29/02/24",
    "Feb 29, 2024", "feb 29, 2024", "Thursday February 29 2024", "01:05 PM", "12:05 am", "060", "1709214330", "1709214330123", "1709214330.123456", "-5", "1_000", " 5 ", "1e5", "nan", "99999999999999999999", "", "text", "2024-02-30", "2023-02-29T00:00:00Z", "0001-01-01", "9999-12-31T23:59:59Z", "2024-02-29T24:00:00Z",
    "2024-02-29T13:45:60Z", "2024-02-29T13:45:30.1234567Z", "2024-02-29T13:45:30+25:00", "2024-02-29T13:45:30+02:00:30", "2024-02-29T13:45:30z", "2024-02-29t13:45:30Z", "2024-02-29  13:45:30", "Thu Feb 29 13:45:30 2024", "09 4 08 2024 5 4", "2024-02-29T13:45:30.000Z extra", "13:45", "2024", "02/29/24 13:45:30", "134530123456", "2024-W09-4", "%Y",
]
DATE_FORMATS = [
    "%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S.%fZ", "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S.%f%z", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y%m%d", "%Y%m%dT%H%M%S", "%d/%m/%y", "%b %d, %Y", "%A %B %d %Y", "%I:%M %p", "%j", "%s", "%ms", "%s_as_float", "%epoch_microseconds", "%Y-%m-%dT%H:%M:%S.%_msZ",
    "%Y-%m-%dT%H:%M:%S.%_ms%z", "%c", "%x %X", "%U %w %W %Y %u %d", "%H:%M", "%Y", "%H%M%S%f", "%G-W%V-%u", "%Y-%m-%dT%H:%M:%S.%f", "%%Y", "%Q", "%", "%Y %Y", "text", "", "%y-%m-%d", "%Y-%m-%dT%H:%M:%S %Z", "%-d", "%m", "%Y-%j", "%Y-%U-%w", "%Y-%W-%a",
]


def json_of(value):
    """The value as JSON shows it to the tests: what JSON has no kind for becomes a list or its text."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**64 else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if isinstance(value, (list, tuple, set)):
        return [json_of(item) for item in value]
    if isinstance(value, dict):
        return {key_of(key): json_of(item) for key, item in value.items()}
    return str(value)


def key_of(key):
    if key is None:
        return "null"
    if isinstance(key, bool):
        return "true" if key else "false"
    return str(key)


def frozen_clock(macros):
    import datetime

    now = datetime.datetime(*NOW, tzinfo=datetime.timezone.utc)

    class Meta(type):
        def __instancecheck__(cls, instance):
            return isinstance(instance, datetime.datetime)

    class Frozen(metaclass=Meta):
        strptime = staticmethod(datetime.datetime.strptime)

        @staticmethod
        def now(tz=None):
            return now.astimezone(tz) if tz else now.replace(tzinfo=None)

    macros.datetime = types.SimpleNamespace(
        datetime=Frozen, timezone=datetime.timezone, timedelta=datetime.timedelta, date=datetime.date
    )


def variables(context):
    from airbyte_cdk.sources.types import Record, StreamSlice
    from requests.utils import parse_header_links

    given = copy.deepcopy(context)
    if "stream_slice" in given:
        parts = given["stream_slice"]
        given["stream_slice"] = StreamSlice(partition=parts["partition"], cursor_slice=parts["cursor"], extra_fields=parts["extra"])
    if "headers" in given:
        headers = dict(given["headers"])
        links = parse_header_links(headers.pop("link", ""))
        headers["link"] = {link.get("rel") or link.get("url"): link for link in links}
        given["headers"] = headers
    if given.get("last_record") is not None:
        given["last_record"] = Record(data=given["last_record"], stream_name="orders")
    return given


class Recorder:
    def __init__(self):
        from airbyte_cdk.sources.declarative.interpolation import macros
        from airbyte_cdk.sources.declarative.interpolation.interpolated_boolean import InterpolatedBoolean
        from airbyte_cdk.sources.declarative.interpolation.interpolated_string import InterpolatedString
        from airbyte_cdk.sources.declarative.interpolation.jinja import JinjaInterpolation

        frozen_clock(macros)
        self.boolean, self.string, self.jinja = InterpolatedBoolean, InterpolatedString, JinjaInterpolation()
        self.skipped = 0

    def attempt(self, evaluate):
        try:
            return evaluate(), None
        except Exception as error:  # whatever the reference raises is its answer
            return None, type(error).__name__

    def value(self, template, given):
        config, parameters = given.pop("config"), given.pop("parameters", {})
        return self.string.create(template, parameters=parameters).eval(config, **given)

    def holds(self, template, given):
        config, parameters = given.pop("config"), given.pop("parameters", {})
        return self.boolean(condition=template, parameters=parameters).eval(config, **given)

    def restricted(self, template, given):
        """As in a mapping of request parameters: texts and lists only, null for what is empty or undefined."""
        return self.jinja.eval(template, given.pop("config"), valid_types=(str, list), **{"parameters": {}, **given})

    def record(self, template, name):
        """What a template gives in one context; None where it prints an address in memory."""
        context = CONTEXTS[name]
        value, error = self.attempt(lambda: self.value(template, variables(context)))
        shown = None if error else str(value)
        if shown is not None and " at 0x" in shown:
            self.skipped += 1
            return None
        result = {"e": error} if error else {"v": json_of(value)}
        if not error and not isinstance(value, str):
            result["s"] = shown
        holds, error = self.attempt(lambda: self.holds(template, variables(context)))
        result["b"] = error or holds
        restricted, error = self.attempt(lambda: self.restricted(template, variables(context)))
        restricted = {"e": error} if error else {"v": json_of(restricted)}
        if restricted != {key: result[key] for key in ("e", "v") if key in result}:
            result["r"] = restricted
        return result


def write_expressions(path):
    recorder = Recorder()
    pairs = 0
    with open(path, "w", encoding="utf-8") as file:
        header = {"reference": RELEASE, "now": "2024-02-29T13:45:30.123456Z", "contexts": CONTEXTS}
        file.write(json.dumps(header, ensure_ascii=False) + "\n")
        for template in templates():
            results = {}
            for name in CONTEXTS:
                result = recorder.record(template, name)
                if result is None:
                    continue
                pairs += 1
                same = next((known for known in results.values() if known[0] == result), None)
                if same:
                    same[1].append(name)
                else:
                    results[name] = (result, [name])
            line = {"t": template, "in": [{"c": names, **result} for result, names in results.values()]}
            file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")
    print(f"{path}: {len(templates())} templates, {pairs} evaluations, {recorder.skipped} that print an address left out")


def write_dates(path):
    from airbyte_cdk.sources.declarative.datetime.datetime_parser import DatetimeParser

    parser = DatetimeParser()
    with open(path, "w", encoding="utf-8") as file:
        for format_ in DATE_FORMATS:
            read = {}
            for text in DATE_TEXTS:
                try:
                    moment = parser.parse(text, format_)
                    read[text] = moment.isoformat()
                except Exception:
                    continue
            file.write(json.dumps({"format": format_, "reads": read}, ensure_ascii=False) + "\n")
        for text in DATE_TEXTS:
            for format_ in DATE_FORMATS[:6]:
                try:
                    moment = parser.parse(text, format_)
                except Exception:
                    continue
                written = {}
                for target in dict.fromkeys(FORMATS + DATE_FORMATS):
                    try:
                        written[target] = parser.format(moment, target)
                    except Exception:
                        written[target] = None
                file.write(json.dumps({"text": text, "as": format_, "writes": written}, ensure_ascii=False) + "\n")
                break
    print(path)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    here = os.path.dirname(os.path.abspath(__file__))
    arguments.add_argument("--out", default=os.path.join(here, "..", "crates", "connectors", "tests", "manifest"))
    out = os.path.normpath(arguments.parse_args().out)
    restart_in_the_environment()
    from importlib.metadata import version

    if version("airbyte-cdk") != RELEASE:
        sys.exit(f"the environment has release {version('airbyte-cdk')}, not {RELEASE}")
    warnings.simplefilter("ignore")
    os.makedirs(out, exist_ok=True)
    write_expressions(os.path.join(out, "expressions.jsonl"))
    write_dates(os.path.join(out, "expressions_dates.jsonl"))


if __name__ == "__main__":
    main()
