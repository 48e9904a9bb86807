//! Reads a few places of an XML body, by local names and without a document. A DTD makes the whole body unreadable, and
//! entities other than XML's own five are never expanded: there is nothing to fetch and nothing to multiply.

use std::borrow::Cow;
use std::ops::Range;

use quick_xml::Reader;
use quick_xml::events::{BytesRef, Event};

/// Deepest nesting that is read: SOAP needs five.
const DEPTH_MAX: usize = 64;
/// Longest document that is read, because each place is a pass over it.
const XML_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Most items of one request, as for JSON. Past it the request is one event, whole, so that nothing is lost.
const ITEMS_MAX: usize = 10_000;
/// Longest text of a place: names and ids are short.
const TEXT_BYTES_MAX: usize = 64 * 1024;

/// Whether a text is a path that is read: `/a/b`, of names only.
pub(crate) fn is_path(path: &str) -> bool {
    let name = |name: &str| !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || "<>&:@[]*".contains(c));
    path.strip_prefix('/').is_some_and(|names| names.split('/').all(name) && names.split('/').count() <= DEPTH_MAX)
}

/// The text directly inside the first element at the path. Of an XML that cannot be read to that point: nothing.
pub(crate) fn text<'a>(xml: &'a [u8], path: &str) -> Option<Cow<'a, [u8]>> {
    let mut walk = Walk::new(xml, path)?;
    let mut found: Option<Vec<u8>> = None;
    loop {
        match walk.next()? {
            Step::Entered => found = found.or_else(|| Some(Vec::new())),
            Step::Text(text) => append(found.as_mut()?, text.as_bytes())?,
            Step::Character(character) => append(found.as_mut()?, character.encode_utf8(&mut [0; 4]).as_bytes())?,
            Step::Left(_) => return found.map(Cow::Owned),
            Step::Other => {}
            Step::End => return None,
        }
    }
}

fn append(found: &mut Vec<u8>, text: &[u8]) -> Option<()> {
    if found.len() + text.len() > TEXT_BYTES_MAX {
        return None;
    }
    found.extend_from_slice(text);
    Some(())
}

/// The elements at the path as ranges of the document. `None` if it cannot be read whole, has none, or too many.
pub(crate) fn split(xml: &[u8], path: &str) -> Option<Vec<Range<usize>>> {
    let mut walk = Walk::new(xml, path)?;
    let mut items = Vec::new();
    loop {
        match walk.next()? {
            Step::Left(range) if items.len() < ITEMS_MAX => items.push(range),
            Step::Left(_) => return None,
            Step::End => return (!items.is_empty()).then_some(items),
            Step::Entered | Step::Text(_) | Step::Character(_) | Step::Other => {}
        }
    }
}

/// What the walk passed.
enum Step<'a> {
    /// The start of an element at the path.
    Entered,
    /// A text directly inside it.
    Text(Cow<'a, str>),
    /// A reference directly inside it.
    Character(char),
    /// Its end, with where all of it stands.
    Left(Range<usize>),
    Other,
    End,
}

struct Walk<'a, 'p> {
    reader: Reader<&'a [u8]>,
    path: Vec<&'p str>,
    depth: usize,
    /// How many of the open elements, from the root on, are those of the path.
    matched: usize,
    started_at: usize,
    /// An element without contents whose end is still to be told.
    empty: bool,
}

impl<'a, 'p> Walk<'a, 'p> {
    fn new(xml: &'a [u8], path: &'p str) -> Option<Self> {
        if xml.len() > XML_BYTES_MAX || !is_path(path) {
            return None;
        }
        let path = path.split('/').skip(1).collect();
        let xml = std::str::from_utf8(xml).ok()?;
        Some(Self { reader: Reader::from_str(xml), path, depth: 0, matched: 0, started_at: 0, empty: false })
    }

    fn position(&self) -> usize {
        usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX)
    }

    fn is_inside(&self) -> bool {
        self.matched == self.path.len() && self.depth == self.matched
    }

    /// `None` where the document stops being one that is read.
    fn next(&mut self) -> Option<Step<'a>> {
        if std::mem::take(&mut self.empty) {
            return self.leave();
        }
        let before = self.position();
        match self.reader.read_event().ok()? {
            Event::Start(element) => self.enter(element.local_name().as_ref(), before),
            Event::Empty(element) => {
                self.empty = true;
                self.enter(element.local_name().as_ref(), before)
            }
            Event::End(_) => self.leave(),
            Event::Text(text) if self.is_inside() => Some(Step::Text(text.xml10_content())),
            Event::CData(text) if self.is_inside() => Some(Step::Text(text.xml10_content())),
            Event::GeneralRef(entity) if self.is_inside() => Some(Step::Character(character(&entity)?)),
            Event::DocType(_) => None,
            Event::Eof if self.depth == 0 => Some(Step::End),
            Event::Eof => None,
            Event::Text(_)
            | Event::CData(_)
            | Event::GeneralRef(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_) => Some(Step::Other),
        }
    }

    fn enter(&mut self, name: &str, at: usize) -> Option<Step<'a>> {
        if self.depth == DEPTH_MAX {
            return None;
        }
        let matches = self.matched == self.depth && self.path.get(self.depth).is_some_and(|wanted| *wanted == name);
        self.depth += 1;
        self.matched += usize::from(matches);
        if matches && self.is_inside() {
            self.started_at = at;
            return Some(Step::Entered);
        }
        Some(Step::Other)
    }

    fn leave(&mut self) -> Option<Step<'a>> {
        let was_inside = self.is_inside();
        self.depth = self.depth.checked_sub(1)?;
        self.matched = self.matched.min(self.depth);
        Some(if was_inside { Step::Left(self.started_at..self.position()) } else { Step::Other })
    }
}

/// What one of XML's own entities or a character reference stands for.
fn character(entity: &BytesRef<'_>) -> Option<char> {
    let by_number = entity.resolve_char_ref().ok()?;
    by_number.or_else(|| quick_xml::escape::resolve_xml_entity(entity)?.chars().next())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(xml: &str, path: &str) -> Option<String> {
        text(xml.as_bytes(), path).map(|text| String::from_utf8_lossy(&text).into_owned())
    }

    #[test]
    fn places_are_read_by_local_names() {
        let xml = "<?xml version='1.0'?><s:a xmlns:s='x'><!-- <b>no</b> --><c><b>no</b></c>\
                   <b k='v'>1 &lt;&amp;&#x41;<![CDATA[<&]]><d>inner</d></b><b>2</b><e/></s:a>";
        for (path, expected) in [
            ("/a/b", Some("1 <&A<&")),
            ("/a/c/b", Some("no")),
            ("/a/b/d", Some("inner")),
            ("/a/e", Some("")),
            ("/a/f", None),
            ("/b", None),
            ("a/b", None),
            ("/a//b", None),
        ] {
            assert_eq!(read(xml, path).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn items_are_the_bytes_of_their_elements() {
        let xml = b"<l>\n<i><n>1</n></i> <i/><j/><i>3</i></l>";
        let items: Vec<&[u8]> = split(xml, "/l/i").expect("items").into_iter().map(|range| &xml[range]).collect();
        assert_eq!(items, [b"<i><n>1</n></i>".as_slice(), b"<i/>", b"<i>3</i>"]);
        assert_eq!(split(xml, "/l/x"), None);
        assert_eq!(split(b"<l><i/>", "/l/i"), None, "not read whole");
    }

    #[test]
    fn threat_11_a_dtd_an_entity_or_a_deep_tree_reads_as_nothing() {
        let laughs = "<!DOCTYPE a [<!ENTITY l 'ha'><!ENTITY m '&l;&l;&l;'>]><a><b>&m;</b></a>";
        let external = "<!DOCTYPE a SYSTEM 'http://127.0.0.1/x'><a><b>1</b></a>";
        let deep = format!("{}{}", "<a>".repeat(DEPTH_MAX + 1), "</a>".repeat(DEPTH_MAX + 1));
        for xml in [laughs, external, "<a><b>&unknown;</b></a>", "<a><b>1</a>", "<a><b>1", "", deep.as_str()] {
            assert_eq!(read(xml, "/a/b"), None, "{xml:.40}");
        }
        let long = format!("<a><b>{}</b></a>", "x".repeat(TEXT_BYTES_MAX + 1));
        assert_eq!(read(&long, "/a/b"), None);
        assert_eq!(text(&vec![b' '; XML_BYTES_MAX + 1], "/a"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, inner in "[<>/ab&;!\\[\\]#x1 -]{0,60}") {
            let _ = (text(&bytes, "/a/b"), split(&bytes, "/a/b"));
            let xml = format!("<a>{inner}</a>");
            let _ = (text(xml.as_bytes(), "/a/b"), split(xml.as_bytes(), "/a/b"));
        }
    }
}
