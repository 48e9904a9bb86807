//! Expressions of the owner over payloads of strangers: whatever both are, an evaluation ends within its limits.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use bolero::check;
use domain::Timestamp;
use engine::entropy::SeededEntropy;
use engine::expression::{Expression, Limits, Moment, Root};

use crate::mutation::{Edit, Tally, damaged, effort};

const EXPRESSIONS: [&str; 14] = [
    "data.action = 'opened'",
    "{ 'number': data.issue.number, 'all': $sum(data.items.price) }",
    "data.items[price > 10].{ 'name': $uppercase(name), 'n': $position }",
    "$map(data.items, function($v, $i) { $v.price * $i })",
    "$reduce(data.items.price, function($a, $b) { $a + $b })",
    "( $f := function($n) { $n <= 1 ? 1 : $n * $f($n - 1) }; $f(10) )",
    "$match(data.title, /([a-z]+)-([0-9]*)/)",
    "$replace(data.title, /a+/, 'b')",
    "data.items^(>price).name",
    "$merge([data, { 'x': [1..100] }])",
    "data.** ~> $count()",
    "$join($split(data.title, ''), '-')",
    "$string($$) & $pad('x', 100)",
    "$sort($keys(data)) ~> $distinct() ~> $reverse()",
];
const ROOT: &str = r#"{"id":"evt_1","type":"x","data":{"action":"opened","title":"abc-123","issue":{"number":7},"items":[{"name":"a","price":3},{"name":"b","price":30.5},{"price":-1e3}]}}"#;

fn moment() -> Moment {
    let limits = Limits {
        time: Duration::from_millis(20),
        depth: 200,
        sequence: 10_000,
        value_bytes: 256 * 1024,
        result_bytes: 64 * 1024,
    };
    Moment { now: Timestamp::EPOCH, entropy: std::sync::Arc::new(SeededEntropy::new(1)), limits }
}

#[test]
fn expressions_and_roots_of_any_kind() {
    let (compiled, evaluated) = (Tally::default(), Tally::default());
    let moment = AssertUnwindSafe(moment());
    let look = |text: &str, root: &[u8]| {
        let expression = Expression::compile(text);
        compiled.note(expression.is_ok());
        let Ok(expression) = expression else { return };
        let Ok(root) = Root::parse(root) else { return };
        let result = expression.evaluate(&root, &moment);
        evaluated.note(result.is_ok());
        if let Ok(Some(bytes)) = result {
            assert!(bytes.len() <= moment.limits.result_bytes, "{text:?} made {} bytes", bytes.len());
            assert!(serde_json::from_slice::<serde_json::Value>(&bytes).is_ok(), "{text:?} made no JSON");
        }
        let _ = expression.is_true(&root, &moment);
    };
    // Each end once for certain: damage alone may lead to one of them only.
    for text in EXPRESSIONS.iter().copied().chain(["(", "1 + 'a'"]) {
        look(text, ROOT.as_bytes());
    }
    let look = AssertUnwindSafe(look);
    let (time, inputs) = effort(3_000);
    check!().with_test_time(time).with_iterations(inputs).with_type::<(u8, Vec<Edit>, Vec<Edit>)>().for_each(
        |(pick, text, root)| {
            let seed = EXPRESSIONS[usize::from(*pick) % EXPRESSIONS.len()];
            let text = damaged(seed.as_bytes(), &text[..text.len().min(3)]);
            (*look)(&String::from_utf8_lossy(&text), &damaged(ROOT.as_bytes(), &root[..root.len().min(2)]));
        },
    );
    compiled.check("expressions compiled");
    evaluated.check("expressions evaluated");
}
