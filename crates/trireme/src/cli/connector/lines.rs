//! Writes what a reading tells as lines on stdout. Each record is serialised once, straight into the buffer that the
//! kernel takes; whoever reads the pipe sets the pace.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use engine::clock::SharedClock;
use engine::reading::{Closed, ConfigWriter, Learned, Level, Listener, Told};
use futures_util::future::BoxFuture;
use serde_json::Value;

use super::message;
use super::secrets::Secrets;
use super::tally::Tally;
use crate::exit::{Failure, Outcome};

/// So much is gathered before it is written: a pipe's usual capacity.
const BUFFER_BYTES: usize = 64 * 1024;

pub struct Lines {
    out: Mutex<Out>,
    clock: SharedClock,
    secrets: Secrets,
    tally: Tally,
}

struct Out {
    sink: Box<dyn Write + Send>,
    buffer: Vec<u8>,
    /// Records of each stream since its last state.
    since_state: HashMap<Arc<str>, u64>,
    broken: Option<io::Error>,
}

impl Lines {
    pub fn new(sink: Box<dyn Write + Send>, clock: SharedClock, secrets: Secrets, tally: Tally) -> Self {
        let buffer = Vec::with_capacity(BUFFER_BYTES * 2);
        let out = Out { sink, buffer, since_state: HashMap::new(), broken: None };
        Self { out: Mutex::new(out), clock, secrets, tally }
    }

    /// What a source gives on the way, which no message shows either.
    pub fn learned(&self) -> &Arc<Learned> {
        &self.secrets.learned
    }

    /// Writes a message at once, without secrets.
    pub fn say(&self, message: &Value) -> Result<(), Closed> {
        self.write_line(&self.secrets.mask(&message.to_string()))
    }

    fn write_line(&self, line: &str) -> Result<(), Closed> {
        let mut out = self.lock();
        out.buffer.extend_from_slice(line.as_bytes());
        out.buffer.push(b'\n');
        out.flush()
    }

    fn now_ms(&self) -> i64 {
        self.clock.now().as_millis()
    }

    fn records(&self, stream: &Arc<str>, records: &[Value]) -> Result<(), Closed> {
        let now_ms = self.now_ms();
        let mut out = self.lock();
        let head = format!(r#"{{"type":"RECORD","record":{{"stream":{},"data":"#, Value::from(&**stream));
        let tail = format!(",\"emitted_at\":{now_ms}}}}}\n");
        for record in records {
            out.buffer.extend_from_slice(head.as_bytes());
            // Values have only text as keys, so nothing of them can fail to be JSON.
            let written = write_record(&mut out.buffer, record);
            out.buffer.extend_from_slice(tail.as_bytes());
            written.map_err(|error| out.break_off(error.into()))?;
            if out.buffer.len() >= BUFFER_BYTES {
                out.flush()?;
            }
        }
        let count = records.len() as u64;
        match out.since_state.get_mut(stream) {
            Some(since) => *since += count,
            None => drop(out.since_state.insert(Arc::clone(stream), count)),
        }
        drop(out);
        self.tally.add(stream, count);
        Ok(())
    }

    fn take(&self, told: Told) -> Result<(), Closed> {
        match told {
            Told::Records { stream, records, .. } => self.records(&stream, &records),
            Told::State { stream, state } => {
                let records = self.lock().since_state.insert(Arc::clone(&stream), 0).unwrap_or(0);
                // A state is ours to give back unchanged: nothing in it is masked.
                self.write_line(&message::state(&stream, &state, records).to_string())
            }
            Told::Standing { stream, standing } => {
                self.tally.standing(&stream, standing);
                self.say(&message::standing(&stream, standing, self.now_ms()))
            }
            Told::Failed { stream, failure } => self.say(&message::error(stream.as_deref(), &failure, self.now_ms())),
            Told::PassedOver { .. } | Told::Note { level: Level::Debug, .. } => Ok(()),
            Told::Note { level, message } => self.say(&message::log(level, &message)),
        }
    }

    /// Writes what is left, and says why writing ended if it ended early.
    pub fn finish(&self) -> Outcome {
        self.tally.finish();
        let mut out = self.lock();
        // What failed is in `broken`.
        let _ = out.flush();
        out.broken.take().map_or(Ok(()), |error| Err(Failure::output(&error)))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Out {
    fn flush(&mut self) -> Result<(), Closed> {
        if self.broken.is_some() {
            return Err(Closed);
        }
        let written = self.sink.write_all(&self.buffer).and_then(|()| self.sink.flush());
        self.buffer.clear();
        written.map_err(|error| self.break_off(error))
    }

    fn break_off(&mut self, error: io::Error) -> Closed {
        self.broken.get_or_insert(error);
        Closed
    }
}

/// A record as the protocol prints it: a field that is null is one that is not there.
fn write_record(buffer: &mut Vec<u8>, record: &Value) -> serde_json::Result<()> {
    let Value::Object(fields) = record else { return serde_json::to_writer(buffer, record) };
    let mut separator = b'{';
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
        buffer.push(separator);
        serde_json::to_writer(&mut *buffer, name)?;
        buffer.push(b':');
        serde_json::to_writer(&mut *buffer, value)?;
        separator = b',';
    }
    if separator == b'{' {
        buffer.push(b'{');
    }
    buffer.push(b'}');
    Ok(())
}

impl Listener for Lines {
    fn tell(&self, told: Told) -> BoxFuture<'_, Result<(), Closed>> {
        Box::pin(std::future::ready(self.take(told)))
    }
}

impl ConfigWriter for Lines {
    /// Whoever drives a connector keeps what a CONTROL message says. It is flushed to the kernel before this returns,
    /// which is all that a process without a store of its own can do.
    fn keep(&self, config: Arc<Value>) -> BoxFuture<'_, Result<(), String>> {
        let line = message::control(&config, self.now_ms()).to_string();
        let written = self.write_line(&line).map_err(|Closed| "stdout is closed".to_owned());
        Box::pin(std::future::ready(written))
    }
}

#[cfg(test)]
mod tests {
    use connectors::manifest::slice::Slice;
    use engine::clock::SystemClock;
    use engine::reading::Standing;
    use serde_json::json;

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Gone;

    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::Error::from(io::ErrorKind::BrokenPipe))
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines(sink: Box<dyn Write + Send>) -> Lines {
        let secrets = Secrets::new(vec!["s3cret-value".to_owned()]);
        Lines::new(sink, SystemClock::shared(), secrets, Tally::silent())
    }

    #[tokio::test]
    async fn states_count_the_records_since_the_one_before() {
        let shared = Shared::default();
        let lines = lines(Box::new(shared.clone()));
        let stream: Arc<str> = "a \"quoted\" name".into();
        for records in [vec![json!({ "id": 1 }), json!({ "id": 2 })], vec![json!({ "id": 3 })]] {
            let slice = Arc::new(Slice::whole());
            lines.tell(Told::Records { stream: Arc::clone(&stream), records, place: None, slice }).await.unwrap();
        }
        for _ in 0..2 {
            lines.tell(Told::State { stream: Arc::clone(&stream), state: json!({ "c": 1 }) }).await.unwrap();
        }
        lines.finish().unwrap();
        let text = String::from_utf8(shared.0.lock().unwrap().clone()).unwrap();
        let messages: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(messages.len(), 5);
        assert_eq!(messages[2]["record"]["data"], json!({ "id": 3 }));
        assert_eq!(messages[0]["record"]["stream"], *stream);
        assert!(messages[0]["record"]["emitted_at"].as_i64().is_some_and(|at| at > 1_700_000_000_000));
        assert_eq!(messages[3]["state"]["sourceStats"]["recordCount"], 3.0);
        assert_eq!(messages[4]["state"]["sourceStats"]["recordCount"], 0.0);
    }

    #[test]
    fn fields_that_are_null_are_left_out_of_a_record_but_not_out_of_what_is_in_it() {
        for (record, text) in [
            (json!({ "a": null }), "{}"),
            (json!({}), "{}"),
            (json!({ "a": null, "b": 1, "c": { "d": null }, "e": [null] }), r#"{"b":1,"c":{"d":null},"e":[null]}"#),
            (json!("text"), r#""text""#),
        ] {
            let mut written = Vec::new();
            write_record(&mut written, &record).unwrap();
            assert_eq!(String::from_utf8(written).unwrap(), text);
        }
    }

    #[tokio::test]
    async fn secrets_are_in_no_note_but_a_kept_configuration_is_whole() {
        let shared = Shared::default();
        let lines = lines(Box::new(shared.clone()));
        lines.tell(Told::Note { level: Level::Info, message: "sent s3cret-value".to_owned() }).await.unwrap();
        lines.keep(Arc::new(json!({ "token": "s3cret-value" }))).await.unwrap();
        let text = String::from_utf8(shared.0.lock().unwrap().clone()).unwrap();
        assert!(text.contains("sent ****") && text.contains(r#"{"token":"s3cret-value"}"#), "{text}");
        lines.learned().note("given-later");
        lines.tell(Told::Note { level: Level::Info, message: "got given-later".to_owned() }).await.unwrap();
        let text = String::from_utf8(shared.0.lock().unwrap().clone()).unwrap();
        assert!(text.contains("got ****") && !text.contains("given-later"), "{text}");
    }

    #[tokio::test]
    async fn a_reader_that_went_away_ends_the_reading_quietly() {
        let lines = lines(Box::new(Gone));
        let told = Told::Standing { stream: "a".into(), standing: Standing::Started };
        assert_eq!(lines.tell(told).await, Err(Closed));
        let failure = lines.finish().unwrap_err();
        assert!(failure.is_silent());
    }
}
