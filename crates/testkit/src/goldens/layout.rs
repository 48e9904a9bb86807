//! Goldens as text: one line per record and request, so that a change of one shows as one changed line.

use std::fmt::Write;

use serde_json::Value as Json;

/// Values longer than this are opened up, one entry per line.
const LINE: usize = 140;
/// From here down a value stays on its line however long it is: command, part, stream, record.
const DEPTH: usize = 4;

pub fn laid_out(value: &Json) -> String {
    let mut text = String::new();
    write(value, 0, &mut text);
    text.push('\n');
    text
}

fn write(value: &Json, depth: usize, text: &mut String) {
    let inline = value.to_string();
    if depth >= DEPTH || inline.len() + 2 * depth <= LINE {
        text.push_str(&inline);
        return;
    }
    match value {
        Json::Object(fields) => {
            let entries = fields.iter().map(|(key, value)| (Some(key.as_str()), value));
            write_entries(['{', '}'], entries, depth, text);
        }
        Json::Array(items) => write_entries(['[', ']'], items.iter().map(|item| (None, item)), depth, text),
        _ => text.push_str(&inline),
    }
}

fn write_entries<'a>(
    [open, close]: [char; 2],
    entries: impl Iterator<Item = (Option<&'a str>, &'a Json)>,
    depth: usize,
    text: &mut String,
) {
    text.push(open);
    for (index, (key, value)) in entries.enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let indent = "  ".repeat(depth + 1);
        let key = key.map(|key| format!("{}: ", Json::from(key))).unwrap_or_default();
        write!(text, "{comma}\n{indent}{key}").expect("a string takes every byte");
        write(value, depth + 1, text);
    }
    write!(text, "\n{}{close}", "  ".repeat(depth)).expect("a string takes every byte");
}
