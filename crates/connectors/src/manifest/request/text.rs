//! Values as Python prints them, because that is what APIs were tried with: `True`, `None`, `1.0`, `['a']`; and the
//! query or form that a mapping of them becomes.

use std::fmt::Write as _;

use serde_json::{Map, Number, Value as Json};

use super::super::trouble::Trouble;
use super::address::query_of;

/// Most pairs in one query or form.
const PAIRS_MAX: usize = 10_000;

/// `str(value)`.
#[must_use]
pub fn python_text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => {
            let mut out = String::new();
            print(&mut out, other);
            out
        }
    }
}

/// `repr(value)`, appended.
fn print(out: &mut String, value: &Json) {
    match value {
        Json::Null => out.push_str("None"),
        Json::Bool(true) => out.push_str("True"),
        Json::Bool(false) => out.push_str("False"),
        Json::Number(number) => out.push_str(&number_text(number)),
        Json::String(text) => print_quoted(out, text),
        Json::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { ", " });
                print(out, item);
            }
            out.push(']');
        }
        Json::Object(fields) => {
            out.push('{');
            for (at, (name, value)) in fields.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { ", " });
                print_quoted(out, name);
                out.push_str(": ");
                print(out, value);
            }
            out.push('}');
        }
    }
}

fn number_text(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => float_text(float),
        _ => number.to_string(),
    }
}

/// The shortest digits that read back the same; positional from 1e-4 up to 1e16, as Python has it.
fn float_text(float: f64) -> String {
    let scientific = format!("{float:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let text = format!("{float}");
        return if text.contains('.') { text } else { format!("{text}.0") };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

fn print_quoted(out: &mut String, text: &str) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => {
                let _ = write!(out, "\\x{:02x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push(quote);
}

/// The pairs of a query or a form: nulls left out, a list's items one by one under the same name.
pub fn pairs(fields: &Map<String, Json>) -> Result<Vec<(String, String)>, Trouble> {
    let mut pairs = Vec::new();
    for (name, value) in fields {
        match value {
            Json::Null => {}
            Json::Object(_) => return Err(Trouble::ObjectParameter { name: name.clone() }),
            Json::Array(items) => items.iter().for_each(|item| spread(&mut pairs, name, item)),
            other => pairs.push((name.clone(), python_text(other))),
        }
        if pairs.len() > PAIRS_MAX {
            return Err(Trouble::TooLarge { what: "list of parameters", bytes: pairs.len(), limit: PAIRS_MAX });
        }
    }
    Ok(pairs)
}

/// An item of a list; a list in it is spread too, an object gives its names.
fn spread(pairs: &mut Vec<(String, String)>, name: &str, item: &Json) {
    match item {
        Json::Null => {}
        Json::Array(items) => pairs.extend(items.iter().map(|item| (name.to_owned(), python_text(item)))),
        Json::Object(fields) => pairs.extend(fields.keys().map(|key| (name.to_owned(), key.clone()))),
        other => pairs.push((name.to_owned(), python_text(other))),
    }
}

/// Without the parameters that the URL has already, with the same value: a link to the next page often repeats them.
pub fn without_known(mut pairs: Vec<(String, String)>, fields: &Map<String, Json>, url: &str) -> Vec<(String, String)> {
    let known = query_of(url);
    let is_known = |name: &str| {
        let value = fields.get(name).map(python_text);
        known.iter().any(|(own, text)| own == name && Some(text) == value.as_ref())
    };
    if !known.is_empty() {
        pairs.retain(|(name, _)| !is_known(name));
    }
    pairs
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_printed_as_python_prints_them() {
        let table = [
            (json!(null), "None"),
            (json!(true), "True"),
            (json!("it's"), "it's"),
            (json!(5), "5"),
            (json!(-1.0), "-1.0"),
            (json!(0.1), "0.1"),
            (json!(1e15), "1000000000000000.0"),
            (json!(1e16), "1e+16"),
            (json!(1.5e-5), "1.5e-05"),
            (json!(0.0001), "0.0001"),
            (json!(1e300), "1e+300"),
            (json!(["a", 1, null, false]), "['a', 1, None, False]"),
            (json!({"a": {"b": "it's"}}), "{'a': {'b': \"it's\"}}"),
            (json!(["a'\"b", "x\ny\u{1}", "ü\\"]), "['a\\'\"b', 'x\\ny\\x01', 'ü\\\\']"),
        ];
        for (value, expected) in table {
            assert_eq!(python_text(&value), expected);
        }
    }

    #[test]
    fn a_mapping_becomes_pairs_without_nulls_and_with_lists_spread() {
        let fields = json!({"a": null, "b": ["x", null, 2, [3, 4], {"k": 1}], "c": true, "d": 1.0, "e": [], "f": ""});
        let Json::Object(fields) = fields else { unreachable!() };
        let pairs = pairs(&fields).expect("nothing in it is an object");
        let text: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(text.join("&"), "b=x&b=2&b=3&b=4&b=k&c=True&d=1.0&f=");
    }

    #[test]
    fn an_object_is_no_parameter() {
        let Json::Object(fields) = json!({"a": {"b": 1}}) else { unreachable!() };
        assert_eq!(pairs(&fields), Err(Trouble::ObjectParameter { name: "a".to_owned() }));
    }

    #[test]
    fn a_parameter_that_the_url_has_with_the_same_value_is_left_out() {
        let Json::Object(fields) = json!({"a": 1, "b": "2", "c": ["3"], "d": ""}) else { unreachable!() };
        let pairs = pairs(&fields).expect("no objects");
        let left = without_known(pairs, &fields, "https://h/x?a=1&b=3&c=3&d=");
        let names: Vec<&str> = left.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["b", "c", "d"]);
    }
}
