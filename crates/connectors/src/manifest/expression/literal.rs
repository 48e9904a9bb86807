//! Python literals in rendered texts: what is one becomes the value it means, anything else stays the text it is.

use super::escapes;
use super::value::Value;

/// How deep brackets may nest before Python refuses to read them.
const NESTING_MAX: usize = 200;
/// The most digits that Python reads as one integer.
const DIGITS_MAX: usize = 4300;

/// The value of a text that is a literal as a whole.
pub(crate) fn read<'a>(text: &str) -> Option<Value<'a>> {
    let text = text.trim_start_matches([' ', '\t']);
    if !may_be_literal(text) {
        return None;
    }
    let mut reader = Reader { text, at: 0, depth: 0 };
    reader.leading_lines()?;
    let value = reader.tuple()?;
    reader.rest_is_empty().then_some(value)
}

/// Cheaply tells most texts from literals: dates, URLs, words.
fn may_be_literal(text: &str) -> bool {
    let bytes = text.as_bytes();
    match bytes.first() {
        // A date: two subtractions are no literal, and the most usual text that begins with a digit.
        Some(b'0'..=b'9') if bytes.len() >= 8 && bytes[4] == b'-' && bytes[7] == b'-' => {
            !bytes[..4].iter().all(u8::is_ascii_digit)
        }
        Some(b'0'..=b'9' | b'-' | b'+' | b'.') => true,
        Some(b'(' | b'[' | b'{' | b'\'' | b'"' | b'\n' | b'\r' | 0x0c) => true,
        Some(b'T' | b'F' | b'N' | b's') => ["True", "False", "None", "set"].iter().any(|word| text.starts_with(word)),
        Some(b'r' | b'R' | b'b' | b'B' | b'u' | b'U') => bytes.iter().take(3).any(|byte| matches!(byte, b'\'' | b'"')),
        _ => false,
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Blank lines and comment lines before the value; what then is indented is no literal.
    fn leading_lines(&mut self) -> Option<()> {
        let start = self.at;
        loop {
            let line = self.rest();
            let trimmed = line.trim_start_matches([' ', '\t', '\u{c}']);
            let skip = match trimmed.as_bytes().first() {
                Some(b'\n' | b'\r') => line.len() - trimmed.len() + 1,
                Some(b'#') if trimmed.contains('\n') => {
                    line.len() - trimmed.len() + trimmed.find('\n').unwrap_or(0) + 1
                }
                _ => break,
            };
            self.at += skip;
        }
        if self.peek() == Some(0x0c) {
            self.at += self.rest().len() - self.rest().trim_start_matches('\u{c}').len();
        }
        (self.at == start || !matches!(self.peek(), Some(b' ' | b'\t'))).then_some(())
    }

    /// Spaces, and inside of brackets line breaks and comments too.
    fn space(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' | 0x0c => self.at += 1,
                b'\n' | b'\r' if self.depth > 0 => self.at += 1,
                b'#' if self.depth > 0 => self.at += self.rest().find(['\n', '\r']).unwrap_or(self.rest().len()),
                b'\\' if self.rest()[1..].starts_with('\n') && self.rest().len() > 2 => self.at += 2,
                _ => return,
            }
        }
    }

    fn rest_is_empty(&mut self) -> bool {
        self.space();
        loop {
            let rest = self.rest().trim_start_matches([' ', '\t', '\u{c}', '\n', '\r']);
            let Some(comment) = rest.strip_prefix('#') else { return rest.is_empty() };
            let Some(end) = comment.find(['\n', '\r']) else { return true };
            self.at = self.text.len() - comment.len() + end;
        }
    }

    /// One value, or several with commas.
    fn tuple<'a>(&mut self) -> Option<Value<'a>> {
        let first = self.value()?;
        self.space();
        if self.peek() != Some(b',') {
            return Some(first);
        }
        let mut items = vec![first];
        while self.comma() {
            self.space();
            if self.peek().is_none_or(|byte| matches!(byte, b')' | b'#' | b'\n' | b'\r')) {
                break;
            }
            items.push(self.value()?);
        }
        Some(Value::Tuple(items.into()))
    }

    fn comma(&mut self) -> bool {
        self.space();
        let found = self.peek() == Some(b',');
        self.at += usize::from(found);
        found
    }

    fn value<'a>(&mut self) -> Option<Value<'a>> {
        self.space();
        match self.peek()? {
            b'(' => self.bracketed(b')'),
            b'[' => self.bracketed(b']'),
            b'{' => self.braced(),
            b'0'..=b'9' => self.number(),
            b'.' if self.rest().starts_with("...") => {
                self.at += 3;
                Some(Value::Ellipsis)
            }
            b'.' => self.number(),
            b'+' | b'-' => self.signed(),
            b'\'' | b'"' => self.texts(),
            b'r' | b'R' | b'b' | b'B' | b'u' | b'U' => self.texts(),
            _ => self.word(),
        }
    }

    fn word<'a>(&mut self) -> Option<Value<'a>> {
        let rest = self.rest();
        let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let value = match &rest[..length] {
            "True" => Value::Bool(true),
            "False" => Value::Bool(false),
            "None" => Value::None,
            "set" => {
                self.at += length;
                self.space();
                return self.empty_call();
            }
            _ => return None,
        };
        self.at += length;
        Some(value)
    }

    /// `set()`, the one call that is a literal.
    fn empty_call<'a>(&mut self) -> Option<Value<'a>> {
        if self.peek() != Some(b'(') {
            return None;
        }
        self.at += 1;
        self.depth += 1;
        self.space();
        self.depth -= 1;
        if self.peek() != Some(b')') {
            return None;
        }
        self.at += 1;
        Some(Value::Set([].into()))
    }

    fn signed<'a>(&mut self) -> Option<Value<'a>> {
        let negative = self.peek() == Some(b'-');
        self.at += 1;
        self.space();
        if self.peek() == Some(b'(') {
            // A number in parentheses may still have a sign in front.
            let value = self.bracketed(b')')?;
            return signed(value, negative);
        }
        if !matches!(self.peek(), Some(b'0'..=b'9' | b'.')) {
            return None;
        }
        let value = self.number()?;
        signed(value, negative)
    }

    fn open(&mut self) -> Option<()> {
        self.at += 1;
        self.depth += 1;
        self.space();
        (self.depth <= NESTING_MAX).then_some(())
    }

    fn close(&mut self, close: u8) -> Option<()> {
        self.space();
        if self.peek() != Some(close) {
            return None;
        }
        self.at += 1;
        self.depth -= 1;
        Some(())
    }

    /// A list, a tuple, or a value in parentheses.
    fn bracketed<'a>(&mut self, close: u8) -> Option<Value<'a>> {
        self.open()?;
        let mut items = Vec::new();
        let mut commas = 0;
        while self.peek() != Some(close) {
            items.push(self.value()?);
            if !self.comma() {
                break;
            }
            commas += 1;
            self.space();
        }
        self.close(close)?;
        match close {
            b']' => Some(Value::list(items)),
            _ if commas == 0 && items.len() == 1 => items.pop(),
            _ => Some(Value::Tuple(items.into())),
        }
    }

    /// A dict or a set.
    fn braced<'a>(&mut self) -> Option<Value<'a>> {
        self.open()?;
        let (mut keys, mut entries) = (Vec::new(), Vec::new());
        while self.peek() != Some(b'}') {
            let key = self.value()?;
            super::mappings::hashable(&key).ok()?;
            self.space();
            if self.peek() == Some(b':') {
                self.at += 1;
                insert(&mut entries, key, self.value()?);
            } else if !keys.iter().any(|known| super::compare::equal(known, &key)) {
                keys.push(key);
            }
            if !self.comma() {
                break;
            }
            self.space();
        }
        self.close(b'}')?;
        match (keys.is_empty(), entries.is_empty()) {
            (true, _) => Some(Value::dict(entries)),
            (false, true) => Some(Value::Set(keys.into())),
            (false, false) => None,
        }
    }

    fn number<'a>(&mut self) -> Option<Value<'a>> {
        let rest = self.rest();
        let length = number_length(rest);
        let token = &rest[..length];
        self.at += length;
        if !well_underscored(token) {
            return None;
        }
        // Nothing that could make the number another word may follow it directly.
        if self.rest().starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.') {
            return None;
        }
        let digits = token.replace('_', "");
        let lower = digits.to_ascii_lowercase();
        if lower.starts_with("0x") || lower.starts_with("0o") || lower.starts_with("0b") {
            return super::numbers::parse_int(&lower, 0).map(Value::Int);
        }
        if digits.contains(['.', 'e', 'E']) {
            return digits.parse().ok().map(Value::Float);
        }
        let zeros = digits.bytes().all(|byte| byte == b'0');
        if (digits.starts_with('0') && !zeros) || digits.len() > DIGITS_MAX {
            return None;
        }
        digits.parse().ok().map(Value::Int)
    }

    /// Quoted texts one after another, which are one text.
    fn texts<'a>(&mut self) -> Option<Value<'a>> {
        let (mut text, mut bytes) = (String::new(), Vec::new());
        let mut kind = None;
        loop {
            let is_bytes = self.one_text(&mut text, &mut bytes)?;
            if kind.is_some_and(|kind| kind != is_bytes) {
                return None;
            }
            kind = Some(is_bytes);
            self.space();
            if !matches!(self.peek(), Some(b'\'' | b'"' | b'r' | b'R' | b'b' | b'B' | b'u' | b'U')) {
                break;
            }
        }
        Some(if kind == Some(true) { Value::Bytes(bytes.into()) } else { Value::from(text) })
    }

    fn one_text(&mut self, text: &mut String, bytes: &mut Vec<u8>) -> Option<bool> {
        let rest = self.rest();
        let prefix_length = rest.find(['\'', '"']).filter(|length| *length <= 2)?;
        let prefix = rest[..prefix_length].to_ascii_lowercase();
        let (raw, is_bytes) = match prefix.as_str() {
            "" | "u" => (false, false),
            "r" => (true, false),
            "b" => (false, true),
            "rb" | "br" => (true, true),
            _ => return None,
        };
        let rest = &rest[prefix_length..];
        let quote = &rest[..1];
        let triple = quote.repeat(3);
        let delimiter = if rest.starts_with(&triple) { triple.as_str() } else { quote };
        let inner = &rest[delimiter.len()..];
        let length = inner_length(inner, delimiter)?;
        let content = &inner[..length];
        self.at += prefix_length + delimiter.len() * 2 + length;
        if is_bytes {
            if !content.is_ascii() {
                return None;
            }
            let decoded = if raw { content.to_owned() } else { decoded(content)? };
            bytes.extend(decoded.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')));
        } else if raw {
            text.push_str(content);
        } else {
            text.push_str(&decoded(content)?);
        }
        Some(is_bytes)
    }
}

fn signed(value: Value<'_>, negative: bool) -> Option<Value<'_>> {
    match value {
        Value::Int(value) => Some(Value::Int(if negative { -value } else { value })),
        Value::Float(value) => Some(Value::Float(if negative { -value } else { value })),
        _ => None,
    }
}

fn insert<'a>(entries: &mut Vec<(Value<'a>, Value<'a>)>, key: Value<'a>, value: Value<'a>) {
    match entries.iter_mut().find(|(known, _)| super::compare::equal(known, &key)) {
        Some((_, known)) => *known = value,
        None => entries.push((key, value)),
    }
}

fn decoded(content: &str) -> Option<String> {
    // A backslash before a character that is not ASCII stays as it is here, unlike in a template's own texts.
    if content.is_ascii() {
        return escapes::decode(content).ok();
    }
    let mut text = String::new();
    let mut rest = content;
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        let tail = &rest[at..];
        let length = tail[1..].find(|c: char| c == '\\' || !c.is_ascii()).map_or(tail.len(), |length| length + 1);
        if length == 1 && !tail[1..].starts_with('\\') {
            text.push('\\');
            rest = &tail[1..];
            continue;
        }
        let length = if length == 1 { 2 } else { length };
        text.push_str(&escapes::decode(&tail[..length]).ok()?);
        rest = &tail[length..];
    }
    text.push_str(rest);
    Some(text)
}

/// Where the inside of a quoted text ends.
fn inner_length(inner: &str, delimiter: &str) -> Option<usize> {
    let mut skip = false;
    for (at, byte) in inner.bytes().enumerate() {
        match byte {
            _ if skip => skip = false,
            b'\\' => skip = true,
            b'\n' | b'\r' if delimiter.len() == 1 => return None,
            _ if inner.as_bytes()[at..].starts_with(delimiter.as_bytes()) => return Some(at),
            _ => {}
        }
    }
    None
}

/// The length of what could be a number: digits, underscores, a point and an exponent.
fn number_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let run = |from: usize, accept: fn(&u8) -> bool| {
        from + bytes[from..].iter().take_while(|byte| **byte == b'_' || accept(byte)).count()
    };
    if bytes[0] == b'0' && bytes.get(1).is_some_and(|byte| b"xXoObB".contains(byte)) {
        return run(2, u8::is_ascii_hexdigit);
    }
    let mut end = run(0, u8::is_ascii_digit);
    if bytes.get(end) == Some(&b'.') {
        end = run(end + 1, u8::is_ascii_digit);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let signed = end + 1 + usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        if bytes.get(signed).is_some_and(u8::is_ascii_digit) {
            end = run(signed, u8::is_ascii_digit);
        }
    }
    end
}

/// Underscores stand only between digits, and once, or after the prefix of a base.
fn well_underscored(token: &str) -> bool {
    let bytes = token.as_bytes();
    let based = bytes.len() > 1 && bytes[0] == b'0' && b"xXoObB".contains(&bytes[1]);
    let digit = |byte: Option<&u8>| {
        byte.is_some_and(|byte| if based { byte.is_ascii_hexdigit() } else { byte.is_ascii_digit() })
    };
    token.match_indices('_').all(|(at, _)| {
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        (digit(before) || (based && at == 2)) && digit(bytes.get(at + 1))
    })
}
