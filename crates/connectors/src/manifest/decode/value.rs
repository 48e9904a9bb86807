//! Builds JSON values with room for as many fields as the last mapping at the same depth had: the records of a page are
//! alike, so that mappings rarely grow while they are filled. Otherwise the same as what serde_json builds.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Error, Map, Value as Json};

/// Depths that are told apart; what is deeper is rare.
const DEPTHS: usize = 8;
/// Most fields that room is made for: one unusual mapping must not make all others large.
const FIELDS_MAX: usize = 64;

/// How many fields the last mapping at each depth had.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shape([u8; DEPTHS]);

impl Shape {
    /// The value of a whole text.
    pub fn read(&mut self, text: &str) -> Result<Json, Error> {
        let mut json = serde_json::Deserializer::from_str(text);
        let value = self.seed().deserialize(&mut json)?;
        json.end()?;
        Ok(value)
    }

    pub fn seed(&mut self) -> Seed<'_> {
        Seed { shape: self, depth: 0 }
    }
}

/// Reads one value. Its depth is bounded by serde_json.
pub(super) struct Seed<'a> {
    shape: &'a mut Shape,
    depth: usize,
}

impl Seed<'_> {
    fn inner(&mut self) -> Seed<'_> {
        Seed { shape: self.shape, depth: self.depth + 1 }
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Json, A::Error> {
        let Some(first) = map.next_key()? else { return Ok(Json::Object(Map::new())) };
        let level = self.depth.min(DEPTHS - 1);
        let mut fields = Map::with_capacity(self.shape.0[level].into());
        fields.insert(first, map.next_value_seed(self.inner())?);
        while let Some(key) = map.next_key()? {
            fields.insert(key, map.next_value_seed(self.inner())?);
        }
        self.shape.0[level] = u8::try_from(fields.len().min(FIELDS_MAX)).unwrap_or(u8::MAX);
        Ok(Json::Object(fields))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = elements.next_element_seed(self.inner())? {
            items.push(item);
        }
        Ok(Json::Array(items))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::String(text.to_owned()))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Json, E> {
        Ok(Json::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Json, E> {
        Ok(number.into())
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }
}
