//! The requests that the generator sends: one kibibyte of JSON, its id at a fixed place, signed. Rendered once; for
//! each event only the id and the signature are patched into a copy.

use std::fmt::Write as _;
use std::net::SocketAddr;

use crate::signing::{Signer, Signing};

/// Size of every body: what performance figures of webhooks are commonly stated for.
pub const BODY_BYTES: usize = 1024;

/// Opens and closes the id in the body. A rare byte, so that the sink finds it with one scan wherever an envelope
/// has moved it to.
const MARK: u8 = b'~';
const ID_DIGITS: usize = 16;

/// One kind of request, ready but for its id.
#[derive(Clone)]
pub struct Template {
    bytes: Vec<u8>,
    id_in_head: Option<usize>,
    signature: usize,
    body: usize,
    id_in_body: usize,
    signer: Signer,
}

impl Template {
    /// A signed POST of a kibibyte to `path`.
    #[must_use]
    pub fn new(target: SocketAddr, path: &str, signing: &Signing) -> Self {
        let signer = signing.signer();
        let mut head = format!("POST {path} HTTP/1.1\r\nhost: {target}\r\ncontent-type: application/json\r\n");
        push(&mut head, format_args!("content-length: {BODY_BYTES}\r\n"));
        for (name, value) in &signing.headers {
            push(&mut head, format_args!("{name}: {value}\r\n"));
        }
        let id_in_head = signing.id_header.as_ref().map(|name| {
            push(&mut head, format_args!("{name}: "));
            let at = head.len();
            push(&mut head, format_args!("{:ID_DIGITS$}\r\n", 0));
            at
        });
        push(&mut head, format_args!("{}: {}", signing.header, signing.prefix));
        let signature = head.len();
        push(&mut head, format_args!("{}\r\n\r\n", " ".repeat(signer.length())));
        let (body, body_at) = (body(), head.len());
        let id_in_body = body_at + mark(&body).expect("the body is built with a mark") + 1;
        let bytes = [head.into_bytes(), body].concat();
        Self { bytes, id_in_head, signature, body: body_at, id_in_body, signer }
    }

    /// Writes the whole request of event `id` into `request`.
    pub fn render(&self, id: u64, request: &mut Vec<u8>) {
        request.clear();
        request.extend_from_slice(&self.bytes);
        let digits = hex(id);
        for at in self.id_in_head.into_iter().chain([self.id_in_body]) {
            request[at..at + ID_DIGITS].copy_from_slice(&digits);
        }
        let (head, body) = request.split_at_mut(self.body);
        self.signer.sign(body, &mut head[self.signature..self.signature + self.signer.length()]);
    }
}

/// The id that a delivery carries, wherever in `body` it stands.
#[must_use]
pub fn find_id(body: &[u8]) -> Option<u64> {
    let start = mark(body)? + 1;
    let digits = body.get(start..start + ID_DIGITS)?;
    if body.get(start + ID_DIGITS) != Some(&MARK) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

fn mark(body: &[u8]) -> Option<usize> {
    body.iter().position(|byte| *byte == MARK)
}

/// An order as a shop would send it, padded to exactly [`BODY_BYTES`].
fn body() -> Vec<u8> {
    let zero = String::from_utf8_lossy(&hex(0)).into_owned();
    let mut body = format!(r#"{{"type":"order.paid","bench_id":"~{zero}~","created":1790000000,"livemode":true,"#);
    body.push_str(
        r#""customer":{"id":"cus_4711","name":"Ada Lovelace","email":"ada@shop.example","tags":["eu","b2b"]},"#,
    );
    body.push_str(r#""amount":{"value":129.90,"currency":"EUR","tax":20.74},"items":["#);
    let item =
        |n: usize| format!(r#"{{"sku":"SKU-{n:04}","quantity":{n},"price":43.30,"name":"Oar, beech, no. {n}"}}"#);
    body.push_str(&(1..=6).map(item).collect::<Vec<_>>().join(","));
    body.push_str(r#"],"note":""#);
    let end = r#""}"#;
    body.push_str(&"trireme ".repeat(BODY_BYTES / 8)[..BODY_BYTES - body.len() - end.len()]);
    body.push_str(end);
    body.into_bytes()
}

fn hex(id: u64) -> [u8; ID_DIGITS] {
    let mut digits = [0; ID_DIGITS];
    data_encoding::HEXLOWER.encode_mut(&id.to_be_bytes(), &mut digits);
    digits
}

fn push(text: &mut String, part: std::fmt::Arguments<'_>) {
    text.write_fmt(part).expect("writing into a String cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing::Encoding;

    fn render(signing: &Signing, id: u64) -> (String, Vec<u8>) {
        let mut request = Vec::new();
        Template::new("127.0.0.1:80".parse().unwrap(), "/in/s0", signing).render(id, &mut request);
        let text = String::from_utf8(request).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.as_bytes().to_vec())
    }

    #[test]
    fn a_body_is_one_kibibyte_of_json_with_its_id() {
        for id in [0, 1, 999_999, u64::MAX] {
            let (head, body) = render(&Signing::generic_hmac("key"), id);
            assert_eq!(body.len(), BODY_BYTES);
            assert!(head.contains("content-length: 1024\r\n"), "{head}");
            assert!(serde_json::from_slice::<serde_json::Value>(&body).unwrap().is_object());
            assert_eq!(find_id(&body), Some(id));
        }
    }

    #[test]
    fn the_signature_covers_the_body_that_is_sent() {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"key");
        let mut signing = Signing::generic_hmac("key");
        signing.prefix = "sha256=".to_owned();
        let (head, body) = render(&signing, 7);
        let tag = head.lines().find_map(|line| line.strip_prefix("x-signature: sha256=")).unwrap();
        ring::hmac::verify(&key, &body, &data_encoding::HEXLOWER.decode(tag.as_bytes()).unwrap()).unwrap();

        signing.encoding = Encoding::Base64;
        let (head, body) = render(&signing, 8);
        let tag = head.lines().find_map(|line| line.strip_prefix("x-signature: sha256=")).unwrap();
        ring::hmac::verify(&key, &body, &data_encoding::BASE64.decode(tag.as_bytes()).unwrap()).unwrap();
    }

    #[test]
    fn providers_that_want_the_id_in_a_header_get_it() {
        let mut signing = Signing::new("github", "X-Hub-Signature-256", "key");
        signing.id_header = Some("X-GitHub-Delivery".to_owned());
        signing.headers = vec![("X-GitHub-Event".to_owned(), "push".to_owned())];
        let (head, _) = render(&signing, 0xbeef);
        assert!(head.contains("X-GitHub-Delivery: 000000000000beef\r\n"), "{head}");
        assert!(head.contains("X-GitHub-Event: push\r\n"), "{head}");
    }

    #[test]
    fn an_id_is_found_inside_an_envelope_and_nowhere_else() {
        let cases: [(&[u8], Option<u64>); 5] = [
            (br#"{"id":"evt_1","data":{"bench_id":"~00000000000000ff~"}}"#, Some(255)),
            (br#"{"bench_id":"~00000000000000ff"#, None),
            (br#"{"bench_id":"~00ff~"}"#, None),
            (br#"{"bench_id":"~zzzzzzzzzzzzzzzz~"}"#, None),
            (b"", None),
        ];
        for (body, id) in cases {
            assert_eq!(find_id(body), id, "{}", String::from_utf8_lossy(body));
        }
    }
}
