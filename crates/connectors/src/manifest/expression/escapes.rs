//! Backslash escapes of quoted texts, as Python's `unicode-escape` reads them.

/// The text that the inside of a quoted text means. An unknown escape stays as it is written.
pub(crate) fn decode(inner: &str) -> Result<String, String> {
    let Some(first) = inner.find('\\') else { return Ok(inner.to_owned()) };
    let mut text = inner[..first].to_owned();
    let mut rest = &inner[first..];
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        rest = escape(&rest[at + 1..], &mut text)?;
    }
    text.push_str(rest);
    Ok(text)
}

/// Reads what follows a backslash; gives what is left.
fn escape<'t>(rest: &'t str, text: &mut String) -> Result<&'t str, String> {
    let Some(kind) = rest.chars().next() else { return Err("ends in a backslash".to_owned()) };
    let after = &rest[kind.len_utf8()..];
    let simple = match kind {
        '\n' => return Ok(after),
        '\\' | '\'' | '"' => kind,
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        '0'..='7' => {
            let length = rest.bytes().take(3).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
            return push(&rest[..length], 8, &rest[length..], text);
        }
        'x' => return hex(after, 2, text),
        'u' => return hex(after, 4, text),
        'U' => return hex(after, 8, text),
        'N' => return Err("has a character by its name, which is not supported: write the character".to_owned()),
        c if c.is_ascii() => {
            text.push('\\');
            c
        }
        // The reference escapes such a character first, and then reads its own backslash as escaped.
        c => {
            text.push('\\');
            text.push_str(&match u32::from(c) {
                code @ 0..=0xff => format!("x{code:02x}"),
                code @ 0x100..=0xffff => format!("u{code:04x}"),
                code => format!("U{code:08x}"),
            });
            return Ok(after);
        }
    };
    text.push(simple);
    Ok(after)
}

fn hex<'t>(rest: &'t str, length: usize, text: &mut String) -> Result<&'t str, String> {
    match rest.get(..length) {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => push(digits, 16, &rest[length..], text),
        _ => Err("has a hexadecimal escape with too few digits".to_owned()),
    }
}

fn push<'t>(digits: &str, radix: u32, rest: &'t str, text: &mut String) -> Result<&'t str, String> {
    let character = u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
    text.push(character.ok_or_else(|| format!("has an escape {digits:?} that is no character"))?);
    Ok(rest)
}
