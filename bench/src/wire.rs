//! Just enough HTTP/1.1 to exchange messages of known length at the cost of a read and a write: the generator and
//! the sink share the machine with the product, so what they burn is taken from it. Never a general HTTP library.

use std::io;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// Longest message read: deliveries are a few KiB, so anything near this is not one.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// Where the parts of the message at the start of a buffer are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) head_bytes: usize,
    pub(crate) body_bytes: usize,
    /// Whether it carries a `webhook-signature`.
    pub(crate) signed: bool,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    #[error("the connection ended in the middle of a message")]
    Truncated,
    #[error("a message without content-length: chunked bodies are not read here")]
    Chunked,
    #[error("a content-length that is no number")]
    Length,
    #[error("a message longer than {MESSAGE_BYTES_MAX} bytes")]
    TooLong,
}

impl Message {
    /// Of the message at the start of `buffer`, once its head is complete.
    pub(crate) fn parse(buffer: &[u8]) -> Result<Option<Self>, WireError> {
        let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else {
            return if buffer.len() > MESSAGE_BYTES_MAX { Err(WireError::TooLong) } else { Ok(None) };
        };
        let mut message = Self { head_bytes: end + 4, body_bytes: 0, signed: false };
        for line in buffer[..end].split(|byte| *byte == b'\n').skip(1) {
            message.read_header(line)?;
        }
        if message.total() > MESSAGE_BYTES_MAX { Err(WireError::TooLong) } else { Ok(Some(message)) }
    }

    pub(crate) fn total(&self) -> usize {
        self.head_bytes.saturating_add(self.body_bytes)
    }

    pub(crate) fn body<'a>(&self, buffer: &'a [u8]) -> &'a [u8] {
        &buffer[self.head_bytes..self.total()]
    }

    fn read_header(&mut self, line: &[u8]) -> Result<(), WireError> {
        if let Some(value) = header(line, b"content-length:") {
            let text = std::str::from_utf8(value).map_err(|_| WireError::Length)?;
            self.body_bytes = text.trim().parse().map_err(|_| WireError::Length)?;
        } else if header(line, b"transfer-encoding:").is_some() {
            return Err(WireError::Chunked);
        } else if header(line, b"webhook-signature:").is_some() {
            self.signed = true;
        }
        Ok(())
    }
}

/// The status of the response at the start of `buffer`; 0 if there is none.
pub(crate) fn status(buffer: &[u8]) -> u16 {
    let digits = buffer.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// The path of the request at the start of `buffer`; empty if there is none.
pub(crate) fn path(buffer: &[u8]) -> &[u8] {
    buffer.split(|byte| *byte == b' ').nth(1).unwrap_or_default()
}

/// Reads until `buffer` begins with one whole message; `None` if the peer closed between two.
pub(crate) async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<Option<Message>, WireError> {
    loop {
        if let Some(message) = Message::parse(buffer)?.filter(|message| buffer.len() >= message.total()) {
            return Ok(Some(message));
        }
        if stream.read_buf(buffer).await? == 0 {
            return if buffer.is_empty() { Ok(None) } else { Err(WireError::Truncated) };
        }
    }
}

fn header<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (start, value) = line.split_at_checked(name.len())?;
    start.eq_ignore_ascii_case(name).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_ends_where_its_length_says() {
        let text = b"POST /d/17 HTTP/1.1\r\nContent-Length: 5\r\nWebhook-Signature: v1,x\r\n\r\nhelloNEXT";
        let message = Message::parse(text).unwrap().unwrap();
        assert_eq!(message.body(text), b"hello");
        assert!(message.signed);
        assert_eq!(path(text), b"/d/17");
    }

    #[test]
    fn a_message_without_a_body_is_its_head() {
        let text = b"HTTP/1.1 204 No Content\r\nDate: now\r\n\r\n";
        let message = Message::parse(text).unwrap().unwrap();
        assert_eq!((message.total(), message.signed, status(text)), (text.len(), false, 204));
    }

    #[test]
    fn an_unfinished_head_waits_for_more() {
        for text in ["", "POST", "POST / HTTP/1.1\r\ncontent-length: 5\r\n", "POST / HTTP/1.1\r\n\r"] {
            assert!(Message::parse(text.as_bytes()).unwrap().is_none(), "{text:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_by_name() {
        let cases = [
            ("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n", "chunked"),
            ("POST / HTTP/1.1\r\ncontent-length: many\r\n\r\n", "no number"),
            ("POST / HTTP/1.1\r\ncontent-length: 99999999\r\n\r\n", "longer than"),
            ("POST / HTTP/1.1\r\ncontent-length: 18446744073709551615\r\n\r\n", "longer than"),
        ];
        for (text, problem) in cases {
            let error = Message::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(problem), "{text:?}: {error}");
        }
    }

    #[test]
    fn nonsense_has_neither_status_nor_path() {
        for text in ["", "HTTP/1.1", "HTTP/1.1 abc", "x"] {
            assert_eq!(status(text.as_bytes()), 0, "{text:?}");
        }
        assert_eq!(path(b"x"), b"");
    }
}
