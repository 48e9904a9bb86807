//! What holds for all contents: what is written is what is read, however the body is cut into chunks, and no bytes at
//! all bring a decoder down.

use proptest::prelude::*;

use super::*;

fn arbitrary_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<f64>().prop_filter("finite", |float| float.is_finite()).prop_map(Json::from),
        ".*".prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
            prop::collection::vec((".{0,8}", inner), 0..6)
                .prop_map(|fields| Json::Object(fields.into_iter().collect())),
        ]
    })
}

/// A body in chunks of these lengths.
struct Chunks<'a> {
    body: &'a [u8],
    lengths: std::iter::Cycle<std::slice::Iter<'a, usize>>,
}

impl Bytes for Chunks<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.lengths.next().copied().unwrap_or(1).clamp(1, buffer.len());
        self.body.read(&mut buffer[..length])
    }
}

fn in_chunks(decoder: &Decoder, body: &[u8], lengths: &[usize]) -> Result<Vec<Json>, &'static str> {
    let mut items = Vec::new();
    let mut each = |item| {
        items.push(item);
        ControlFlow::Continue(())
    };
    let decoded = decoder.decode(&mut Chunks { body, lengths: lengths.iter().cycle() }, &mut each);
    decoded.map_err(|error| error.code())?;
    Ok(items)
}

/// One decoder of each kind.
fn decoders() -> Vec<Decoder> {
    let json = json!({ "type": "JsonDecoder" });
    [
        json.clone(),
        json!({ "type": "JsonlDecoder" }),
        json!({ "type": "IterableDecoder" }),
        json!({ "type": "CsvDecoder", "delimiter": ";" }),
        json!({ "type": "CsvDecoder", "encoding": "utf-16" }),
        json!({ "type": "JsonItemsDecoder", "items_path": "a.item.b", "encoding": "latin-1" }),
        json!({ "type": "XmlDecoder" }),
        json!({ "type": "GzipDecoder", "decoder": json }),
        json!({ "type": "ZipfileDecoder", "decoder": { "type": "JsonlDecoder" } }),
    ]
    .iter()
    .map(decoder)
    .collect()
}

fn quoted(field: &str) -> String {
    format!("\"{}\"", field.replace('"', "\"\""))
}

proptest! {
    #[test]
    fn json_is_read_as_it_was_written(items in prop::collection::vec(arbitrary_json(), 1..5)) {
        let page = serde_json::to_vec(&items).expect("memory");
        prop_assert_eq!(&decode(&Decoder::Json, &page).expect("a page"), &items);
        prop_assert_eq!(&Decoder::Json.page(&page).expect("a page"), &items);
        let lines: Vec<String> = items.iter().map(Json::to_string).collect();
        prop_assert_eq!(&decode(&Decoder::Jsonl, lines.join("\n").as_bytes()).expect("lines"), &items);
        let nested = serde_json::to_vec(&json!({ "x": 1, "a": { "b": items }, "y": [] })).expect("memory");
        let decoder = decoder(&json!({ "type": "JsonItemsDecoder", "items_path": "a.b" }));
        prop_assert_eq!(&decode(&decoder, &nested).expect("items"), &items);
    }

    #[test]
    fn a_page_that_is_cut_anywhere_is_an_error(items in prop::collection::vec(arbitrary_json(), 1..4), cut: prop::sample::Index) {
        let page = serde_json::to_vec(&items).expect("memory");
        let cut = 1 + cut.index(page.len() - 1);
        prop_assert_eq!(code(&Decoder::Json, &page[..cut]), "reply_truncated");
    }

    #[test]
    fn csv_is_read_as_it_was_written(rows in prop::collection::vec(prop::collection::vec("[^\r\u{0}]{0,6}", 3), 0..5)) {
        let text: String = rows
            .iter()
            .map(|row| row.iter().map(|field| quoted(field)).collect::<Vec<_>>().join(",") + "\r\n")
            .collect();
        let expected: Vec<Json> =
            rows.iter().map(|row| json!({ "a": row[0], "b": row[1], "c": row[2] })).collect();
        let csv = decoder(&json!({ "type": "CsvDecoder" }));
        prop_assert_eq!(decode(&csv, format!("a,b,c\n{text}").as_bytes()).expect("rows"), expected);
    }

    #[test]
    fn chunks_give_what_the_whole_gives(
        body in prop_oneof![
            "[\"a;b\n\r,{}\\[\\]:1 ]{0,60}",
            "(\\{\"a\": ?\\[\\{\"b\":\\[1,\"é\"\\]\\}\\]\\}\n?){0,3}",
            "(<a k='v'>|</a>|<b/>|t|&lt;){0,9}",
        ],
        lengths in prop::collection::vec(1_usize..9, 1..5),
    ) {
        for decoder in decoders() {
            let whole = in_chunks(&decoder, body.as_bytes(), &[usize::MAX]);
            prop_assert_eq!(in_chunks(&decoder, body.as_bytes(), &lengths), whole, "{:?}", decoder);
        }
    }

    #[test]
    fn no_bytes_bring_a_decoder_down(body: Vec<u8>, start in prop::sample::select(vec![&b""[..], b"\x1f\x8b\x08\0", b"PK\x03\x04", b"<?xml", b"\xff\xfe"])) {
        let body = [start, &body].concat();
        for decoder in decoders() {
            let _ = decode(&decoder, &body);
        }
    }
}
