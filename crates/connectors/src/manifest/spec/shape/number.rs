//! Bounds of numbers.

use serde_json::{Map, Number, Value as Json};

/// Tells what is wrong with a number.
pub(super) fn check(schema: &Map<String, Json>, number: &Number, mut tell: impl FnMut(String)) {
    let Some(value) = number.as_f64() else { return };
    let bound = |keyword: &str| schema.get(keyword).and_then(Json::as_f64);
    for (keyword, words) in [("minimum", "at least"), ("exclusiveMinimum", "more than")] {
        if let Some(least) = bound(keyword)
            && (value < least || keyword == "exclusiveMinimum" && value <= least)
        {
            tell(format!("must be {words} {}", schema[keyword]));
        }
    }
    for (keyword, words) in [("maximum", "at most"), ("exclusiveMaximum", "less than")] {
        if let Some(most) = bound(keyword)
            && (value > most || keyword == "exclusiveMaximum" && value >= most)
        {
            tell(format!("must be {words} {}", schema[keyword]));
        }
    }
    if let Some(step) = bound("multipleOf").filter(|step| *step > 0.0)
        && (value / step).fract() != 0.0
    {
        tell(format!("must be a multiple of {}", schema["multipleOf"]));
    }
}

/// A keyword that says how many there may be.
pub(super) fn limit(schema: &Map<String, Json>, keyword: &str) -> Option<usize> {
    schema.get(keyword)?.as_u64()?.try_into().ok()
}
