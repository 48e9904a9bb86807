//! Expressions and events that are meant to take the gateway down: each ends in an error, in time and in memory.

use std::time::Duration;

use super::*;
use crate::clock::{Clock, SystemClock};

/// Longest time that any attack may take, on a loaded machine and without optimisation of our own code. Far above
/// the limit in [`Limits::time`], far below what any of them takes without its guard.
const ATTACK_TIME_MAX: Duration = Duration::from_secs(3);

/// Most memory that any attack may take beyond what the process had, in KiB.
const ATTACK_MEMORY_MAX_KIB: u64 = 128 * 1024;

/// A payload of some 8 MB that makes innocent expressions expensive.
fn hostile_root() -> Root {
    let items: Vec<Value> = (0..20_000).map(|n| json!({"n": n.to_string()})).collect();
    Root::from_value(json!({
        "items": items,
        "letters": "x".repeat(1_000_000),
        "commas": ",".repeat(5_000_000),
        "digits": "9".repeat(1_000_000),
        "width": 1_000_000_000,
        "picture": "#".repeat(100_000),
    }))
}

/// The most memory this process ever had.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("the kernel tells");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line of it");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

fn attack(text: &str, root: &Root) -> Result<Option<Bytes>, ExpressionError> {
    let clock = SystemClock::new();
    let before = peak_kib();
    let result = Expression::compile(text).and_then(|expression| expression.evaluate(root, &moment()));
    assert!(clock.monotonic() < ATTACK_TIME_MAX, "{text}: {:?}", clock.monotonic());
    let grown = peak_kib() - before;
    assert!(grown < ATTACK_MEMORY_MAX_KIB, "{text}: {grown} KiB");
    result
}

#[test]
fn hostile_expressions_end_in_an_error() {
    let nested = |open: &str, close: &str| open.repeat(3_000) + "1" + &close.repeat(3_000);
    let doubling = |step: &str| format!("( $x := [1, 1]; {} $x )", step.repeat(40));
    let root = hostile_root();
    for text in [
        // Time
        "( $f := function($n) { $f($n + 1) }; $f(0) )",
        "( $f := function($n) { $f($n + 1) + 1 }; $f(0) )",
        "( $f := function($g) { $g($g) }; $f($f) )",
        "$map(items, function($a) { $map(items, function($b) { $a.n & $b.n }) })",
        "$reduce(items, function($a, $b) { $count(items[n = $b.n]) + $a }, 0)",
        "items.($$.items.($$.items.n))",
        "items.($string($$))",
        "items.{ 'all': $$.items.n }",
        // Length
        "[1..10000000]",
        "$sum([1..10000000])",
        "[1..1000].[1..1000].[1..1000]",
        "[[1..90000], [1..90000]].([1..90000])",
        // Text
        "$pad('x', 1000000000)",
        "$pad('x', -1000000000, '-+')",
        "$map([1000000000], function($n) { $pad('x', $n) })",
        "( $p := $pad; $p('x', 1000000000) )",
        "'x' ~> $pad(1000000000)",
        "$reduce([1..40], function($a, $b) { $a & $a }, 'xxxxxxxxxx')",
        &format!("( $x := letters; {} $length($x) )", "$x := $x & $x;".repeat(30)),
        "$replace(letters, 'x', letters)",
        "$replace(letters, /x/, letters)",
        "letters.$replace('x', $$.letters)",
        "$join(items.n, letters)",
        "items.n ~> $join($$.letters)",
        "$split(letters, '')",
        "letters.$split('')",
        "$map([letters], $split(?, ''))",
        "$string([items, items, items, items, items, items, items, items, items, items, items, items, items, items])",
        // Values that share their parts
        &doubling("$x := [$x, $x];"),
        &doubling("$x := { 'a': $x, 'b': $x };"),
        &doubling("$x := $zip($x, $x);"),
        &doubling("$x := $append([$x], [$x]);"),
        &doubling("$x := $map([1, 2], function($i) { $x });"),
        &doubling("$x := $merge([{ 'a': $x }, { 'b': $x }]);"),
        &doubling("$x := ($x ~> function($y) { [$y, $y] });"),
        &format!("( $x := {{ 'k': 1 }}; {} $x )", "$x := $x ~> |$|{ 'a': $x, 'b': $x }|;".repeat(40)),
        &("$".to_owned() + &".([[$, $]])".repeat(40)),
        "$string($reduce([1..60], function($a, $b) { [$a, $a] }, 1))",
        "$reduce([1..60], function($a, $b) { [$a, $a] }, 1) = $reduce([1..60], function($a, $b) { [$a, $a] }, 1)",
        "( $f := function($n, $x) { $n = 0 ? $x : $f($n - 1, [$x, $x]) }; $count($f(60, 1).**) )",
        "$reduce([1..100000], function($a, $b) { { 'a': $a } }, 1)",
        "$.{'a': $, 'b': $}.{'a': $, 'b': $}.{'a': $, 'b': $}.{'a': $, 'b': $}",
        // Patterns
        "$contains(letters, /(x{100}){100}y/)",
        "$contains(letters, /(x+x+)+y{100}/)",
        "$match(letters, /x/)",
        "$split(letters, /x?/)",
        "$match(letters, /(((((x{9}){9}){9}){9}){9}){9}/)",
        // Work of one call
        "$distinct(items)",
        "items ~> $distinct",
        "$map([[items]], $distinct)",
        "$formatNumber(1, picture)",
        "$formatInteger(1, picture)",
        "$toMillis('1', picture)",
        // The text itself
        &nested("(", ")"),
        &nested("[", "]"),
        &nested("-", ""),
        &("1".to_owned() + &"+1".repeat(5_000)),
        &"x".repeat(TEXT_BYTES_MAX + 1),
        "$eval('$' & 'eval(1)')",
    ] {
        let error = attack(text, &root).err().unwrap_or_else(|| panic!("{:.200} passed", text));
        let known = ["expression_limit", "expression_refused", "expression_syntax", "expression_failed"];
        assert!(known.contains(&error.code()), "{text}: {error}");
    }
}

/// An order that contradicts itself ends after some comparisons; whether they are within the limits is the machine's to say.
#[test]
fn an_order_without_order_ends_either_way() {
    let ended = attack("$sort(items, function($a, $b) { $count(items) > 0 })", &hostile_root());
    assert!(ended.is_ok() || ended.is_err_and(|error| error.code() == "expression_limit"));
}

#[test]
fn innocent_expressions_survive_hostile_events() {
    let root = hostile_root();
    for (text, code) in [
        ("$pad('x', width)", Some("expression_limit")),
        ("$split(commas, ',')", Some("expression_limit")),
        ("commas.$split(',')", Some("expression_limit")),
        ("$distinct(items.n)", Some("expression_limit")),
        ("$contains(letters, /^[^@]+@[^@]+$/)", Some("expression_limit")),
        ("$number(digits)", Some("expression_failed")),
        ("$join(items.n, ',')", None),
        ("$count(items)", None),
        ("$length(commas)", None),
        ("$uppercase(letters) & '!'", None),
        ("$contains(letters, 'xyz')", None),
        ("items[n = '19999']", None),
        ("$count(**)", None),
        ("$split(letters, ',')", None),
    ] {
        assert_eq!(attack(text, &root).err().map(|error| error.code()), code, "{text}");
    }
}

#[test]
fn results_are_bounded() {
    let root = hostile_root();
    for text in ["[$$, $$]", "{ 'a': commas, 'b': commas }"] {
        let error = attack(text, &root).expect_err(text);
        assert_eq!(error.code(), "expression_limit", "{text}: {error}");
        assert!(error.to_string().contains("a result of more than 8388608 bytes"), "{error}");
    }
}
