//! What is shown: who listens to what, and each message with its reply. In a pipe, one line of tabs each, the fields
//! that differ from run to run last, so that two runs can be compared.

use data_encoding::BASE64;
use serde_json::{Value, json};

use super::local::{Brought, Reply};
use crate::exit::Outcome;
use crate::output::{Output, aside, clean};

/// Of a reply that is no success: what fits beside its line.
const REPLY_CHARS: usize = 100;

/// Where a listener begins.
pub enum Place {
    Now,
    Since(String),
    /// Where it stood. `passed_over`: somebody wished for another place, which a name that is known does not take.
    Kept {
        passed_over: bool,
    },
}

pub fn begin(name: &str, source: &str, to: &str, from: &Place, secret: &str, with_keys: bool) {
    aside(format!("Listening to {} as '{}', for {}", clean(source), clean(name), clean(to)));
    aside(match from {
        Place::Now => "It is new, and begins with what comes from now on.".to_owned(),
        Place::Since(since) => format!("It is new, and begins with what was received since {}.", clean(since)),
        Place::Kept { passed_over: false } => "It goes on after what was answered last.".to_owned(),
        Place::Kept { passed_over: true } => format!(
            "It goes on after what was answered last: --since counts for a new name only (`trireme listen --forget {}` \
             makes it new).",
            clean(name)
        ),
    });
    aside(format!("Each message is signed (Standard Webhooks) with {secret}"));
    if with_keys {
        aside("r replays the last one, a number and Enter replays that one, q quits.");
    }
}

pub fn end(name: &str) {
    aside(format!("The gateway keeps the place of '{}': the same command goes on from here.", clean(name)));
}

/// One message and its reply.
pub fn exchange(output: Output, number: u64, replayed: bool, message: &Brought, reply: &Reply) -> Outcome {
    if output.is_json() {
        return output.json(&as_json(number, replayed, message, reply));
    }
    output.line(if output.is_terminal() {
        for_people(number, replayed, message, reply)
    } else {
        for_pipes(number, message, reply)
    })
}

fn status(reply: &Reply) -> String {
    match &reply.answer {
        Ok((status, _)) => status.to_string(),
        Err(error) => error.code().to_owned(),
    }
}

fn for_people(number: u64, replayed: bool, message: &Brought, reply: &Reply) -> String {
    let time = reply.at.to_string();
    // To the second, without the date: this is read as it happens.
    let time = time.get(11..19).unwrap_or(&time);
    let mark = if replayed { "↻" } else { "→" };
    let [kind, subject, event] = [&message.event_type, &message.subject, &message.event].map(|text| clean(text));
    let (status, millis) = (status(reply), reply.duration.as_millis());
    let line = format!("{time}  #{number:<4} {mark} {status}  {kind:<28} {subject:<20} {millis:>5} ms  {event}");
    match said(reply) {
        Some(said) => format!("{line}\n          {said}"),
        None => line,
    }
}

/// What a reply says for itself that is no success.
fn said(reply: &Reply) -> Option<String> {
    let text = match &reply.answer {
        Ok((200..=299, _)) => return None,
        Ok((_, body)) => String::from_utf8_lossy(body).into_owned(),
        Err(error) => error.to_string(),
    };
    let line = text.lines().find(|line| !line.trim().is_empty())?;
    let shown: String = line.trim().chars().take(REPLY_CHARS).collect();
    Some(clean(&shown).into_owned())
}

fn for_pipes(number: u64, message: &Brought, reply: &Reply) -> String {
    let millis = reply.duration.as_millis().to_string();
    let fields = [
        number.to_string(),
        message.event_type.clone(),
        message.subject.clone(),
        status(reply),
        message.event.clone(),
        reply.at.to_string(),
        millis,
    ];
    fields.map(|field| clean(&field).into_owned()).join("\t")
}

fn as_json(number: u64, replayed: bool, message: &Brought, reply: &Reply) -> Value {
    let (status, body, error) = match &reply.answer {
        Ok((status, body)) => (Some(*status), Some(body), None),
        Err(error) => (None, None, Some(json!({ "code": error.code(), "detail": error.to_string() }))),
    };
    json!({
        "number": number, "replayed": replayed, "event": message.event, "type": message.event_type,
        "subject": message.subject, "status": status, "at": reply.at.to_string(),
        "duration_ms": u64::try_from(reply.duration.as_millis()).unwrap_or(u64::MAX),
        "reply_base64": body.map(|body| BASE64.encode(body)), "error": error,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use domain::Timestamp;

    use super::*;

    fn message() -> Brought {
        Brought {
            event: "evt_1".to_owned(),
            event_type: "push\u{1b}[2J".to_owned(),
            subject: "repo/1".to_owned(),
            ..Brought::default()
        }
    }

    fn reply(status: u16, body: &'static str) -> Reply {
        let answer = Ok((status, Bytes::from_static(body.as_bytes())));
        Reply { at: Timestamp::from_secs(1_700_000_000), duration: Duration::from_millis(14), answer }
    }

    #[test]
    fn a_pipe_gets_tabs_with_what_differs_from_run_to_run_last() {
        let line = for_pipes(3, &message(), &reply(200, "ok"));
        let expected = "3\tpush\u{fffd}[2J\trepo/1\t200\tevt_1\t2023-11-14T22:13:20.000000Z\t14";
        assert_eq!(line, expected);
    }

    #[test]
    fn people_see_what_a_program_says_of_its_failure_and_nothing_that_steers_their_terminal() {
        let line = for_people(3, false, &message(), &reply(500, "\n  boom \u{1b}[31m\nmore"));
        assert!(line.starts_with("22:13:20  #3    → 500  push\u{fffd}[2J"), "{line}");
        assert!(line.ends_with("   14 ms  evt_1\n          boom \u{fffd}[31m"), "{line}");
        assert!(!for_people(3, false, &message(), &reply(204, "fine")).contains('\n'));
        let gone = Reply { answer: Err(engine::transport::SendError::ConnectFailed("refused".into())), ..reply(0, "") };
        assert!(for_people(3, true, &message(), &gone).contains("connect_failed"));
    }
}
