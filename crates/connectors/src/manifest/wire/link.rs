//! The `Link` header as the format sees it: an object from `rel` to what the link says. Reads anything a server may
//! send, forgives like the reference implementation does, and never fails.

use http::header::LINK;
use http::{HeaderMap, HeaderValue};
use serde_json::{Map, Value as Json};

/// Most links read of one reply: a page has a handful (next, last); the rest is somebody's mistake.
pub const LINKS_MAX: usize = 64;
/// Most parameters read of one link.
const PARAMETERS_MAX: usize = 32;

const QUOTES: [char; 3] = [' ', '"', '\''];

/// The links of a reply, by `rel`, or by URL where a link has no `rel`. Of two with one name the later counts.
#[must_use]
pub fn links(headers: &HeaderMap) -> Map<String, Json> {
    // Bytes that are not ASCII are Latin-1, one character each.
    let text = |value: &HeaderValue| value.as_bytes().iter().copied().map(char::from).collect::<String>();
    let values: Vec<String> = headers.get_all(LINK).iter().map(text).collect();
    parse(&values.join(", "))
}

/// One header value, read.
#[must_use]
pub fn parse(header: &str) -> Map<String, Json> {
    let header = header.trim_matches(QUOTES);
    let mut links = Map::new();
    if header.is_empty() {
        return links;
    }
    for text in split_links(header).take(LINKS_MAX) {
        let link = link(text);
        let text = |key| link.get(key).and_then(Json::as_str).filter(|text: &&str| !text.is_empty());
        let name = text("rel").or_else(|| text("url")).unwrap_or_default().to_owned();
        links.insert(name, Json::Object(link));
    }
    links
}

/// Splits at a comma that a `<` follows, spaces between them aside: a URL may hold other commas.
fn split_links(header: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(header);
    std::iter::from_fn(move || {
        let text = rest.take()?;
        let border = text.match_indices(',').find_map(|(at, _)| {
            let after = text[at + 1..].trim_start_matches(' ');
            after.strip_prefix('<').map(|next| (at, next))
        });
        match border {
            Some((at, next)) => {
                rest = Some(next);
                Some(&text[..at])
            }
            None => Some(text),
        }
    })
}

fn link(text: &str) -> Map<String, Json> {
    let (url, parameters) = text.split_once(';').unwrap_or((text, ""));
    let mut link = Map::new();
    let url = url.trim_matches(|c| matches!(c, '<' | '>' | ' ' | '\'' | '"'));
    link.insert("url".to_owned(), Json::from(url));
    for parameter in parameters.split(';').take(PARAMETERS_MAX) {
        // Exactly one `=`, else the reference implementation reads no further, and neither do we.
        let Some((key, value)) = parameter.split_once('=').filter(|(_, value)| !value.contains('=')) else { break };
        link.insert(key.trim_matches(QUOTES).to_owned(), Json::from(value.trim_matches(QUOTES)));
    }
    link
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn links_are_read_as_the_reference_implementation_reads_them() {
        let table = [
            ("", json!({})),
            (" '\" ", json!({})),
            ("<https://a/?page=2>; rel=\"next\"", json!({"next": {"url": "https://a/?page=2", "rel": "next"}})),
            (
                "<https://a/?p=2>; rel=next; title=x, <https://a/?p=9>; rel='last'",
                json!({"next": {"url": "https://a/?p=2", "rel": "next", "title": "x"},
                       "last": {"url": "https://a/?p=9", "rel": "last"}}),
            ),
            (
                "<https://a/?ids=1,2>; rel=next,<https://b>",
                json!({"next": {"url": "https://a/?ids=1,2", "rel": "next"}, "https://b": {"url": "https://b"}}),
            ),
            ("<u>; results; rel=next", json!({"u": {"url": "u"}})),
            ("<u>; a=b=c; rel=next", json!({"u": {"url": "u"}})),
            ("<u>; rel=\"\"", json!({"u": {"url": "u", "rel": ""}})),
            ("<>; x=1", json!({"": {"url": "", "x": "1"}})),
            ("<u>; rel=next, <v>; rel=next", json!({"next": {"url": "v", "rel": "next"}})),
            ("<u>; url=w; rel=next", json!({"next": {"url": "w", "rel": "next"}})),
        ];
        for (header, expected) in table {
            assert_eq!(Json::Object(parse(header)), expected, "{header}");
        }
    }

    #[test]
    fn two_headers_are_one_list() {
        let mut headers = HeaderMap::new();
        headers.append(LINK, "<a>; rel=next".parse().expect("a value"));
        headers.append(LINK, "<b>; rel=prev".parse().expect("a value"));
        assert_eq!(links(&headers).len(), 2);
    }

    proptest! {
        #[test]
        fn any_text_is_read_within_bounds(header in "(<[a-z:/?=,; ]{0,12}>|[ ;,=\"'<>a-z]){0,40}") {
            let links = parse(&header);
            prop_assert!(links.len() <= LINKS_MAX);
            for link in links.values() {
                prop_assert!(link["url"].is_string());
            }
        }

        #[test]
        fn a_list_of_links_comes_back(urls in proptest::collection::vec("[a-z]{1,8}(,[a-z]{1,3})?", 1..8)) {
            let header: Vec<String> =
                urls.iter().enumerate().map(|(n, url)| format!("<https://h/{url}>; rel=\"r{n}\"")).collect();
            let read = parse(&header.join(", "));
            prop_assert_eq!(read.len(), urls.len());
            for (n, url) in urls.iter().enumerate() {
                let expected = format!("https://h/{url}");
                prop_assert_eq!(read[&format!("r{n}")]["url"].as_str(), Some(expected.as_str()));
            }
        }
    }
}
