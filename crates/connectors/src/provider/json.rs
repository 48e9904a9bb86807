//! Reads a few places of a JSON body in one pass over its bytes, without building a document.
//!
//! Found values are slices of the sender's bytes. Of a repeated key the last one counts, as in every reader that
//! builds a map. A body that is no JSON, or is nested too deeply, has no values: that is never an error here.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Deepest nesting that is read. serde_json stops at the same depth when it builds a value, so whatever can be
/// identified here can also be filtered and mapped later.
pub(crate) const DEPTH_MAX: usize = 127;
/// Most steps of a pointer in a recipe: the walk recurses once per step.
pub(crate) const POINTER_STEPS_MAX: usize = 16;
/// Most events in one request. Past it the request is one event, whole, so that nothing is lost.
pub(crate) const CHILDREN_MAX: usize = 10_000;

/// The places a recipe reads, as a tree, so that one pass finds them all.
#[derive(Debug, Default)]
pub(crate) struct Pointers {
    root: Node,
    /// As written, by slot.
    names: Vec<Box<str>>,
}

#[derive(Debug, Default)]
struct Node {
    key: String,
    /// The key as an array's index, if it is one.
    index: Option<usize>,
    children: Vec<Node>,
    slot: Option<usize>,
}

/// The values found, by the slots that [`Pointers::add`] gave.
#[derive(Debug, Default)]
pub(crate) struct Found<'a> {
    values: Vec<Option<&'a RawValue>>,
    /// The body was read to its end and is JSON, if its bytes are UTF-8: what no pointer leads to is not looked at for
    /// that. Where it says no, nobody knows.
    pub is_json: bool,
}

impl<'a> Found<'a> {
    pub fn raw(&self, slot: usize) -> Option<&'a str> {
        self.values.get(slot).copied().flatten().map(RawValue::get).filter(|raw| *raw != "null")
    }

    /// Text without its quotes, a number or a boolean as written; nothing for null, objects and arrays.
    pub fn scalar(&self, slot: usize) -> Option<Cow<'a, [u8]>> {
        let raw = self.raw(slot)?;
        match raw.as_bytes().first()? {
            b'{' | b'[' => None,
            b'"' => match raw.get(1..raw.len() - 1) {
                Some(plain) if !plain.contains('\\') => Some(Cow::Borrowed(plain.as_bytes())),
                _ => serde_json::from_str::<String>(raw).ok().map(|text| Cow::Owned(text.into_bytes())),
            },
            _ => Some(Cow::Borrowed(raw.as_bytes())),
        }
    }
}

/// Whether the text is a pointer that [`Pointers::add`] takes.
pub(crate) fn is_pointer(pointer: &str) -> bool {
    (pointer.is_empty() || pointer.starts_with('/')) && pointer.matches('/').count() <= POINTER_STEPS_MAX
}

impl Pointers {
    /// The slot of a pointer; the same pointer gets the same slot.
    pub fn add(&mut self, pointer: &str) -> usize {
        let mut node = &mut self.root;
        for step in pointer.split('/').skip(1) {
            let key = step.replace("~1", "/").replace("~0", "~");
            let at = node.children.iter().position(|child| child.key == key).unwrap_or(node.children.len());
            if at == node.children.len() {
                node.children.push(Node { index: as_index(&key), key, ..Node::default() });
            }
            node = &mut node.children[at];
        }
        *node.slot.get_or_insert_with(|| {
            self.names.push(pointer.into());
            self.names.len() - 1
        })
    }

    /// The pointer of a slot, as it was added.
    pub fn name(&self, slot: usize) -> &str {
        self.names.get(slot).map_or("", |name| name)
    }

    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    pub fn find<'a>(&self, body: &'a [u8]) -> Found<'a> {
        if self.is_empty() || too_deep(body) {
            return Found::default();
        }
        let mut values = vec![None; self.names.len()];
        let mut deserializer = serde_json::Deserializer::from_slice(body);
        let walk = Walk { node: &self.root, found: &mut values };
        match walk.deserialize(&mut deserializer).and_then(|()| deserializer.end()) {
            Ok(()) => Found { values, is_json: true },
            Err(_) => Found::default(),
        }
    }
}

/// The name of an object's first member that is not excepted.
pub(crate) fn first_key(object: &str, except: &[Box<str>]) -> Option<String> {
    struct First<'e>(&'e [Box<str>]);
    impl<'de> Visitor<'de> for First<'_> {
        type Value = Option<String>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut first = None;
            while let Some((key, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
                if first.is_none() && !self.0.iter().any(|except| **except == *key) {
                    first = Some(key);
                }
            }
            Ok(first)
        }
    }
    serde_json::Deserializer::from_str(object).deserialize_map(First(except)).ok().flatten()
}

/// RFC 6901: no sign, no leading zero.
fn as_index(key: &str) -> Option<usize> {
    let plain = key.bytes().all(|byte| byte.is_ascii_digit()) && (key == "0" || !key.starts_with('0'));
    plain.then(|| key.parse().ok()).flatten()
}

/// Whether brackets nest deeper than is read. A body with few brackets is not looked at twice.
fn too_deep(body: &[u8]) -> bool {
    if memchr::memchr2_iter(b'{', b'[', body).nth(DEPTH_MAX).is_none() {
        return false;
    }
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0usize, 0usize, false, false);
    for byte in body {
        match (in_string, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b'{' | b'[') => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest > DEPTH_MAX
}

struct Walk<'n, 'f, 'de> {
    node: &'n Node,
    found: &'f mut [Option<&'de RawValue>],
}

impl<'de> DeserializeSeed<'de> for Walk<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let Some(slot) = self.node.slot else {
            return deserializer.deserialize_any(self);
        };
        let raw = <&RawValue as serde::Deserialize>::deserialize(deserializer)?;
        self.found[slot] = Some(raw);
        if self.node.children.is_empty() {
            return Ok(());
        }
        // Wanted whole and in part: its own text is walked again.
        let mut inner = serde_json::Deserializer::from_str(raw.get());
        inner.deserialize_any(self).map_err(D::Error::custom)
    }
}

impl<'de> Visitor<'de> for Walk<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(child) = map.next_key_seed(ChildOf(self.node))? {
            match child {
                Some(node) => map.next_value_seed(Walk { node, found: self.found })?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        for index in 0usize.. {
            let child = self.node.children.iter().find(|child| child.index == Some(index));
            let more = match child {
                Some(node) => items.next_element_seed(Walk { node, found: self.found })?.is_some(),
                None => items.next_element::<IgnoredAny>()?.is_some(),
            };
            if !more {
                break;
            }
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// Reads a key and says which child it names, without keeping its text.
struct ChildOf<'n>(&'n Node);

impl<'de, 'n> DeserializeSeed<'de> for ChildOf<'n> {
    type Value = Option<&'n Node>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'n> Visitor<'_> for ChildOf<'n> {
    type Value = Option<&'n Node>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }
    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.children.iter().find(|child| child.key == key))
    }
}

/// The items of the array at `pointer` as ranges of `body`: exactly the sender's bytes.
/// `None` if there is no such array, or if it has more than [`CHILDREN_MAX`] items.
pub(crate) fn split(body: &[u8], pointer: &Pointers) -> Option<Vec<Range<usize>>> {
    let array = pointer.find(body).raw(0)?;
    let Items(items) = serde_json::from_str(array).ok()?;
    let start_of = |part: &str| (part.as_ptr() as usize) - (body.as_ptr() as usize);
    Some(items.into_iter().map(|item| start_of(item.get())..start_of(item.get()) + item.get().len()).collect())
}

struct Items<'a>(Vec<&'a RawValue>);

impl<'de> serde::Deserialize<'de> for Items<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bounded;
        impl<'de> Visitor<'de> for Bounded {
            type Value = Items<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an array of at most {CHILDREN_MAX} items")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut found = Vec::new();
                while let Some(item) = items.next_element()? {
                    if found.len() == CHILDREN_MAX {
                        return Err(A::Error::invalid_length(CHILDREN_MAX + 1, &self));
                    }
                    found.push(item);
                }
                Ok(Items(found))
            }
        }
        deserializer.deserialize_seq(Bounded)
    }
}

#[cfg(test)]
#[path = "json/tests.rs"]
mod tests;
