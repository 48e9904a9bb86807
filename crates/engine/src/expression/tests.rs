//! Expressions as people write them, their errors, and attacks.

mod attacks;

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::entropy::{Entropy, SeededEntropy};

fn moment() -> Moment {
    Moment {
        now: Timestamp::from_millis(1_767_225_600_123),
        entropy: Arc::new(SeededEntropy::new(7)),
        limits: Limits::default(),
    }
}

/// An envelope around a payload of the shape that forges send.
fn envelope() -> Value {
    json!({
        "id": "evt_01h455vb4pex5vsknk084sn02q",
        "type": "issues",
        "source": "github",
        "connection": "default",
        "received_at": "2026-01-01T00:00:00.000Z",
        "data": {
            "action": "opened",
            "issue": {
                "number": 42,
                "title": "It breaks, often",
                "state": null,
                "body": "",
                "labels": [{"name": "bug", "p": 1}, {"name": "urgent", "p": 2}],
                "assignees": [],
                "user": {"login": "ann", "id": 7, "site_admin": false}
            },
            "repository": {"full_name": "acme/shop", "private": true},
            "lines": [
                {"sku": "A-1", "price": 2.5, "quantity": 2},
                {"sku": "B-2", "price": 10, "quantity": 1},
                {"sku": "A-1", "price": 2.5, "quantity": 4}
            ]
        },
        "enriched": {"order": {"number": "1001", "total": 25.0}}
    })
}

fn evaluate(text: &str) -> Result<Option<Value>, ExpressionError> {
    let result = Expression::compile(text)?.evaluate(&Root::from_value(envelope()), &moment())?;
    Ok(result.map(|json| serde_json::from_slice(&json).expect("a result is JSON")))
}

/// Expressions and their results; `null` stands for nothing as well, which the differential test tells apart.
fn table() -> Vec<(&'static str, Value)> {
    vec![
        ("data.action = 'opened'", json!(true)),
        ("data.action = 'opened' and data.repository.private", json!(true)),
        ("data.action in ['opened', 'reopened']", json!(true)),
        ("data.issue.number > 41 and data.issue.number <= 42", json!(true)),
        ("$not($exists(data.issue.milestone))", json!(true)),
        ("data.issue.labels.name", json!(["bug", "urgent"])),
        ("data.issue.labels[name = 'bug'].p", json!(1)),
        ("data.issue.labels[0].name", json!("bug")),
        ("data.issue.labels[-1].name", json!("urgent")),
        ("data.issue.labels[name = 'none'].p", json!(null)),
        ("data.lines[price > 5][]", json!([{"sku": "B-2", "price": 10, "quantity": 1}])),
        ("$count(data.lines)", json!(3)),
        ("$sum(data.lines.(price * quantity))", json!(25)),
        ("$sum(data.lines.price) / 2", json!(7.5)),
        ("$max(data.lines.quantity) & ' of ' & $count(data.lines)", json!("4 of 3")),
        ("data.issue.title & ''", json!("It breaks, often")),
        ("data.missing & 'x'", json!("x")),
        ("data.issue.user & ''", json!("{\"login\":\"ann\",\"id\":7,\"site_admin\":false}")),
        ("{ 'n': data.issue.number, 'who': data.issue.user.login }", json!({"n": 42, "who": "ann"})),
        ("{ 'a': [1, [2, 3]], 'none': data.none, 'null': null }", json!({"a": [1, [2, 3]], "null": null})),
        ("{ 'number': enriched.order.number, 'total': enriched.order.total }", json!({"number": "1001", "total": 25})),
        ("(data.lines.{ 'id': sku, 'sum': price * quantity })[0]", json!({"id": "A-1", "sum": 5})),
        ("data.lines{ sku: $sum(quantity) }", json!({"A-1": 6, "B-2": 1})),
        ("data.lines^(>price, sku).sku", json!(["B-2", "A-1", "A-1"])),
        ("data.lines.[sku, quantity]", json!([["A-1", 2], ["B-2", 1], ["A-1", 4]])),
        ("$distinct(data.lines.sku)", json!(["A-1", "B-2"])),
        ("data.lines.sku ~> $distinct ~> $count", json!(2)),
        ("$join(data.issue.labels.name, ', ')", json!("bug, urgent")),
        ("data.issue.labels.name ~> $join('+')", json!("bug+urgent")),
        ("$split(data.issue.title, ', ')", json!(["It breaks", "often"])),
        ("data.issue.title.$split(' ')[0]", json!("It")),
        ("data.issue.title ~> $split(/[ ,]+/) ~> $count", json!(3)),
        ("$split('a,b,c', ',', 2)", json!(["a", "b"])),
        ("('a-b').$split('-')", json!(["a", "b"])),
        ("$replace(data.repository.full_name, '/', '-')", json!("acme-shop")),
        ("$replace('abracadabra', /a(b|c)/, '<$1>', 1)", json!("<b>racadabra")),
        ("$replace('265USD', /([0-9]+)USD/, function($m) { $m.groups[0] & ' dollars' })", json!("265 dollars")),
        ("('a.b').$replace('.', '')", json!("ab")),
        ("$match('a1b22', /[a-z]([0-9]+)/).groups", json!(["1", "22"])),
        ("$contains(data.issue.title, 'breaks')", json!(true)),
        ("$contains(data.issue.title, /OFTEN$/i)", json!(true)),
        ("data.issue.title.$contains('no')", json!(false)),
        ("$pad($string(data.issue.number), -6, '0')", json!("000042")),
        ("$pad('x', 3) & '|'", json!("x  |")),
        ("$map(data.lines, function($line, $at) { $at & ':' & $line.sku })", json!(["0:A-1", "1:B-2", "2:A-1"])),
        ("$map(data.issue.labels.name, $uppercase)", json!(["BUG", "URGENT"])),
        ("$map([1, 2], $string)", json!(["1", "2"])),
        ("$map(['a,b', 'c'], function($text) { $count($split($text, ',')) })", json!([2, 1])),
        ("$map([[1, 1], [2, 2]], $distinct)", json!([[1], [2]])),
        ("$filter(data.lines, function($l) { $l.quantity > 1 }).sku", json!(["A-1", "A-1"])),
        ("$reduce(data.lines.quantity, function($a, $b) { $a + $b }, 0)", json!(7)),
        ("$reduce([1..5], function($a, $b) { $append($a, $b * $b) }, [])", json!([1, 4, 9, 16, 25])),
        ("$each(data.issue.user, function($v, $k) { $k })", json!(["login", "id", "site_admin"])),
        ("$sift(data.issue.user, function($v) { $v = 7 })", json!({"id": 7})),
        ("$merge([{'a': 1}, {'b': 2}])", json!({"a": 1, "b": 2})),
        ("$merge([data.issue.user, {'login': 'bob'}]).login", json!("bob")),
        ("$zip([1, 2], [3, 4])", json!([[1, 3], [2, 4]])),
        ("$spread({'a': 1, 'b': 2})", json!([{"a": 1}, {"b": 2}])),
        ("$append([1], [2, 3])", json!([1, 2, 3])),
        ("$sort(data.lines, function($l, $r) { $l.price < $r.price }).price", json!([10, 2.5, 2.5])),
        ("$keys(data.issue.user)", json!(["login", "id", "site_admin"])),
        ("$lookup(data.issue.user, 'login')", json!("ann")),
        ("$string({'a': [1, 'x']})", json!("{\"a\":[1,\"x\"]}")),
        ("$string([data.issue.user.id, 2])", json!("[7,2]")),
        ("$number('12.50')", json!(12.5)),
        ("$formatNumber(1234.5, '#,##0.00')", json!("1,234.50")),
        ("$toMillis('2026-01-01T00:00:00.000Z')", json!(1_767_225_600_000_u64)),
        ("$fromMillis(1767225600000, '[Y0001]-[M01]-[D01]')", json!("2026-01-01")),
        ("$toMillis(received_at) < $toMillis('2027-01-01T00:00:00.000Z')", json!(true)),
        ("data.issue.state = null", json!(true)),
        ("data.issue.body ? 'some' : 'none'", json!("none")),
        ("data.issue.assignees ? 'some' : 'none'", json!("none")),
        (
            "( $who := data.issue.user; { 'name': $who.login, 'again': [$who.id, $who.id] } )",
            json!({"name": "ann", "again": [7, 7]}),
        ),
        ("( $f := function($n) { $n <= 1 ? 1 : $n * $f($n - 1) }; $f(5) )", json!(120)),
        ("( $f := function($n, $s) { $n = 0 ? $s : $f($n - 1, $s + $n) }; $f(1000, 0) )", json!(500_500)),
        ("( $twice := function($g) { function($x) { $g($g($x)) } }; $twice(function($x) { $x * 3 })(2) )", json!(18)),
        ("( $up := $trim ~> $uppercase; $up('  hi ') )", json!("HI")),
        ("( $add := function($a, $b) { $a + $b }; $three := $add(3, ?); $three(4) )", json!(7)),
        ("data.issue.user ~> |$|{'login': 'x'}, 'id'|", json!({"login": "x", "site_admin": false})),
        ("data ~> |lines|{'sum': price * quantity}| ~> $lookup('lines') ~> $count", json!(3)),
        ("data.lines@$l.issue.labels[p = $l.quantity].name", json!(["urgent", "bug"])),
        ("data.lines#$i[$i = 1].sku", json!("B-2")),
        ("**.login", json!("ann")),
        ("data.issue.user.*", json!(["ann", 7, false])),
        ("data.lines.%.action", json!(["opened", "opened", "opened"])),
        ("$$.type & '/' & $.source", json!("issues/github")),
        ("[1..3]", json!([1, 2, 3])),
        ("[1..3].($ * 2)", json!([2, 4, 6])),
        ("[1, 2][1]", json!(2)),
        ("{'a': 1}.a", json!(1)),
        ("($x := [1, 2]; $x[0])", json!(1)),
        ("[data.issue.number][]", json!([42])),
        ("[data.lines.sku]", json!(["A-1", "B-2", "A-1"])),
        ("[[data.lines.sku]]", json!([["A-1", "B-2", "A-1"]])),
        ("$count([[1, 2], [3]])", json!(2)),
        ("[1, 2] = [1, 2]", json!(true)),
        ("{'a': [1]} = {'a': [1]}", json!(true)),
        ("[] = []", json!(true)),
        ("data.none ?? 'default'", json!("default")),
        ("data.issue.body ?: 'default'", json!("default")),
        ("data.issue.body.$length()", json!(0)),
        ("$type(data.lines)", json!("array")),
        ("-data.issue.number % 5", json!(-2)),
        ("9007199254740993", json!(9_007_199_254_740_992_u64)),
        ("1e300 * 10", json!(1e301)),
        ("0.1 + 0.2", json!(0.30000000000000004)),
        ("$uppercase('straße') & '\\u00e9\"\\n'", json!("STRASSEé\"\n")),
        ("data", envelope()["data"].clone()),
        ("nothing.at.all", json!(null)),
    ]
}

#[test]
fn expressions_mean_what_the_language_says() {
    for (text, expected) in table() {
        let result = evaluate(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(result.unwrap_or(Value::Null), expected, "{text}");
    }
}

#[test]
fn checks_do_not_change_the_meaning() {
    let root = Root::from_value(envelope());
    for (text, _) in table() {
        let untouched = parser::parse(text).expect(text);
        let expected = Evaluator::new().evaluate(&untouched, &root.value).expect(text);
        let expected = result::to_json(&expected, &Limits::default()).expect(text);
        let ours = Expression::compile(text).and_then(|expression| expression.evaluate(&root, &moment()));
        assert_eq!(ours, Ok(expected), "{text}");
    }
}

#[test]
fn truth_is_the_languages_own() {
    let root = Root::from_value(envelope());
    for (text, expected) in [
        ("true", true),
        ("data.action = 'opened'", true),
        ("data.issue.labels", true),
        ("'false'", true),
        ("1", true),
        ("[0, 1]", true),
        ("data.missing.entirely", false),
        ("data.actoin = 'opened'", false),
        ("null", false),
        ("0", false),
        ("''", false),
        ("[]", false),
        ("[0, '']", false),
        ("{}", false),
        ("function($x) { $x }", false),
    ] {
        let expression = Expression::compile(text).expect(text);
        assert_eq!(expression.is_true(&root, &moment()), Ok(expected), "{text}");
    }
}

#[test]
fn time_and_chance_come_from_outside() {
    assert_eq!(evaluate("$millis()"), Ok(Some(json!(1_767_225_600_123_u64))));
    assert_eq!(evaluate("$now()"), Ok(Some(json!("2026-01-01T00:00:00.123Z"))));
    assert_eq!(evaluate("$now('[Y0001]/[M01]')"), Ok(Some(json!("2026/01"))));
    assert_eq!(evaluate("$now('[H01]', '+0200')"), Ok(Some(json!("02"))));
    assert_eq!(evaluate("$map([1], $millis)"), Ok(Some(json!(1_767_225_600_123_u64))));
    let drawn = evaluate("[$random(), $random()]").expect("numbers");
    assert_eq!(evaluate("[$random(), $random()]"), Ok(drawn.clone()), "one seed, one sequence");
    let drawn: Vec<f64> = serde_json::from_value(drawn.expect("numbers")).expect("numbers");
    assert!(drawn.iter().all(|unit| (0.0..1.0).contains(unit)) && drawn[0] != drawn[1]);
    let shuffled = evaluate("$shuffle([1..9])").expect("an array");
    assert_eq!(evaluate("$shuffle([1..9])"), Ok(shuffled.clone()));
    assert_ne!(shuffled, Some(json!([1, 2, 3, 4, 5, 6, 7, 8, 9])));
    assert_eq!(evaluate("$sort($shuffle([1..9]))"), Ok(Some(json!([1, 2, 3, 4, 5, 6, 7, 8, 9]))));
}

#[test]
fn mistakes_are_told_with_their_place_and_a_hint() {
    for (text, code, shown) in [
        ("data.action == 'x'", "expression_syntax", "line 1, column 14: "),
        ("data.action == 'x'", "expression_syntax", "(equality is written with one =)"),
        ("a && b", "expression_syntax", "(write `and`)"),
        ("data.\n  issue[\n", "expression_syntax", "line 3, column 1: the expression ends too early"),
        ("{ 'a': 1,\n  'b' 2 }", "expression_syntax", "line 2, column 7: "),
        ("foo bar", "expression_syntax", "line 1, column 5: "),
        ("", "expression_syntax", "line 1, column 1: the expression ends too early"),
        ("'abc", "expression_syntax", "must be terminated"),
        (
            "data.x & $upercase(y)",
            "expression_refused",
            "line 1, column 10: there is no function $upercase (did you mean $uppercase?)",
        ),
        (
            "$customer.id",
            "expression_refused",
            "there is no variable $customer (fields are written without the $: customer)",
        ),
        ("$eval('1')", "expression_refused", "$eval is not available"),
        ("$map(['1'], $eval)", "expression_refused", "$eval is not available"),
        ("($string := 5; $string)", "expression_refused", "$string is a built-in function"),
        ("$split(?, ',')", "expression_refused", "cannot be applied in part (write function($x){ $split($x, …) })"),
        ("$match('a', /(a{1000}){1000}/)", "expression_refused", "regular expression is too large"),
        ("$contains('a', /(?=a)/)", "expression_refused", "look-around and back-references are not available"),
        ("$contains('a', /(/)", "expression_refused", "Invalid regex"),
    ] {
        let error = Expression::compile(text).expect_err(text);
        assert_eq!(error.code(), code, "{text}: {error}");
        assert!(error.to_string().contains(shown), "{text}: {error}");
    }
}

#[test]
fn failures_carry_the_languages_own_code() {
    for (text, shown) in [
        ("'a' + 1", "T2001"),
        ("$number('x')", "D3030"),
        ("$error('own words')", "own words"),
        ("$assert(false, 'not so')", "not so"),
        ("$trim", "the result holds a function"),
        ("{ 'f': $trim }", "the result holds a function"),
    ] {
        let error = evaluate(text).expect_err(text);
        assert_eq!(error.code(), "expression_failed", "{text}: {error}");
        assert!(error.to_string().contains(shown), "{text}: {error}");
    }
    let long = format!("$error('{}')", "x".repeat(10_000));
    assert!(evaluate(&long).expect_err("an error").message.len() < 600);
}

#[test]
fn roots_that_are_no_json_are_told() {
    let deep = "[".repeat(200) + &"]".repeat(200);
    for text in ["", "{", "\u{0}", "nul", &deep] {
        let error = Root::parse(text.as_bytes()).err().unwrap_or_else(|| panic!("{text} was read"));
        assert_eq!(error.code(), "expression_root");
    }
    let root = Root::parse(br#"{"a":1,"a":2,"b":"\ud83d\ude00"}"#).expect("JSON");
    let result = Expression::compile("a & b").and_then(|expression| expression.evaluate(&root, &moment()));
    assert_eq!(result, Ok(Some(Bytes::from("\"2😀\""))));
}

#[test]
fn what_loops_or_is_large_is_not_quick() {
    for (text, quick) in [("data.action = 'x'", true), ("{ 'a': b.c & 'd' }", true), ("$map(a, $string)", false)] {
        let expression = Expression::compile(text).expect(text);
        assert_eq!(expression.is_quick(QUICK_ROOT_BYTES_MAX), quick, "{text}");
        assert!(!expression.is_quick(QUICK_ROOT_BYTES_MAX + 1));
    }
}

#[test]
fn a_panic_of_the_library_is_an_error_of_one_event() {
    let error = unbroken(|| -> () { panic!("a mistake") }).expect_err("a panic");
    assert_eq!(error.code(), "expression_failed");
}

#[test]
fn any_heap_of_words_compiles_or_is_refused_at_a_place_within() {
    const WORDS: &[&str] = &[
        "data",
        "issue",
        "$x",
        "$",
        "$$",
        "%",
        "*",
        "**",
        ".",
        "..",
        "[",
        "]",
        "(",
        ")",
        "{",
        "}",
        ":",
        ":=",
        ",",
        ";",
        "'a'",
        "\"b",
        "1",
        "-",
        "+",
        "&",
        "=",
        "!=",
        "<",
        "and",
        "or",
        "in",
        "?",
        "??",
        "?:",
        "~>",
        "^(",
        "|",
        "@$i",
        "#$j",
        "/a+/i",
        "/(",
        "function($x)",
        "$map(",
        "$split(",
        "$sum",
        "λ($y)",
        "`q`",
        "true",
        "null",
        "\n",
        "é",
        "/*",
    ];
    let entropy = SeededEntropy::new(11);
    let draw = |below: usize| (entropy.unit() * below as f64) as usize;
    let root = Root::from_value(envelope());
    let mut accepted = 0;
    for _ in 0..20_000 {
        let text: String = (0..1 + draw(12)).map(|_| WORDS[draw(WORDS.len())].to_owned() + " ").collect();
        match Expression::compile(&text) {
            Ok(expression) => {
                accepted += 1;
                let failed = expression.evaluate(&root, &moment()).err();
                assert!(failed.is_none_or(|error| error != ExpressionError::broken()), "{text}");
            }
            Err(error) => {
                assert_ne!(error, ExpressionError::broken(), "{text}");
                let lines: Vec<&str> = text.split('\n').collect();
                let within = |place: Place| place.column <= lines[place.line - 1].chars().count() + 1;
                assert!(error.place.is_none_or(within), "{text}: {error}");
            }
        }
    }
    assert!(accepted > 100, "{accepted}");
}

#[test]
fn an_expression_is_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    let expression = Arc::new(Expression::compile("data.issue.number + 1").expect("an expression"));
    shared(&expression);
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let expression = Arc::clone(&expression);
            std::thread::spawn(move || expression.evaluate(&Root::from_value(envelope()), &moment()))
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().expect("no panic"), Ok(Some(Bytes::from("43"))));
    }
}
