//! Mail as bytes: addresses, and one message of plain text. What it is sent with is `smtp`.
//!
//! Nothing that a sender or a person wrote can add a header or a recipient: addresses are checked when configured, and
//! every other text is encoded.

pub(super) mod smtp;

use std::fmt::Write as _;

use data_encoding::BASE64;
use domain::Timestamp;

/// Longest address (RFC 5321, 4.5.3.1.3, less its brackets).
const ADDRESS_BYTES_MAX: usize = 254;
const NAME_CHARS_MAX: usize = 100;
/// Longest line of a body in base64 (RFC 2045, 6.8).
const LINE_CHARS: usize = 76;
/// Bytes of a text that one encoded word holds: with what is around them, 75 characters (RFC 2047, 2).
const WORD_BYTES: usize = 42;

/// An address, and perhaps whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    name: String,
    address: String,
}

impl Mailbox {
    /// Reads `ops@example.com` or `Operations <ops@example.com>`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (name, address) = match text.strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
            Some((name, address)) => (name.trim().trim_matches('"'), address),
            None => ("", text),
        };
        let named = name.chars().count() <= NAME_CHARS_MAX && !name.chars().any(|c| c.is_control() || c == '"');
        (named && is_address(address)).then(|| Self { name: name.to_owned(), address: address.to_owned() })
    }

    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    fn domain(&self) -> &str {
        self.address.rsplit_once('@').map_or("localhost", |(_, domain)| domain)
    }

    fn header(&self) -> String {
        match self.name.as_str() {
            "" => self.address.clone(),
            name => format!("{} <{}>", encoded(name), self.address),
        }
    }
}

/// The common form of an address, without quoting and comments.
fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let dotted =
        |part: &str, fits: fn(u8) -> bool| part.split('.').all(|label| !label.is_empty() && label.bytes().all(fits));
    text.len() <= ADDRESS_BYTES_MAX
        && dotted(local, |byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&byte))
        && dotted(domain, |byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// One message.
#[derive(Clone, Debug)]
pub struct Letter<'l> {
    pub from: &'l Mailbox,
    pub to: &'l [Mailbox],
    pub subject: &'l str,
    pub text: &'l str,
    /// Letters, digits and `_`: the same for every try of this message.
    pub id: &'l str,
    /// The same for all messages of one cause, so that they are shown together.
    pub thread: &'l str,
    pub at: Timestamp,
}

impl Letter<'_> {
    /// The whole message, its lines ended as they are sent.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let domain = self.from.domain();
        let mut out = String::new();
        let mut header = |name: &str, value: &str| {
            let _ = write!(out, "{name}: {value}\r\n");
        };
        header("Date", &date(self.at));
        header("From", &self.from.header());
        header("To", &self.to.iter().map(Mailbox::header).collect::<Vec<_>>().join(",\r\n "));
        header("Subject", &encoded(self.subject));
        header("Message-ID", &format!("<{}@{domain}>", self.id));
        header("References", &format!("<{}@{domain}>", self.thread));
        header("Auto-Submitted", "auto-generated");
        header("MIME-Version", "1.0");
        header("Content-Type", "text/plain; charset=utf-8");
        header("Content-Transfer-Encoding", "base64");
        out.push_str("\r\n");
        let body = BASE64.encode(self.text.replace('\n', "\r\n").as_bytes());
        for line in body.as_bytes().chunks(LINE_CHARS) {
            out.push_str(&String::from_utf8_lossy(line));
            out.push_str("\r\n");
        }
        out.into_bytes()
    }
}

/// A time as mail writes it.
fn date(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_microsecond(at.as_micros()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    at.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

/// A text in a header: as it is where it is plain and short, else as encoded words, folded.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b" -_./'!".contains(&byte);
    if text.bytes().all(plain) && text.len() <= LINE_CHARS - "Subject: ".len() && !text.is_empty() {
        return text.to_owned();
    }
    let mut words = vec![String::new()];
    for c in text.chars() {
        // A character is never cut in two.
        if words.last().is_some_and(|word| word.len() + c.len_utf8() > WORD_BYTES) {
            words.push(String::new());
        }
        words.last_mut().into_iter().for_each(|word| word.push(c));
    }
    let words = words.iter().map(|word| format!("=?utf-8?B?{}?=", BASE64.encode(word.as_bytes())));
    words.collect::<Vec<_>>().join("\r\n ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_in_their_common_form_and_nothing_else_is() {
        for (text, address) in [
            ("ops@example.com", "ops@example.com"),
            ("Operations <ops+page@mail.example.com>", "ops+page@mail.example.com"),
            ("\"Übung, die\" <o@x>", "o@x"),
        ] {
            assert_eq!(Mailbox::parse(text).expect(text).address(), address);
        }
        for text in [
            "",
            "ops",
            "@x",
            "ops@",
            "a b@x",
            "a@x\r\nBcc: b@y",
            "a@x>, b@y",
            "N <a@x> b",
            "a..b@x",
            "a@x..y",
            "N\r\nTo: b@y <a@x>",
            "<a@x",
            "\"a\"b\" <a@x>",
        ] {
            assert_eq!(Mailbox::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_message_is_what_mail_programs_read() {
        let from = Mailbox::parse("Trireme <alerts@example.com>").expect("an address");
        let to = ["ops@example.com", "Ärztin <doc@example.com>"].map(|text| Mailbox::parse(text).expect(text));
        let letter = Letter {
            from: &from,
            to: &to,
            subject: "Critical: destination 'app' fails\r\nBcc: everyone@example.com and a long text that is folded",
            text: "One line\n.\nand ü\n",
            id: "ntc_1",
            thread: "alr_1",
            at: "2026-01-04T09:05:07Z".parse().expect("a time"),
        };
        let text = String::from_utf8(letter.bytes()).expect("ASCII");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.starts_with("Date: Sun, 04 Jan 2026 09:05:07 +0000\r\nFrom: Trireme <alerts@example.com>\r\nTo: ops@example.com,\r\n =?utf-8?B?"));
        assert!(head.contains("\r\nMessage-ID: <ntc_1@example.com>\r\nReferences: <alr_1@example.com>\r\n"));
        assert!(!head.to_lowercase().contains("bcc"), "{head}");
        assert!(text.lines().all(|line| line.len() <= 78), "{text}");
        let words = head.split("=?utf-8?B?").skip(2).map(|word| word.split("?=").next().expect("an end"));
        let subject: Vec<u8> = words.flat_map(|word| BASE64.decode(word.as_bytes()).expect("base64")).collect();
        assert_eq!(String::from_utf8(subject).expect("text"), letter.subject);
        let body = BASE64.decode(body.replace("\r\n", "").as_bytes()).expect("base64");
        assert_eq!(body, "One line\r\n.\r\nand ü\r\n".as_bytes());
        assert_eq!(encoded("plain words"), "plain words");
    }
}
