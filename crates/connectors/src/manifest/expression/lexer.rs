//! Cuts a template into tokens: text, and the words and signs between its delimiters. Whitespace control, comments and
//! raw blocks are settled here.

use std::borrow::Cow;

use super::escapes;

/// The longest template that is read: as long as the longest text a manifest is likely to hold, and then ten times.
pub(crate) const SOURCE_BYTES_MAX: usize = 1 << 20;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Token<'s> {
    Text(Cow<'s, str>),
    OutputBegin,
    OutputEnd,
    TagBegin,
    TagEnd,
    Name(&'s str),
    Quoted(String),
    Int(i128),
    Float(f64),
    Sign(&'static str),
    End,
}

/// Longest first, so that `**` is not two `*`.
const SIGNS: [&str; 26] = [
    "**", "//", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".",
    ":", "|", ",", ";",
];

/// Line breaks as one `\n`, and without one at the very end.
pub(crate) fn normalised(source: &str) -> Cow<'_, str> {
    let mut text = unix_lines(source);
    if text.ends_with('\n') {
        match &mut text {
            Cow::Borrowed(text) => *text = &text[..text.len() - 1],
            Cow::Owned(text) => drop(text.pop()),
        }
    }
    text
}

fn unix_lines(source: &str) -> Cow<'_, str> {
    if source.contains('\r') { source.replace("\r\n", "\n").replace('\r', "\n").into() } else { source.into() }
}

/// The tokens of a normalised source, or what is wrong with it.
pub(crate) fn tokens(source: &str) -> Result<Vec<Token<'_>>, String> {
    if source.len() > SOURCE_BYTES_MAX {
        return Err(format!("is longer than {SOURCE_BYTES_MAX} bytes"));
    }
    let mut lexer = Lexer { source, at: 0, tokens: Vec::new() };
    lexer.root()?;
    lexer.tokens.push(Token::End);
    Ok(lexer.tokens)
}

struct Lexer<'s> {
    source: &'s str,
    at: usize,
    tokens: Vec<Token<'s>>,
}

impl<'s> Lexer<'s> {
    fn rest(&self) -> &'s str {
        &self.source[self.at..]
    }

    fn root(&mut self) -> Result<(), String> {
        while self.at < self.source.len() {
            let rest = self.rest();
            let Some((offset, kind)) = next_delimiter(rest) else {
                self.text(rest);
                self.at = self.source.len();
                break;
            };
            let sign = rest.as_bytes().get(offset + 2).copied();
            let text = if sign == Some(b'-') { trim_end(&rest[..offset]) } else { &rest[..offset] };
            self.text(text);
            if kind == b'%' && self.raw(offset)? {
                continue;
            }
            self.at += offset + 2 + usize::from(matches!(sign, Some(b'-' | b'+')));
            match kind {
                b'#' => self.comment()?,
                b'{' => self.code(Token::OutputBegin, "}}", Token::OutputEnd)?,
                _ => self.code(Token::TagBegin, "%}", Token::TagEnd)?,
            }
        }
        Ok(())
    }

    fn text(&mut self, text: &'s str) {
        if !text.is_empty() {
            self.tokens.push(Token::Text(text.into()));
        }
    }

    /// Skips to the end of a comment. One that opens at the very end needs none.
    fn comment(&mut self) -> Result<(), String> {
        let rest = self.rest();
        let Some(end) = rest.find("#}") else {
            return if rest.is_empty() { Ok(()) } else { Err("has a comment without end".to_owned()) };
        };
        let stripped = end > 0 && rest.as_bytes()[end - 1] == b'-';
        self.at += end + 2;
        if stripped {
            self.skip_space();
        }
        Ok(())
    }

    fn skip_space(&mut self) {
        self.at += self.rest().len() - trim_start(self.rest()).len();
    }

    /// `{% raw %}…{% endraw %}`, if that is what begins here.
    fn raw(&mut self, offset: usize) -> Result<bool, String> {
        let rest = &self.rest()[offset..];
        let Some(inner) = word_tag(rest, "raw", &["-%}", "%}"]) else { return Ok(false) };
        let body = &rest[inner..];
        let mut from = 0;
        while let Some(found) = body[from..].find("{%") {
            let start = from + found;
            if let Some(length) = word_tag(&body[start..], "endraw", &["+%}", "-%}", "%}"]) {
                let stripped = body.as_bytes().get(start + 2) == Some(&b'-');
                self.text(if stripped { trim_end(&body[..start]) } else { &body[..start] });
                self.at += offset + inner + start + length;
                return Ok(true);
            }
            from = start + 2;
        }
        if body.is_empty() {
            self.at = self.source.len();
            return Ok(true);
        }
        Err("has a raw block without end".to_owned())
    }

    fn code(&mut self, begin: Token<'s>, closing: &str, end: Token<'s>) -> Result<(), String> {
        let is_tag = begin == Token::TagBegin;
        self.tokens.push(begin);
        let mut open: Vec<&'static str> = Vec::new();
        loop {
            let rest = self.rest();
            if open.is_empty()
                && let Some(length) = closing_length(rest, closing, is_tag)
            {
                self.at += length;
                self.tokens.push(end);
                return Ok(());
            }
            let Some(first) = rest.chars().next() else { return Ok(()) };
            if first.is_whitespace() || is_control_space(first) {
                self.skip_space();
            } else {
                self.code_token(first, &mut open)?;
            }
        }
    }

    fn code_token(&mut self, first: char, open: &mut Vec<&'static str>) -> Result<(), String> {
        if first.is_ascii_digit() {
            return self.number();
        }
        if first == '_' || first.is_alphanumeric() {
            return self.name();
        }
        if (first == '"' || first == '\'')
            && let Some(length) = quoted_length(self.rest())
        {
            let inner = unix_lines(&self.rest()[1..length - 1]);
            self.tokens.push(Token::Quoted(escapes::decode(&inner)?));
            self.at += length;
            return Ok(());
        }
        let Some(sign) = SIGNS.iter().find(|sign| self.rest().starts_with(**sign)) else {
            return Err(format!("has an unexpected {first:?}"));
        };
        balance(sign, open)?;
        self.tokens.push(Token::Sign(sign));
        self.at += sign.len();
        Ok(())
    }

    fn name(&mut self) -> Result<(), String> {
        let rest = self.rest();
        let length = rest.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(rest.len());
        let name = &rest[..length];
        if !name.starts_with(|c: char| c == '_' || c.is_alphabetic()) {
            return Err(format!("has {name:?}, which is no name"));
        }
        self.tokens.push(Token::Name(name));
        self.at += length;
        Ok(())
    }

    fn number(&mut self) -> Result<(), String> {
        let rest = self.rest();
        let after_dot = self.source[..self.at].ends_with('.');
        if !after_dot && let Some(length) = float_length(rest) {
            let digits = rest[..length].replace('_', "");
            self.tokens.push(Token::Float(digits.parse().map_err(|_| format!("has a bad number {digits:?}"))?));
            self.at += length;
            return Ok(());
        }
        let (length, radix, prefix) = integer_length(rest);
        let digits = rest[prefix..length].replace('_', "");
        let value =
            i128::from_str_radix(&digits, radix).map_err(|_| format!("has a number past 128 bits: {digits}"))?;
        self.tokens.push(Token::Int(value));
        self.at += length;
        Ok(())
    }
}

/// Python's whitespace has four control characters that Unicode's has not.
pub(crate) fn is_control_space(c: char) -> bool {
    ('\u{1c}'..='\u{1f}').contains(&c)
}

pub(crate) fn is_space(c: char) -> bool {
    c.is_whitespace() || is_control_space(c)
}

pub(crate) fn trim_start(text: &str) -> &str {
    text.trim_start_matches(is_space)
}

pub(crate) fn trim_end(text: &str) -> &str {
    text.trim_end_matches(is_space)
}

/// The first `{{`, `{%` or `{#`, and its second character.
fn next_delimiter(text: &str) -> Option<(usize, u8)> {
    let bytes = text.as_bytes();
    memchr::memchr_iter(b'{', bytes).find_map(|at| match bytes.get(at + 1) {
        Some(kind @ (b'{' | b'%' | b'#')) => Some((at, *kind)),
        _ => None,
    })
}

/// The length of a tag that is one word, with the whitespace that it takes with it.
fn word_tag(text: &str, word: &str, closings: &[&str]) -> Option<usize> {
    let rest = text.strip_prefix("{%")?;
    let rest = trim_start(rest.strip_prefix(['-', '+']).unwrap_or(rest));
    let rest = trim_start(rest.strip_prefix(word)?);
    let closing = closings.iter().find(|closing| rest.starts_with(**closing))?;
    let rest = &rest[closing.len()..];
    let rest = if closing.starts_with('-') { trim_start(rest) } else { rest };
    Some(text.len() - rest.len())
}

/// The length of a closing delimiter, with the whitespace that a minus takes with it.
fn closing_length(text: &str, closing: &str, is_tag: bool) -> Option<usize> {
    if text.starts_with(closing) {
        return Some(closing.len());
    }
    if is_tag && text.strip_prefix('+').is_some_and(|rest| rest.starts_with(closing)) {
        return Some(closing.len() + 1);
    }
    let rest = text.strip_prefix('-')?.strip_prefix(closing)?;
    Some(text.len() - trim_start(rest).len())
}

fn balance(sign: &'static str, open: &mut Vec<&'static str>) -> Result<(), String> {
    match sign {
        "(" => open.push(")"),
        "[" => open.push("]"),
        "{" => open.push("}"),
        ")" | "]" | "}" => match open.pop() {
            Some(expected) if expected == sign => {}
            Some(expected) => return Err(format!("has {sign:?} where {expected:?} closes")),
            None => return Err(format!("has {sign:?} that closes nothing")),
        },
        _ => {}
    }
    Ok(())
}

/// The length of a quoted text, quotes included.
fn quoted_length(text: &str) -> Option<usize> {
    let quote = text.as_bytes()[0];
    let mut skip = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if skip => skip = false,
            b'\\' => skip = true,
            byte if byte == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// The length of digits that single underscores may part; 0 if there is none.
fn digits_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut length = 0;
    while bytes.get(length).is_some_and(u8::is_ascii_digit)
        || (length > 0 && bytes.get(length) == Some(&b'_') && bytes.get(length + 1).is_some_and(u8::is_ascii_digit))
    {
        length += 1;
    }
    length
}

fn float_length(text: &str) -> Option<usize> {
    let whole = digits_length(text);
    let mut length = whole;
    if text[length..].starts_with('.') {
        let fraction = digits_length(&text[length + 1..]);
        if fraction > 0 {
            length += 1 + fraction;
        }
    }
    if let Some(rest) = text[length..].strip_prefix(['e', 'E']) {
        let signed = rest.strip_prefix(['+', '-']).unwrap_or(rest);
        let exponent = digits_length(signed);
        if exponent > 0 {
            return Some(text.len() - signed.len() + exponent);
        }
    }
    (length > whole).then_some(length)
}

/// The length of an integer, its radix and how long the prefix is that names the radix.
fn integer_length(text: &str) -> (usize, u32, usize) {
    let bytes = text.as_bytes();
    if bytes[0] == b'0' {
        let radix = match bytes.get(1).map(u8::to_ascii_lowercase) {
            Some(b'x') => 16,
            Some(b'o') => 8,
            Some(b'b') => 2,
            _ => return (run_length(text, 0, |c| c == '0'), 10, 0),
        };
        let length = run_length(text, 2, |c| c.is_digit(radix));
        return if length > 2 { (length, radix, 2) } else { (1, 10, 0) };
    }
    (digits_length(text), 10, 0)
}

/// Where a run of such digits ends that begins at `from`, a single underscore before each allowed.
fn run_length(text: &str, from: usize, is_digit: impl Fn(char) -> bool) -> usize {
    let bytes = text.as_bytes();
    let digit_at = |at: usize| bytes.get(at).is_some_and(|byte| is_digit(char::from(*byte)));
    let mut end = from;
    loop {
        if digit_at(end) {
            end += 1;
        } else if bytes.get(end) == Some(&b'_') && digit_at(end + 1) {
            end += 2;
        } else {
            return end;
        }
    }
}
