//! Handing one message to a mail server (RFC 5321, 3207, 4954): greet, change to TLS, log in, name sender and recipients,
//! give the message. A password never goes over a connection that could be read.

use data_encoding::BASE64;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::channel::{Spoken, Trouble};
use crate::spec::{MailSecurity, Secret};
use crate::transport::Wire;

/// Longest line of a reply; the standard has 512 bytes.
const LINE_BYTES_MAX: usize = 4 * 1024;
/// Most lines of a reply: servers name some twenty extensions.
const LINES_MAX: usize = 100;

/// What is told to whom.
pub struct Submission<'s> {
    /// What this machine calls itself.
    pub hello: &'s str,
    pub security: MailSecurity,
    pub login: Option<&'s (String, Secret)>,
    pub from: &'s str,
    pub to: Vec<&'s str>,
    pub message: &'s [u8],
}

/// Hands it over; gives what the server said of it.
pub async fn submit(wire: Wire, submission: &Submission<'_>) -> Result<Spoken, Trouble> {
    let mut session = Session { wire, unread: Vec::new() };
    session.reply().await?.wanted(220, "the greeting")?;
    let mut offers = session.greet(submission.hello).await?;
    if submission.security == MailSecurity::StartTls {
        if !offers.has("STARTTLS") {
            let problem = "the server offers no STARTTLS; with 'tls: tls' (port 465) the connection begins with TLS";
            return Err(Trouble::lasting("no_starttls", problem));
        }
        session = session.secured().await?;
        offers = session.greet(submission.hello).await?;
    }
    if let Some((user, password)) = submission.login {
        if submission.security == MailSecurity::None {
            return Err(Trouble::lasting("smtp_refused", "a password is not sent in the clear"));
        }
        session.log_in(&offers, user, password).await?;
    }
    session.say(&format!("MAIL FROM:<{}>", submission.from)).await?.wanted(250, "the sender")?;
    let refused = session.recipients(&submission.to).await?;
    session.say("DATA").await?.wanted(354, "the message")?;
    let said = session.give(submission.message).await?;
    // It has the message by now, whatever it says to this.
    let _ = session.say("QUIT").await;
    Ok(Spoken { said, complaint: refused })
}

struct Session {
    wire: Wire,
    unread: Vec<u8>,
}

/// What a server said: one code, and a text of one or more lines.
struct Reply {
    code: u16,
    lines: Vec<String>,
}

impl Reply {
    fn has(&self, extension: &str) -> bool {
        self.lines.iter().skip(1).any(|line| line.eq_ignore_ascii_case(extension))
    }

    /// The ways to log in that it offers.
    fn mechanisms(&self) -> impl Iterator<Item = &str> {
        let of = |line: &'_ str| line.get(..5).is_some_and(|word| word.eq_ignore_ascii_case("AUTH "));
        self.lines.iter().filter(move |line| of(line)).flat_map(|line| line[5..].split(' '))
    }

    fn text(&self) -> String {
        format!("{} {}", self.code, self.lines.join(" "))
    }

    fn wanted(self, code: u16, what: &str) -> Result<Self, Trouble> {
        if self.code == code {
            return Ok(self);
        }
        let problem = format!("the mail server did not take {what}: {}", self.text());
        // 4xx passes, and is tried again; what is 5xx stays so until somebody changes something.
        Err(if self.code >= 500 {
            Trouble::lasting("smtp_refused", problem)
        } else {
            Trouble::passing("smtp_refused", problem)
        })
    }
}

impl Session {
    async fn greet(&mut self, hello: &str) -> Result<Reply, Trouble> {
        self.say(&format!("EHLO {hello}")).await?.wanted(250, "our greeting")
    }

    async fn secured(mut self) -> Result<Self, Trouble> {
        self.say("STARTTLS").await?.wanted(220, "the change to TLS")?;
        if !self.unread.is_empty() {
            // Somebody in between put in what would be taken for the server's words.
            let problem = "the server said more than it may before TLS began";
            return Err(Trouble::lasting("smtp_refused", problem));
        }
        let wire = self.wire.secure().await.map_err(|error| Trouble::of_send(&error))?;
        Ok(Self { wire, unread: Vec::new() })
    }

    async fn log_in(&mut self, offers: &Reply, user: &str, password: &Secret) -> Result<(), Trouble> {
        let offered = |name: &str| offers.mechanisms().any(|own| own.eq_ignore_ascii_case(name));
        let last = if offered("PLAIN") {
            let both = zeroize::Zeroizing::new(format!("\0{user}\0{}", password.expose()));
            self.say(&format!("AUTH PLAIN {}", BASE64.encode(both.as_bytes()))).await?
        } else if offered("LOGIN") {
            self.say("AUTH LOGIN").await?.wanted(334, "the login")?;
            self.say(&BASE64.encode(user.as_bytes())).await?.wanted(334, "the user")?;
            self.say(&BASE64.encode(password.expose().as_bytes())).await?
        } else {
            let problem = "the mail server offers neither of the logins PLAIN and LOGIN";
            return Err(Trouble::lasting("smtp_refused", problem));
        };
        last.wanted(235, "the user and password").map(drop)
    }

    /// Gives what was said of those that were refused. If all were, there is nobody to send to.
    async fn recipients(&mut self, to: &[&str]) -> Result<Option<String>, Trouble> {
        let (mut refused, mut taken) = (Vec::new(), 0);
        for address in to {
            let reply = self.say(&format!("RCPT TO:<{address}>")).await?;
            if matches!(reply.code, 250 | 251) {
                taken += 1;
            } else if taken == 0 && refused.len() + 1 == to.len() {
                return reply.wanted(250, &format!("the recipient {address}")).map(|_| None);
            } else {
                refused.push(format!("{address}: {}", reply.text()));
            }
        }
        Ok((!refused.is_empty()).then(|| format!("the mail server refused {}", refused.join(", "))))
    }

    async fn give(&mut self, message: &[u8]) -> Result<String, Trouble> {
        let mut bytes = Vec::with_capacity(message.len() + 8);
        for line in message.split_inclusive(|byte| *byte == b'\n') {
            // A line that begins with a dot would end the message.
            if line.first() == Some(&b'.') {
                bytes.push(b'.');
            }
            bytes.extend_from_slice(line);
        }
        bytes.extend_from_slice(b".\r\n");
        self.write(&bytes).await?;
        Ok(self.reply().await?.wanted(250, "the message")?.text())
    }

    async fn say(&mut self, line: &str) -> Result<Reply, Trouble> {
        let line = zeroize::Zeroizing::new(format!("{line}\r\n"));
        self.write(line.as_bytes()).await?;
        self.reply().await
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        let written = async {
            self.wire.write_all(bytes).await?;
            self.wire.flush().await
        };
        written.await.map_err(|error| Trouble::passing("smtp_broken", format!("the connection broke: {error}")))
    }

    async fn reply(&mut self) -> Result<Reply, Trouble> {
        let wrong = |line: &str| Trouble::passing("smtp_broken", format!("this is no mail server; it said: {line}"));
        let mut lines = Vec::new();
        loop {
            let line = self.line().await?;
            let code = line.get(..3).and_then(|code| code.parse().ok()).ok_or_else(|| wrong(&line))?;
            lines.push(line.get(4..).unwrap_or_default().to_owned());
            match line.as_bytes().get(3) {
                Some(b'-') if lines.len() < LINES_MAX => {}
                Some(b' ') | None => return Ok(Reply { code, lines }),
                _ => return Err(wrong(&line)),
            }
        }
    }

    async fn line(&mut self) -> Result<String, Trouble> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                let text = String::from_utf8_lossy(&line);
                return Ok(text.trim_end().chars().map(|c| if c.is_control() { ' ' } else { c }).collect());
            }
            if self.unread.len() > LINE_BYTES_MAX {
                return Err(Trouble::passing("smtp_broken", "the mail server's lines do not end"));
            }
            let mut buffer = [0; 1024];
            let read = self.wire.read(&mut buffer).await;
            let read =
                read.map_err(|error| Trouble::passing("smtp_broken", format!("the connection broke: {error}")))?;
            if read == 0 {
                return Err(Trouble::passing("smtp_broken", "the mail server ended the connection"));
            }
            self.unread.extend_from_slice(&buffer[..read]);
        }
    }
}
