//! Regular expressions: Python's notation put into that of an engine whose time is linear in the text. What such an
//! engine cannot do (looking around, references back) is refused in so many words.

use std::sync::{Arc, OnceLock};

use regex::{Regex, RegexBuilder};

use super::fault::{Eval, Fault};

/// The compiled size that an expression may have.
const SIZE_MAX: usize = 1 << 20;
/// The longest expression that is read.
const PATTERN_BYTES_MAX: usize = 8 << 10;

/// A constant expression of a template, compiled when it is first used.
#[derive(Debug, Clone, Default)]
pub(crate) struct PatternCell(Arc<OnceLock<Result<Regex, Box<Fault>>>>);

/// The compiled expression, out of the cell where there is one.
pub(crate) fn compiled(pattern: &str, cell: Option<&PatternCell>) -> Eval<Regex> {
    match cell {
        Some(cell) => cell.0.get_or_init(|| compile(pattern)).clone(),
        None => compile(pattern),
    }
}

fn compile(pattern: &str) -> Eval<Regex> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(Fault::limit(format!("has a regular expression of more than {PATTERN_BYTES_MAX} bytes")));
    }
    let translated = translate(pattern)?;
    RegexBuilder::new(&translated)
        .size_limit(SIZE_MAX)
        .build()
        .map_err(|_| Fault::value(format!("has the regular expression {pattern:?}, which cannot be read")))
}

fn refuse(pattern: &str, what: &str) -> Box<Fault> {
    Fault::unsupported(format!(
        "has the regular expression {pattern:?} with {what}, which a search in linear time cannot do: write it without"
    ))
}

/// The same expression in the engine's notation.
fn translate(pattern: &str) -> Eval<String> {
    let characters: Vec<char> = pattern.chars().collect();
    let mut text = String::with_capacity(pattern.len() + 8);
    let mut at = 0;
    while at < characters.len() {
        at = match characters[at] {
            '\\' => escape(pattern, &characters, at + 1, false, &mut text)?,
            '[' => class(pattern, &characters, at + 1, &mut text)?,
            '(' if characters.get(at + 1) == Some(&'?') => group(pattern, &characters, at, &mut text)?,
            '{' => repetition(&characters, at, &mut text),
            '}' => push(&mut text, "\\}", at + 1),
            '*' | '+' | '?' if text.ends_with(['*', '+', '?']) && characters[at] == '+' => {
                return Err(refuse(pattern, "a possessive repetition"));
            }
            other => {
                text.push(other);
                at + 1
            }
        };
    }
    Ok(text)
}

fn push(text: &mut String, translated: &str, next: usize) -> usize {
    text.push_str(translated);
    next
}

/// `{2}`, `{2,}`, `{,3}` or `{2,3}` repeats; any other brace is one.
fn repetition(characters: &[char], at: usize, text: &mut String) -> usize {
    let end = characters[at..].iter().position(|c| *c == '}').map(|length| at + length);
    let inner: String = end.map(|end| characters[at + 1..end].iter().collect()).unwrap_or_default();
    let mut bounds = inner.split(',');
    let digits = |bound: &str| bound.chars().all(|c| c.is_ascii_digit());
    let (low, high, more) = (bounds.next().unwrap_or(""), bounds.next(), bounds.next());
    let valid = more.is_none() && digits(low) && high.is_none_or(digits) && !(low.is_empty() && high.is_none());
    match end {
        Some(end) if valid && !text.is_empty() => {
            let low = if low.is_empty() { "0" } else { low };
            text.push_str(&match high {
                None => format!("{{{low}}}"),
                Some(high) => format!("{{{low},{high}}}"),
            });
            end + 1
        }
        _ => push(text, "\\{", at + 1),
    }
}

fn group(pattern: &str, characters: &[char], at: usize, text: &mut String) -> Eval<usize> {
    let rest: String = characters[at + 2..].iter().take(3).collect();
    let refused = [
        ("=", "a look ahead"),
        ("!", "a look ahead"),
        ("<=", "a look behind"),
        ("<!", "a look behind"),
        (">", "an atomic group"),
        ("(", "a condition"),
        ("P=", "a reference back"),
    ];
    if let Some((_, what)) = refused.iter().find(|(start, _)| rest.starts_with(start)) {
        return Err(refuse(pattern, what));
    }
    if rest.starts_with('#') {
        let end = characters[at..].iter().position(|c| *c == ')');
        return end.map(|length| at + length + 1).ok_or_else(|| Fault::value("has a comment without end"));
    }
    text.push_str("(?");
    Ok(at + 2)
}

fn escape(pattern: &str, characters: &[char], at: usize, in_class: bool, text: &mut String) -> Eval<usize> {
    let Some(kind) = characters.get(at) else {
        return Err(Fault::value(format!("has the regular expression {pattern:?}, which ends in a backslash")));
    };
    let hex = |length: usize| -> Eval<usize> {
        let digits: String = characters[at + 1..].iter().take(length).collect();
        let valid = digits.len() == length && digits.chars().all(|c| c.is_ascii_hexdigit());
        if valid { Ok(at + 1 + length) } else { Err(Fault::value(format!("has a bad escape in {pattern:?}"))) }
    };
    match kind {
        'd' | 'D' | 's' | 'S' | 'w' | 'W' => {
            text.push('\\');
            text.push(*kind);
        }
        'b' | 'B' | 'A' if !in_class => {
            text.push('\\');
            text.push(*kind);
        }
        'Z' if !in_class => text.push_str("\\z"),
        'b' => text.push_str("\\x08"),
        'a' => text.push_str("\\x07"),
        'n' | 'r' | 't' | 'f' | 'v' => {
            text.push('\\');
            text.push(*kind);
        }
        'x' | 'u' | 'U' => {
            let end = hex(match kind {
                'x' => 2,
                'u' => 4,
                _ => 8,
            })?;
            let digits: String = characters[at + 1..end].iter().collect();
            text.push_str(&format!("\\x{{{digits}}}"));
            return Ok(end);
        }
        '0' => {
            let octal: String = characters[at..].iter().take(3).take_while(|c| matches!(c, '0'..='7')).collect();
            text.push_str(&format!("\\x{{{:x}}}", u32::from_str_radix(&octal, 8).unwrap_or_default()));
            return Ok(at + octal.len());
        }
        '1'..='9' => return Err(refuse(pattern, "a reference back")),
        c if c.is_ascii_alphabetic() => {
            return Err(Fault::value(format!("has the regular expression {pattern:?} with the escape \\{c}")));
        }
        c => text.push_str(&regex::escape(&c.to_string())),
    }
    Ok(at + 1)
}

/// A class of characters, in which the engine has operators that Python has not.
fn class(pattern: &str, characters: &[char], start: usize, text: &mut String) -> Eval<usize> {
    text.push('[');
    let mut at = start;
    if characters.get(at) == Some(&'^') {
        text.push('^');
        at += 1;
    }
    let first = at;
    while let Some(character) = characters.get(at) {
        at = match character {
            ']' if at > first => {
                text.push(']');
                return Ok(at + 1);
            }
            '\\' => escape(pattern, characters, at + 1, true, text)?,
            '[' | ']' | '&' | '~' | '^' => {
                text.push('\\');
                text.push(*character);
                at + 1
            }
            '-' if is_literal_dash(characters, first, at) => push(text, "\\-", at + 1),
            other => {
                text.push(*other);
                at + 1
            }
        };
    }
    Err(Fault::value(format!("has the regular expression {pattern:?} with a class that does not end")))
}

/// A dash at either end of a class, or next to a class of its own, is one.
fn is_literal_dash(characters: &[char], first: usize, at: usize) -> bool {
    let after_class = at >= 2 && characters[at - 2] == '\\' && "dDsSwW".contains(characters[at - 1]);
    at == first || after_class || matches!(characters.get(at + 1), Some(']' | '-') | None)
}

/// What a replacement template of `re.sub` gives for one match.
pub(crate) fn expanded(template: &str, captures: &regex::Captures<'_>, text: &mut String) -> Eval<()> {
    let mut rest = template;
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        let tail = &rest[at + 1..];
        let kind =
            tail.chars().next().ok_or_else(|| Fault::value("replaces with a template that ends in a backslash"))?;
        rest = &tail[kind.len_utf8()..];
        match kind {
            'g' => {
                let name = rest.strip_prefix('<').and_then(|inner| inner.split_once('>'));
                let (name, after) = name.ok_or_else(|| Fault::value("replaces with a group without name"))?;
                text.push_str(group_text(captures, name)?);
                rest = after;
            }
            '0' => {
                let digits = rest.bytes().take(2).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
                let code = u32::from_str_radix(&rest[..digits], 8).unwrap_or_default();
                text.extend(char::from_u32(code));
                rest = &rest[digits..];
            }
            '1'..='9' => {
                let more = rest.bytes().take(1).take_while(u8::is_ascii_digit).count();
                text.push_str(group_text(captures, &tail[..1 + more])?);
                rest = &rest[more..];
            }
            'n' => text.push('\n'),
            'r' => text.push('\r'),
            't' => text.push('\t'),
            'f' => text.push('\u{c}'),
            'v' => text.push('\u{b}'),
            'a' => text.push('\u{7}'),
            'b' => text.push('\u{8}'),
            '\\' => text.push('\\'),
            c if c.is_ascii_alphabetic() => return Err(Fault::value(format!("replaces with the bad escape \\{c}"))),
            c => {
                text.push('\\');
                text.push(c);
            }
        }
    }
    text.push_str(rest);
    Ok(())
}

fn group_text<'c>(captures: &'c regex::Captures<'_>, name: &str) -> Eval<&'c str> {
    let fault = || Fault::value(format!("replaces with the group {name:?}, which there is not"));
    let found = match name.parse::<usize>() {
        Ok(index) if index >= captures.len() => return Err(fault()),
        Ok(index) => captures.get(index),
        Err(_) => captures.name(name),
    };
    Ok(found.map_or("", |found| found.as_str()))
}
