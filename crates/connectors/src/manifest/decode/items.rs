//! The elements of one array inside a large JSON document, one at a time: what is around them is passed over without
//! being held. The path is names joined by dots; an array on the way counts as the name `item`.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::io::{self, BufReader, Read as Bytes};

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::lines::too_long;
use super::value::Shape;
use super::{Charset, DecodeError, Sink};

const FORMAT: &str = "JSON";
/// What elements of an array are called on a path.
const ELEMENT: &str = "item";

pub(super) fn parse(
    body: &mut dyn Bytes,
    path: &str,
    charset: Charset,
    sink: &mut Sink<'_>,
) -> Result<(), DecodeError> {
    let path = format!("{path}.{ELEMENT}");
    let read = Cell::new(0);
    let metered = Metered { body: charset.reader(body), read: &read, item_bytes_max: sink.limits.item_bytes };
    let mut json = serde_json::Deserializer::from_reader(BufReader::new(metered));
    let mut shape = Shape::default();
    let walk = Walk { rest: &path, read: &read, shape: &mut shape, sink };
    let walked = walk.deserialize(&mut json).and_then(|()| json.end());
    match walked {
        Err(_) if sink.done.stopped => Ok(()),
        Err(error) if error.is_io() => Err(sink.fault(error.into(), FORMAT)),
        Err(error) if error.is_eof() => Err(DecodeError::Truncated { format: FORMAT, items: sink.done.items }),
        Err(error) => Err(DecodeError::malformed(FORMAT, error.to_string())),
        Ok(()) => Ok(()),
    }
}

/// Counts what is read since the last step of the walk, because that is what may have to be held.
struct Metered<'a> {
    body: Box<dyn Bytes + 'a>,
    read: &'a Cell<usize>,
    item_bytes_max: usize,
}

impl Bytes for Metered<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.body.read(buffer)?;
        self.read.set(self.read.get() + read);
        match self.read.get() > self.item_bytes_max {
            true => Err(too_long(self.item_bytes_max).into_io()),
            false => Ok(read),
        }
    }
}

/// A value on the way to the items.
struct Walk<'a, 's> {
    /// What of the path is still to go.
    rest: &'a str,
    read: &'a Cell<usize>,
    shape: &'a mut Shape,
    sink: &'a mut Sink<'s>,
}

/// Where a name leads.
enum Step<'a> {
    /// To an item.
    Here,
    /// Towards the items.
    Into(&'a str),
    Elsewhere,
}

fn step<'a>(rest: &'a str, name: &str) -> Step<'a> {
    match rest.strip_prefix(name) {
        Some("") => Step::Here,
        Some(rest) => rest.strip_prefix('.').map_or(Step::Elsewhere, Step::Into),
        None => Step::Elsewhere,
    }
}

/// A value, read as what the step that led to it asks for.
struct Taken<'a, 's> {
    step: Step<'a>,
    read: &'a Cell<usize>,
    shape: &'a mut Shape,
    sink: &'a mut Sink<'s>,
}

impl<'de> DeserializeSeed<'de> for Taken<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.read.set(0);
        match self.step {
            Step::Here => {
                let item = self.shape.seed().deserialize(deserializer)?;
                match self.sink.give(item) {
                    true => Ok(()),
                    false => Err(D::Error::custom("the receiver has enough")),
                }
            }
            Step::Into(rest) => {
                Walk { rest, read: self.read, shape: self.shape, sink: self.sink }.deserialize(deserializer)
            }
            Step::Elsewhere => IgnoredAny::deserialize(deserializer).map(|_| ()),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<Cow<'_, str>>()? {
            let step = step(self.rest, &name);
            map.next_value_seed(Taken { step, read: self.read, shape: self.shape, sink: self.sink })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        loop {
            let step = step(self.rest, ELEMENT);
            let taken = Taken { step, read: self.read, shape: &mut *self.shape, sink: &mut *self.sink };
            if elements.next_element_seed(taken)?.is_none() {
                return Ok(());
            }
        }
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
