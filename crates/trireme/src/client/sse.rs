//! Server-sent events, read from pieces that may end anywhere.

/// Longest message that is kept: an event's payload has at most 25 MiB, and JSON may escape every byte of a text.
const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Where to go on after this one.
    pub id: Option<String>,
    pub event: Option<String>,
    pub data: String,
}

/// Puts pieces together into messages.
#[derive(Default)]
pub struct Reader {
    rest: Vec<u8>,
    /// How much of `rest` is known to hold no line break.
    searched: usize,
    message: Message,
    has_data: bool,
    /// Without data it only says how far the gateway got.
    has_id: bool,
}

/// The stream holds a message that is larger than any that a gateway sends.
#[derive(Debug, PartialEq, Eq)]
pub struct TooLarge;

impl Reader {
    /// The messages that this piece completes.
    pub fn push(&mut self, piece: &[u8]) -> Result<Vec<Message>, TooLarge> {
        self.rest.extend_from_slice(piece);
        let mut messages = Vec::new();
        let (mut start, mut from) = (0, self.searched);
        while let Some(length) = self.rest[from..].iter().position(|&byte| byte == b'\n') {
            let end = from + length;
            let line = String::from_utf8_lossy(&self.rest[start..end]).into_owned();
            messages.extend(self.line(line.strip_suffix('\r').unwrap_or(&line)));
            (start, from) = (end + 1, end + 1);
        }
        self.rest.drain(..start);
        self.searched = self.rest.len();
        if self.rest.len() + self.message.data.len() > MESSAGE_BYTES_MAX { Err(TooLarge) } else { Ok(messages) }
    }

    fn line(&mut self, line: &str) -> Option<Message> {
        if line.is_empty() {
            let message = std::mem::take(&mut self.message);
            let told = std::mem::take(&mut self.has_data) | std::mem::take(&mut self.has_id);
            return told.then_some(message);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => {
                self.message.id = Some(value.to_owned());
                self.has_id = true;
            }
            "event" => self.message.event = Some(value.to_owned()),
            "data" => {
                if self.has_data {
                    self.message.data.push('\n');
                }
                self.message.data.push_str(value);
                self.has_data = true;
            }
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &[u8] =
        b": hello\n\nid: 7\nevent: event\ndata: {\"a\":\ndata: 1}\n\nretry: 5\n\nid: 8\r\ndata: \xc3\xa4\r\n\r\n: heartbeat\nid: 9\n\ndata: cut";

    #[test]
    fn messages_are_the_same_wherever_the_pieces_end() {
        let whole = Reader::default().push(STREAM);
        let first = Message { id: Some("7".into()), event: Some("event".into()), data: "{\"a\":\n1}".into() };
        let second = Message { id: Some("8".into()), event: None, data: "ä".into() };
        let progress = Message { id: Some("9".into()), ..Message::default() };
        assert_eq!(whole, Ok(vec![first, second, progress]));
        for size in 1..STREAM.len() {
            let mut reader = Reader::default();
            let mut messages = Vec::new();
            for piece in STREAM.chunks(size) {
                messages.extend(reader.push(piece).expect("small"));
            }
            assert_eq!(Ok(messages), whole, "pieces of {size}");
        }
    }
}
