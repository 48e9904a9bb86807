//! What sources answer, for every decoder of a manifest: it ends within its limits, says why it stopped, and gives the
//! same for a body that comes in pieces as for the whole.

use std::io::{self, Read};
use std::ops::ControlFlow;

use bolero::check;
use connectors::manifest::decode::{Decoded, Decoder, Limits, Table};
use connectors::manifest::node::Document;
use serde_json::{Value as Json, json};

use crate::mutation::{Edit, Tally, damaged, effort};

const LIMITS: Limits =
    Limits { document_bytes: 32 * 1024, item_bytes: 64 * 1024, inflated_bytes: 256 * 1024, archive_entries: 4 };
/// A gzip of two lines of JSON.
const GZIP: &[u8] =
    b"\x1f\x8b\x08\0\0\0\0\0\x02\xff\xabVJT\xb22\xac\xe5\xaaVJR\xb2\x8a6\xd41\x8a\xad\xe5\x02\0w=\x99\r\x14\0\0\0";
/// An archive of one stored file with one row.
const ZIP: &[u8] = b"PK\x03\x04\x14\0\0\0\0\0\0\0!\0V4\xa2\xd1\x04\0\0\0\x04\0\0\0\x01\0\0\0an\n1\nPK\x01\x02\x14\x03\x14\0\0\0\0\0\0\0!\0V4\xa2\xd1\x04\0\0\0\x04\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\x80\x01\0\0\0\0aPK\x05\x06\0\0\0\0\x01\0\x01\0/\0\0\0#\0\0\0\0\0";

fn seeds() -> Vec<(Json, &'static [u8])> {
    let csv = json!({ "type": "CsvDecoder" });
    vec![
        (
            json!({ "type": "JsonDecoder" }),
            br#"{"data":[{"id":1,"name":"\ud83d\ude00"},{"id":2.5e3,"on":NaN}],"next":null}"#,
        ),
        (json!({ "type": "JsonlDecoder" }), b"{\"id\":1}\n\n[1,2]\nnull\r\n"),
        (json!({ "type": "IterableDecoder" }), b"one\r\ntwo\rthree\n"),
        (
            json!({ "type": "JsonItemsDecoder", "items_path": "a.item.b" }),
            br#"{"x":[1,{}],"a":[{"b":[1,{"c":2}]},{"b":[3]}]}"#,
        ),
        (csv.clone(), b"a,b,\"c\"\n1,\"x\n\"\"y\",\n\n1,2,3,4\n"),
        (
            json!({ "type": "CsvDecoder", "encoding": "utf-16", "delimiter": ";" }),
            b"\xff\xfea\0;\0b\0\n\x001\0;\0\xe9\0\n\0",
        ),
        (
            json!({ "type": "XmlDecoder" }),
            b"<?xml version='1.0' encoding='iso-8859-1'?><a k='v&amp;'><b>1</b>t<b/><![CDATA[<]]></a>",
        ),
        (json!({ "type": "GzipDecoder", "decoder": { "type": "JsonlDecoder" } }), GZIP),
        (json!({ "type": "ZipfileDecoder", "decoder": csv }), ZIP),
    ]
}

fn decoder(written: &Json) -> Decoder {
    let document = Document::from_json(&json!({ "type": "SimpleRetriever", "decoder": written }));
    document.root().need("decoder").expect("a decoder")
}

/// A body in pieces of this length.
struct Pieces<'a>(&'a [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(self.1);
        self.0.read(&mut buffer[..length])
    }
}

type Ended = Result<(Decoded, Vec<Json>), &'static str>;

fn decode(decoder: &Decoder, body: &[u8], piece: usize) -> Ended {
    let mut items = Vec::new();
    let mut each = |item| {
        items.push(item);
        ControlFlow::Continue(())
    };
    let decoded = decoder.decode_within(&mut Pieces(body, piece), &LIMITS, &mut each);
    decoded.map(|decoded| (decoded, items)).map_err(|error| error.code())
}

#[test]
fn bodies_of_any_kind() {
    let seeds: Vec<(Decoder, &[u8])> = seeds().into_iter().map(|(written, body)| (decoder(&written), body)).collect();
    let tallies: Vec<Tally> = seeds.iter().map(|_| Tally::default()).collect();
    for (at, (decoder, body)) in seeds.iter().enumerate() {
        let whole = decode(decoder, body, usize::MAX);
        assert!(whole.is_ok(), "{decoder:?}: {whole:?}");
        tallies[at].note(true);
        tallies[at].note(decode(decoder, b"\xff\"<PK", usize::MAX).is_ok());
    }
    let (time, inputs) = effort(6_000);
    check!().with_test_time(time).with_iterations(inputs).with_type::<(u8, u8, Vec<Edit>)>().for_each(
        |(pick, piece, edits)| {
            let at = usize::from(*pick) % seeds.len();
            let (decoder, body) = &seeds[at];
            let body = damaged(body, &edits[..edits.len().min(3)]);
            let whole = decode(decoder, &body, usize::MAX);
            tallies[at].note(whole.is_ok());
            // Which of two mistakes is met first may depend on the pieces; that there is one may not.
            let pieces = decode(decoder, &body, usize::from(*piece) + 1);
            assert_eq!(pieces.as_ref().ok(), whole.as_ref().ok(), "{decoder:?} of {body:?}");
            if let Ok((decoded, items)) = whole {
                assert_eq!(decoded.items, items.len() as u64);
                assert!(serde_json::to_vec(&items).is_ok());
            }
        },
    );
    for (tally, (decoder, _)) in tallies.iter().zip(&seeds) {
        tally.check(&format!("{decoder:?}"));
    }
}

#[test]
fn tables_of_any_kind() {
    let seed = b"a,,a\n1,\"x\ny\",NA\n\n2,null\n";
    let tally = Tally::default();
    let look = |body: &[u8]| {
        let mut rows = 0;
        let decoded = Table::default().decode_within(&mut &*body, &LIMITS, &mut |row| {
            rows += 1;
            assert!(row.is_object());
            ControlFlow::Continue(())
        });
        tally.note(decoded.is_ok());
        if let Ok(decoded) = decoded {
            assert_eq!(decoded.items, rows);
        }
    };
    look(seed);
    look(b"a\n\"");
    let (time, inputs) = effort(2_000);
    check!().with_test_time(time).with_iterations(inputs).with_type::<Vec<Edit>>().for_each(|edits| {
        look(&damaged(seed, &edits[..edits.len().min(3)]));
    });
    tally.check("tables");
}
