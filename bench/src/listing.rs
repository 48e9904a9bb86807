//! A source to be read: one loopback server with a list in pages, each pointing to the next, so that what is measured of
//! a reader is the reader. Its threads' CPU time is not the reader's.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::error::BenchError;
use crate::stopwatch::Stopwatch;

/// Bytes of each record: what records of common sources have in the middle.
pub const RECORD_BYTES: usize = 486;
/// Records of each page.
pub const PAGE_RECORDS: u64 = 100;
/// Largest request that is read; a reader's have a few hundred bytes.
const REQUEST_BYTES_MAX: usize = 16 * 1024;
/// Names the page in the query.
const PAGE_PARAMETER: &str = "page=";

/// What a reader needs to read the list: written by us, in the format that it is there to run.
const MANIFEST: &str = include_str!("listing/manifest.yaml");

/// Properties in the schema of each stream that is there for the manifest's length.
const PROPERTIES: usize = 24;

/// A running source.
pub struct Listing {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    records: u64,
    served: AtomicU64,
    stopwatch: Stopwatch,
    first: OnceLock<Duration>,
    stopped: AtomicBool,
}

impl Listing {
    /// Serves a list of so many records.
    ///
    /// # Errors
    /// When no loopback port or thread can be had.
    pub fn start(records: u64) -> Result<Self, BenchError> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(BenchError::io("listen on loopback"))?;
        let address = listener.local_addr().map_err(BenchError::io("read the source's address"))?;
        let shared = Arc::new(Shared {
            records,
            served: AtomicU64::new(0),
            stopwatch: Stopwatch::start(),
            first: OnceLock::new(),
            stopped: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("listing".to_owned()).spawn(move || accept(&listener, &serving));
        thread.map_err(BenchError::io("start the source's thread"))?;
        Ok(Self { address, shared })
    }

    /// The manifest that reads it.
    #[must_use]
    pub fn manifest(&self) -> String {
        MANIFEST.replace("$BASE", &format!("http://{}", self.address))
    }

    /// The same with more streams, until it is about so long.
    #[must_use]
    pub fn manifest_of(&self, bytes: usize) -> String {
        let manifest = self.manifest();
        let (head, tail) = manifest.split_once("\nspec:").unwrap_or((&manifest, ""));
        let mut text = head.to_owned();
        let mut number = 0;
        while text.len() + tail.len() < bytes {
            number += 1;
            write_stream(&mut text, number, self.address);
        }
        format!("{text}\nspec:{tail}")
    }

    /// What its requests are timed with.
    #[must_use]
    pub fn stopwatch(&self) -> Stopwatch {
        self.shared.stopwatch
    }

    /// When the first request came.
    #[must_use]
    pub fn first_request(&self) -> Option<Duration> {
        self.shared.first.get().copied()
    }

    /// How many pages were asked for.
    #[must_use]
    pub fn pages_served(&self) -> u64 {
        self.shared.served.load(Relaxed)
    }
}

impl Drop for Listing {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Relaxed);
        // Wakes the thread that waits for a connection; it sees that it is over.
        let _ = TcpStream::connect(self.address);
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for connection in listener.incoming() {
        if shared.stopped.load(Relaxed) {
            return;
        }
        let (Ok(connection), shared) = (connection, Arc::clone(shared)) else { continue };
        // A thread that cannot be had is a connection that stands still, which the reader reports.
        let _ = std::thread::Builder::new().name("listing".to_owned()).spawn(move || serve(connection, &shared));
    }
}

/// Answers requests of one connection until it ends.
fn serve(mut connection: TcpStream, shared: &Shared) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let mut request = Vec::new();
    let mut page = String::new();
    while read_request(&mut connection, &mut request)? {
        shared.first.get_or_init(|| shared.stopwatch.elapsed());
        let number = page_of(&request);
        shared.served.fetch_add(1, Relaxed);
        write_page(&mut page, number, shared.records);
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", page.len());
        connection.write_all(head.as_bytes())?;
        connection.write_all(page.as_bytes())?;
        request.clear();
    }
    Ok(())
}

/// Whether there was one more request. Requests have no bodies here.
fn read_request(connection: &mut TcpStream, request: &mut Vec<u8>) -> io::Result<bool> {
    let mut piece = [0; 4096];
    while !request.ends_with(b"\r\n\r\n") {
        let read = connection.read(&mut piece)?;
        if read == 0 || request.len() > REQUEST_BYTES_MAX {
            return Ok(false);
        }
        request.extend_from_slice(&piece[..read]);
    }
    Ok(true)
}

/// The page that the query names; the first if it names none.
fn page_of(request: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(request);
    let line = text.lines().next().unwrap_or_default();
    let named = line.split(['?', '&', ' ']).find_map(|part| part.strip_prefix(PAGE_PARAMETER));
    named.and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn write_page(page: &mut String, number: u64, records: u64) {
    page.clear();
    page.push_str(r#"{"data":["#);
    let first = number * PAGE_RECORDS;
    let end = (first + PAGE_RECORDS).min(records);
    for id in first..end {
        if id > first {
            page.push(',');
        }
        write_record(page, id);
    }
    page.push_str("],");
    let next = if end < records { format!("\"next\":\"{}\"}}", number + 1) } else { "\"next\":null}".to_owned() };
    page.push_str(&next);
}

/// A stream as large manifests have them: nothing shared, a schema written out.
fn write_stream(text: &mut String, number: usize, address: SocketAddr) {
    write!(
        text,
        r#"
  - type: DeclarativeStream
    name: more_{number}
    primary_key: [id]
    retriever:
      type: SimpleRetriever
      requester:
        type: HttpRequester
        url_base: http://{address}
        path: "more/{number}/{{{{ config['region'] or 'all' }}}}"
        authenticator: {{ type: BearerAuthenticator, api_token: "{{{{ config['token'] }}}}" }}
      record_selector: {{ type: RecordSelector, extractor: {{ type: DpathExtractor, field_path: [data] }} }}
    schema_loader:
      type: InlineSchemaLoader
      schema:
        type: object
        properties:"#
    )
    .expect("a String takes any text");
    for property in 0..PROPERTIES {
        let kind = ["string", "integer", "number", "boolean"][property % 4];
        write!(
            text,
            "\n          property_{property}:\n            type: [\"null\", {kind}]\n            description: What it says."
        )
        .expect("a String takes any text");
    }
}

/// A record as sources have them: a key, a time, a few fields of each kind, and text.
fn write_record(page: &mut String, id: u64) {
    let begin = page.len();
    let (day, second) = (id / 86_400 % 28 + 1, id % 86_400);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    write!(
        page,
        r#"{{"id":{id},"updated_at":"2024-01-{day:02}T{hour:02}:{minute:02}:{second:02}Z","name":"Customer {id}","email":"customer-{id}@example.com","active":{},"balance":{}.5,"tags":["a","b"],"address":{{"city":"Berlin","zip":"10115"}},"note":""#,
        id.is_multiple_of(2),
        id % 1_000,
    )
    .expect("a String takes any text");
    let closing = "\"}".len();
    for letter in 0..RECORD_BYTES.saturating_sub(page.len() - begin + closing) {
        page.push(char::from(b'a' + (letter % 26) as u8));
    }
    page.push_str("\"}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_have_their_size_and_pages_their_records() {
        for id in [0, 7, 99_999, 199_999] {
            let mut record = String::new();
            write_record(&mut record, id);
            assert_eq!(record.len(), RECORD_BYTES, "{record}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&record).unwrap()["id"], id);
        }
        let mut page = String::new();
        for (number, records, next) in [(0, 100, serde_json::json!("1")), (2, 50, serde_json::Value::Null)] {
            write_page(&mut page, number, 250);
            let page: serde_json::Value = serde_json::from_str(&page).unwrap();
            assert_eq!((page["data"].as_array().unwrap().len(), &page["next"]), (records, &next));
        }
    }

    #[test]
    fn a_manifest_can_be_as_long_as_real_ones() {
        let listing = Listing::start(1).unwrap();
        assert_eq!(listing.manifest_of(0), listing.manifest());
        let long = listing.manifest_of(100_000);
        assert!((100_000..105_000).contains(&long.len()), "{}", long.len());
        assert!(long.starts_with(listing.manifest().split_once("\nspec:").unwrap().0) && long.contains("more_2"));
    }

    #[test]
    fn the_query_says_which_page() {
        for (request, page) in [
            ("GET /items HTTP/1.1\r\n\r\n", 0),
            ("GET /items?page=17 HTTP/1.1\r\n\r\n", 17),
            ("GET /items?since=2024&page=3&x=1 HTTP/1.1\r\n\r\n", 3),
            ("GET /items?subpage=3 HTTP/1.1\r\n\r\n", 0),
        ] {
            assert_eq!(page_of(request.as_bytes()), page, "{request}");
        }
    }

    #[test]
    fn pages_come_over_one_connection() {
        let listing = Listing::start(150).unwrap();
        let mut connection = TcpStream::connect(listing.address).unwrap();
        for (page, records) in [(0, 100), (1, 50)] {
            write!(connection, "GET /items?page={page} HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
            let mut answer = Vec::new();
            let mut piece = [0; 4096];
            let whole = |answer: &[u8]| {
                let text = String::from_utf8_lossy(answer);
                let (head, body) = text.split_once("\r\n\r\n")?;
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
                (body.len() == length.parse::<usize>().ok()?).then(|| body.to_owned())
            };
            let text = loop {
                let read = connection.read(&mut piece).unwrap();
                answer.extend_from_slice(&piece[..read]);
                if let Some(body) = whole(&answer) {
                    break body;
                }
            };
            assert_eq!(text.matches("\"id\":").count(), records);
        }
        assert_eq!(listing.pages_served(), 2);
    }
}
