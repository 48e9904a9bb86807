//! Where in the file a character of a text stands.

use crate::definition::tree::{Node, Span, Value};

/// A character of a text, if the text stands in the file as it is: in a block, or on one line without escapes.
pub(super) fn part_of(node: &Node, line: usize, column: usize) -> Option<Span> {
    let (Value::Text(text), Some(span)) = (&node.value, node.span) else { return None };
    if text.is_block() {
        let start = span.start + block_offset(text.as_str(), line, span.column);
        let line_span = Span { start, line: span.line + u32::try_from(line.checked_sub(1)?).ok()?, ..span };
        return character(line_span, text.as_str().lines().nth(line - 1)?, column);
    }
    let quotes = match (span.end - span.start).checked_sub(text.as_str().len())? {
        0 => 0,
        2 => 1,
        _ => return None,
    };
    if line != 1 || text.is_expanded() || text.as_str().contains('\n') {
        return None;
    }
    let inside = Span { start: span.start + quotes, column: span.column + u32::from(quotes == 1), ..span };
    character(inside, text.as_str(), column)
}

/// How far after its beginning a line of a block begins, which stands at `column` as its first line does. Lines
/// without text are not indented.
fn block_offset(text: &str, line: usize, column: u32) -> usize {
    let indent = column.saturating_sub(1) as usize;
    let before = text.lines().take(line.saturating_sub(1)).map(|before| before.len() + 1).sum::<usize>();
    let indented = text.lines().take(line).skip(1).filter(|line| !line.is_empty()).count();
    before + indented * indent
}

/// A character, from 1, of a line that begins at `span`.
fn character(span: Span, line: &str, column: usize) -> Option<Span> {
    let before = column.checked_sub(1)?;
    let start = span.start + line.chars().take(before).map(char::len_utf8).sum::<usize>();
    Some(Span { start, end: start + 1, line: span.line, column: span.column + u32::try_from(before).ok()? })
}
