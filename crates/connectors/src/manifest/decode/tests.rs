//! What bodies decode to. The expected values were observed in the reference implementation (7.39.1).

mod archive;
mod formats;
mod rounds;
mod table;

use std::io::{self, Read as Bytes};
use std::ops::ControlFlow;

use serde_json::{Value as Json, json};

use super::*;
use crate::manifest::node::Document;

/// The decoder of a manifest.
fn decoder(written: &Json) -> Decoder {
    try_decoder(written).expect("a decoder")
}

fn try_decoder(written: &Json) -> Result<Decoder, Problem> {
    let document = Document::from_json(&json!({ "type": "SimpleRetriever", "decoder": written }));
    document.root().need("decoder")
}

/// Everything that comes out, in any of the ways that bodies are given in.
fn decode(decoder: &Decoder, body: &[u8]) -> Result<Vec<Json>, DecodeError> {
    let mut items = Vec::new();
    let mut each = |item| {
        items.push(item);
        ControlFlow::Continue(())
    };
    decoder.decode(&mut Drops(body), &mut each)?;
    Ok(items)
}

fn code(decoder: &Decoder, body: &[u8]) -> &'static str {
    match decode(decoder, body) {
        Ok(items) => panic!("it gave {items:?}"),
        Err(error) => error.code(),
    }
}

/// A body that comes byte by byte.
struct Drops<'a>(&'a [u8]);

impl Bytes for Drops<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(1);
        self.0.read(&mut buffer[..length])
    }
}
