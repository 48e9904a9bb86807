//! The URL of a request: base and path joined, query added, everything quoted the way the reference implementation's
//! HTTP library does it, because servers see (and sign, and cache by) exactly these bytes.

use std::fmt::Write as _;

use super::super::trouble::Trouble;
use super::super::wire::{URL_BYTES_MAX, plain_url};

/// A URL taken apart. Nothing is decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Parts<'a> {
    scheme: &'a str,
    authority: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
}

/// Takes a URL or a reference apart; its fragment, which is never sent, is left out.
fn split(url: &str) -> Parts<'_> {
    let mut parts = Parts::default();
    let mut rest = url;
    if let Some((scheme, after)) = url.split_once(':')
        && is_scheme(scheme)
    {
        (parts.scheme, rest) = (scheme, after);
    }
    rest = rest.split_once('#').map_or(rest, |(before, _)| before);
    if let Some(after) = rest.strip_prefix("//") {
        let end = after.find(['/', '?']).unwrap_or(after.len());
        parts.authority = Some(&after[..end]);
        rest = &after[end..];
    }
    match rest.split_once('?') {
        Some((path, query)) => (parts.path, parts.query) = (path, Some(query)),
        None => parts.path = rest,
    }
    parts
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// `path` seen from `base`: a base is taken for a folder, a whole URL stands for itself, no path leaves the base alone.
#[must_use]
pub fn join(base: &str, path: &str) -> String {
    if path.is_empty() {
        return base.to_owned();
    }
    let cleaned = |text: &str| text.trim_start_matches(|c: char| c <= ' ').replace(['\r', '\n', '\t'], "");
    let (base, path) = (cleaned(base), cleaned(path));
    let base = if base.ends_with('/') { base } else { format!("{base}/") };
    let (from, to) = (split(&base), split(&path));
    if (!to.scheme.is_empty() && !to.scheme.eq_ignore_ascii_case(from.scheme)) || base.is_empty() {
        return path;
    }
    let joined = match (to.authority, to.path) {
        (Some(_), _) => Parts { scheme: from.scheme, ..to },
        (None, "") => Parts { query: to.query.filter(|query| !query.is_empty()).or(from.query), ..from },
        (None, _) => {
            let path = resolve(from.path, to.path);
            return print(&Parts { path: &path, query: to.query, ..from });
        }
    };
    print(&joined)
}

fn print(parts: &Parts<'_>) -> String {
    let mut url = String::new();
    if !parts.scheme.is_empty() {
        let _ = write!(url, "{}:", parts.scheme.to_ascii_lowercase());
    }
    if let Some(authority) = parts.authority {
        let slash = if parts.path.is_empty() || parts.path.starts_with('/') { "" } else { "/" };
        let _ = write!(url, "//{authority}{slash}");
    }
    url.push_str(parts.path);
    if let Some(query) = parts.query.filter(|query| !query.is_empty()) {
        let _ = write!(url, "?{query}");
    }
    url
}

/// A relative path in its folder, `.` and `..` followed, empty segments in the middle of a merged path left out.
fn resolve(folder: &str, path: &str) -> String {
    let mut segments: Vec<&str> = path.split('/').collect();
    if !path.starts_with('/') {
        let mut merged: Vec<&str> = folder.split('/').collect();
        if merged.last().is_some_and(|last| !last.is_empty()) {
            merged.pop();
        }
        merged.extend(segments);
        let last = merged.len() - 1;
        let kept = |(at, segment): (usize, &&str)| at == 0 || at == last || !segment.is_empty();
        segments = merged.iter().enumerate().filter(|&(at, segment)| kept((at, segment))).map(|(_, s)| *s).collect();
    }
    let mut resolved: Vec<&str> = Vec::new();
    for segment in &segments {
        match *segment {
            ".." => drop(resolved.pop()),
            "." => {}
            other => resolved.push(other),
        }
    }
    if matches!(segments.last(), Some(&"." | &"..")) {
        resolved.push("");
    }
    let resolved = resolved.join("/");
    if resolved.is_empty() { "/".to_owned() } else { resolved }
}

/// The host that a URL names, without port and user; none if it is not an HTTP URL.
#[must_use]
pub fn host(url: &str) -> Option<&str> {
    let parts = split(url.trim_start());
    if !parts.scheme.eq_ignore_ascii_case("http") && !parts.scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    let (host, _) = host_and_port(parts.authority?);
    Some(host).filter(|host| !host.is_empty())
}

fn host_and_port(authority: &str) -> (&str, &str) {
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !host.ends_with(':') => (host, port),
        _ => (authority, ""),
    }
}

/// The URL as it is sent: checked, normalised, quoted, with these parameters added to its query.
///
/// # Errors
/// If it is no HTTP URL, or is longer than [`URL_BYTES_MAX`].
pub fn prepare(url: &str, parameters: &[(String, String)]) -> Result<String, Trouble> {
    let url = url.trim_start();
    let bad = || Trouble::Url { url: plain_url(url) };
    let parts = split(url);
    let scheme = parts.scheme.to_ascii_lowercase();
    if scheme != "http" && scheme != "https" {
        return Err(bad());
    }
    let (host, port) = host_and_port(parts.authority.ok_or_else(bad)?);
    if host.is_empty() || host.starts_with(['*', '.']) || host.contains(|c: char| c.is_whitespace() || c == '\\') {
        return Err(bad());
    }
    let host = if host.is_ascii() {
        host.to_ascii_lowercase()
    } else {
        url::Host::parse(host).map_err(|_| bad())?.to_string()
    };
    let mut built = format!("{scheme}://{host}");
    if !port.is_empty() {
        let port: u16 = port.parse().map_err(|_| bad())?;
        let _ = write!(built, ":{port}");
    }
    let path = without_dots(parts.path);
    built.push_str(if path.is_empty() { "/" } else { "" });
    quote_invalid(&mut built, &path, is_path_byte);
    let mut separator = '?';
    if let Some(query) = parts.query.filter(|query| !query.is_empty()) {
        built.push('?');
        quote_invalid(&mut built, query, |byte| is_path_byte(byte) || byte == b'?');
        separator = '&';
    }
    for (name, value) in parameters {
        built.push(separator);
        quote_plus(&mut built, name);
        built.push('=');
        quote_plus(&mut built, value);
        separator = '&';
    }
    let built = unquote_unreserved(&built);
    if built.len() > URL_BYTES_MAX {
        Err(Trouble::TooLarge { what: "URL", bytes: built.len(), limit: URL_BYTES_MAX })
    } else {
        Ok(built)
    }
}

/// RFC 3986 §5.2.4, as the reference implementation's library has it.
fn without_dots(path: &str) -> String {
    if !path.contains("/.") && !path.starts_with('.') {
        return path.to_owned();
    }
    let mut output: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "." => {}
            ".." => drop(output.pop()),
            other => output.push(other),
        }
    }
    if path.starts_with('/') && output.first().is_none_or(|first| !first.is_empty()) {
        output.insert(0, "");
    }
    if path.ends_with("/.") || path.ends_with("/..") {
        output.push("");
    }
    output.join("/")
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'~')
}

const fn is_path_byte(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=')
        || matches!(byte, b':' | b'@' | b'/')
}

/// Quotes what may not stand there. Percent signs are left alone only if every one of them begins an escape.
fn quote_invalid(out: &mut String, text: &str, allowed: fn(u8) -> bool) {
    let bytes = text.as_bytes();
    let is_escape = |at: usize| bytes.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit));
    let percents = || bytes.iter().enumerate().filter(|(_, byte)| **byte == b'%').map(|(at, _)| at);
    let is_quoted = percents().all(is_escape);
    let mut escape = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if byte == b'%' && is_escape(at) {
            escape = at + 3;
        }
        if byte == b'%' && is_quoted || byte != b'%' && allowed(byte) {
            out.push(if at < escape { byte.to_ascii_uppercase() } else { byte } as char);
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

/// Form encoding: a space is a plus, everything but the unreserved is quoted.
pub fn quote_plus(out: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            byte if is_unreserved(byte) => out.push(byte as char),
            byte => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
}

/// Escapes that need not be are undone. All other bytes are already what they may be.
fn unquote_unreserved(url: &str) -> String {
    let mut plain = String::with_capacity(url.len());
    let mut rest = url;
    while let Some(at) = rest.find('%') {
        plain.push_str(&rest[..at]);
        let escape = rest.get(at..at + 3).unwrap_or(&rest[at..]);
        let byte = escape.get(1..).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match byte.filter(|byte| is_unreserved(*byte)) {
            Some(byte) => plain.push(byte as char),
            None => plain.push_str(escape),
        }
        rest = &rest[at + escape.len()..];
    }
    plain.push_str(rest);
    plain
}

/// The parameters that a URL's query already has, decoded; of several with one name the first counts.
#[must_use]
pub fn query_of(url: &str) -> Vec<(String, String)> {
    let query = split(url).query.unwrap_or_default();
    let mut pairs: Vec<(String, String)> = Vec::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        // As the reference has it, a parameter without a value does not count as there.
        if !value.is_empty() && pairs.iter().all(|(known, _)| *known != name) {
            pairs.push((name.into_owned(), value.into_owned()));
        }
    }
    pairs
}

/// Whether a host is the allowed one, or lies within an allowed `*.example`.
#[must_use]
pub fn is_within(host: &str, allowed: &str) -> bool {
    match allowed.strip_prefix("*.") {
        Some(domain) => {
            let dot = host.len().checked_sub(domain.len() + 1);
            dot.is_some_and(|dot| host.as_bytes()[dot] == b'.' && host[dot + 1..].eq_ignore_ascii_case(domain))
        }
        None => host.eq_ignore_ascii_case(allowed),
    }
}

/// The same URL over TLS, unless it names a port of its own.
#[must_use]
pub fn with_tls(url: &str) -> String {
    let authority = split(url).authority.unwrap_or_default();
    match (host_and_port(authority).1, url.strip_prefix("http:")) {
        ("" | "80", Some(rest)) => {
            format!("https:{}", rest.replacen(":80", "", usize::from(authority.ends_with(":80"))))
        }
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests;
