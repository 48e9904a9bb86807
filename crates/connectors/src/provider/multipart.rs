//! `multipart/form-data`: the text fields of a body, within bounds. Files are passed over; nothing is decoded, because
//! senders of webhooks send plain texts.

use memchr::memmem;

/// RFC 2046: a boundary has at most 70 characters.
const BOUNDARY_BYTES_MAX: usize = 70;
/// Most parts that are looked at: webhooks have a dozen, mail with attachments some hundred.
const PARTS_MAX: usize = 1_000;
/// Longest head of a part: a disposition and a content type.
const HEAD_BYTES_MAX: usize = 8 * 1024;

/// The field comes more than once, so that it has no one value.
#[derive(Debug)]
pub(crate) struct Repeated;

/// The boundary that a Content-Type names, if it is one of a form.
pub(crate) fn boundary(content_type: &str) -> Option<&str> {
    let (essence, parameters) = content_type.split_once(';')?;
    if !essence.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"'))
    })?;
    (1..=BOUNDARY_BYTES_MAX).contains(&boundary.len()).then_some(boundary)
}

/// The text of one field. A body that is not made of parts has none.
pub(crate) fn field<'a>(body: &'a [u8], boundary: &str, name: &str) -> Result<Option<&'a [u8]>, Repeated> {
    let mut found = None;
    for part in parts(body, boundary).take(PARTS_MAX) {
        if text_field(part.head) != Some(name) {
            continue;
        }
        if found.replace(part.content).is_some() {
            return Err(Repeated);
        }
    }
    Ok(found)
}

struct Part<'a> {
    head: &'a [u8],
    content: &'a [u8],
}

fn parts<'a>(body: &'a [u8], boundary: &str) -> impl Iterator<Item = Part<'a>> {
    let first = format!("--{boundary}");
    let delimiter = format!("\r\n--{boundary}").into_bytes();
    let mut rest = body.strip_prefix(first.as_bytes());
    if rest.is_none() {
        // What stands before the first delimiter is for nobody.
        rest = memmem::find(body, &delimiter).map(|at| &body[at + delimiter.len()..]);
    }
    std::iter::from_fn(move || {
        let after = rest.take()?.strip_prefix(b"\r\n")?;
        let end = memmem::find(after, &delimiter)?;
        let part = &after[..end];
        rest = Some(&after[end + delimiter.len()..]);
        let head_end = memmem::find(&part[..part.len().min(HEAD_BYTES_MAX)], b"\r\n\r\n")?;
        Some(Part { head: &part[..head_end], content: &part[head_end + 4..] })
    })
}

/// The name that a part's disposition gives it; a part with a file name is no text field.
fn text_field(head: &[u8]) -> Option<&str> {
    let head = std::str::from_utf8(head).ok()?;
    let disposition = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
    })?;
    let mut parameters = disposition.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let mut name = None;
    for (key, value) in parameters.by_ref() {
        match key.trim() {
            key if key.eq_ignore_ascii_case("name") => name = Some(value.trim().trim_matches('"')),
            key if key.to_ascii_lowercase().starts_with("filename") => return None,
            _ => {}
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BODY: &[u8] =
        b"preamble\r\n--b\r\nContent-Disposition: form-data; name=\"json\"\r\nContent-Type: text/plain\r\n\r\n\
        {\"a\":\r\n1}\r\n--b\r\ncontent-disposition: form-data; name=file; filename=\"x\"\r\n\r\nbytes\r\n--b\r\n\
        Content-Disposition: form-data; name=\"empty\"\r\n\r\n\r\n--b--\r\n";

    #[test]
    fn text_fields_are_found_and_files_are_none() {
        for (name, value) in [("json", Some("{\"a\":\r\n1}")), ("empty", Some("")), ("file", None), ("x", None)] {
            assert_eq!(field(BODY, "b", name).ok().flatten(), value.map(str::as_bytes), "{name}");
        }
        let at_once = BODY.strip_prefix(b"preamble\r\n").expect("a preamble");
        assert!(field(at_once, "b", "json").ok().flatten().is_some());
        let twice = BODY[..BODY.len() - 4].iter().copied().chain(at_once[3..].iter().copied());
        assert!(field(&twice.collect::<Vec<_>>(), "b", "json").is_err(), "two values are no value");
    }

    #[test]
    fn what_is_not_made_of_parts_has_no_fields() {
        let endless = b"--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nvalue";
        for body in [b"".as_slice(), b"--b", b"--b--", b"--c\r\n", endless] {
            assert_eq!(field(body, "b", "a").ok().flatten(), None);
        }
        let long_head = [b"--b\r\nx: ".as_slice(), &[b'y'; HEAD_BYTES_MAX], b"\r\n\r\nv\r\n--b--"].concat();
        assert_eq!(field(&long_head, "b", "a").ok().flatten(), None);
    }

    #[test]
    fn boundaries_are_read_from_forms_only() {
        for (text, expected) in [
            ("multipart/form-data; boundary=b", Some("b")),
            ("Multipart/Form-Data; charset=utf-8; BOUNDARY=\"a b\"", Some("a b")),
            ("multipart/mixed; boundary=b", None),
            ("multipart/form-data", None),
            ("multipart/form-data; boundary=", None),
        ] {
            assert_eq!(boundary(text), expected, "{text}");
        }
        assert_eq!(boundary(&format!("multipart/form-data; boundary={}", "b".repeat(71))), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(body: Vec<u8>, content_type: String) {
            let _ = (field(&body, "b", "a").is_ok(), boundary(&content_type));
            let framed = [b"--b\r\n".as_slice(), &body, b"\r\n--b"].concat();
            let _ = field(&framed, "b", "a").is_ok();
        }
    }
}
