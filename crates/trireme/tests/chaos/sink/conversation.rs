//! One connection of the sink: reads requests, judges their signature and bytes, and does what the destination does.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64;
use ring::hmac;

use super::{Arrival, Behaviour, DESTINATION_SECRET, State};
use crate::http::find;
use crate::payload::Message;
use crate::wait::pause;

/// Longest request that is read: deliveries are smaller, but for the poison.
const REQUEST_BYTES_MAX: usize = 64 * 1024 * 1024;
/// One byte in this time is what a dripping destination sends.
const DRIP: Duration = Duration::from_secs(1);

struct Delivery {
    path: String,
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

impl Delivery {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

pub(super) fn hold(mut stream: TcpStream, state: &State, generation: u32) {
    // Fails only when the peer is gone, which the first read tells.
    let _ = stream.set_nodelay(true);
    let mut buffer = Vec::new();
    while let Ok(Some(delivery)) = read(&mut stream, &mut buffer) {
        if !take(&mut stream, state, generation, delivery) {
            return;
        }
    }
}

/// Notes a delivery and answers it; false when the connection is over.
fn take(stream: &mut TcpStream, state: &State, generation: u32, delivery: Delivery) -> bool {
    let Some(destination) = delivery.path.strip_prefix("/d/") else {
        state.note_problem(format!("a request for {}", delivery.path));
        return false;
    };
    let behaviour = state.behaviour(destination);
    let Some(mut arrival) = judge(state, destination, &delivery) else { return false };
    arrival.late = state.is_late(generation);
    arrival.status = status(behaviour, &arrival);
    let status = arrival.status;
    state.note(arrival, &delivery.body);
    match behaviour {
        Behaviour::Hang => wait_for_the_end(stream),
        Behaviour::Drip => drip(stream),
        // Closing with a zero linger is what makes the kernel send a reset.
        Behaviour::Reset => drop(socket2::SockRef::from(&*stream).set_linger(Some(Duration::ZERO))),
        Behaviour::Healthy | Behaviour::Status(_) | Behaviour::Stubborn(_) => return answer(stream, status).is_ok(),
    }
    false
}

fn status(behaviour: Behaviour, arrival: &Arrival) -> u16 {
    match behaviour {
        Behaviour::Healthy => 200,
        Behaviour::Status(status) => status,
        Behaviour::Stubborn(tries) => {
            let refused = arrival.message.map_or(0, |message| (message.key % u64::from(tries + 1)) as u32);
            if arrival.attempt <= refused { 503 } else { 200 }
        }
        Behaviour::Hang | Behaviour::Drip | Behaviour::Reset => 0,
    }
}

/// The arrival of a delivery that is as it has to be; anything else is a problem.
fn judge(state: &State, destination: &str, delivery: &Delivery) -> Option<Arrival> {
    if let Err(problem) = check_signature(delivery) {
        state.note_problem(problem);
    }
    let Ok(event) = delivery.header("trireme-event-id").parse() else {
        state.note_problem(format!("a delivery without the id of its event: {:?}", delivery.headers));
        return None;
    };
    let start = find(&delivery.body, b"{\"action\":\"edited\"");
    let message = start.and_then(|start| Message::read(&delivery.body[start..]));
    if let (Some(start), Some(message)) = (start, message)
        && !delivery.body[start..].starts_with(message.body().as_bytes())
    {
        state.note_problem(format!("message {} arrived with other bytes than were sent", message.key));
    }
    Some(Arrival {
        destination: Arc::from(destination),
        message,
        event,
        webhook_id: delivery.header("webhook-id").into(),
        attempt: delivery.header("trireme-attempt").parse().unwrap_or(0),
        replay: !delivery.header("trireme-replay").is_empty(),
        status: 0,
        late: false,
    })
}

fn check_signature(delivery: &Delivery) -> Result<(), String> {
    let secret = DESTINATION_SECRET.strip_prefix("whsec_").expect("the form of such a secret");
    let secret = BASE64.decode(secret.as_bytes()).expect("the secret is base64");
    let (id, time) = (delivery.header("webhook-id"), delivery.header("webhook-timestamp"));
    let mut signed = format!("{id}.{time}.").into_bytes();
    signed.extend_from_slice(&delivery.body);
    let given = delivery.header("webhook-signature").strip_prefix("v1,").unwrap_or_default();
    let given = BASE64.decode(given.as_bytes()).unwrap_or_default();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
    hmac::verify(&key, &signed, &given).map_err(|_| format!("the signature of '{id}' is wrong"))
}

fn answer(stream: &mut TcpStream, status: u16) -> io::Result<()> {
    write!(stream, "HTTP/1.1 {status} Chaos\r\ncontent-length: 2\r\n\r\nok")
}

fn wait_for_the_end(stream: &mut TcpStream) {
    let mut ignored = [0; 256];
    while matches!(stream.read(&mut ignored), Ok(1..)) {}
}

fn drip(stream: &mut TcpStream) {
    for byte in b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n".iter().chain(std::iter::repeat(&b'x')) {
        if stream.write_all(&[*byte]).is_err() {
            break;
        }
        pause(DRIP);
    }
    let _ = stream.shutdown(Shutdown::Both);
}

/// The next request; `None` when the peer is done.
fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Option<Delivery>> {
    let end = loop {
        if let Some(end) = find(buffer, b"\r\n\r\n") {
            break end;
        }
        if !more(stream, buffer)? {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let path = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
    let pairs = lines.filter_map(|line| line.split_once(':'));
    let headers: HashMap<_, _> =
        pairs.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    let length = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    while buffer.len() < end + 4 + length {
        if !more(stream, buffer)? {
            return Ok(None);
        }
    }
    let body = buffer[end + 4..end + 4 + length].to_vec();
    buffer.drain(..end + 4 + length);
    Ok(Some(Delivery { path, headers, body }))
}

fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<bool> {
    let mut piece = [0; 16 * 1024];
    let count = stream.read(&mut piece)?;
    buffer.extend_from_slice(&piece[..count]);
    if buffer.len() > REQUEST_BYTES_MAX {
        return Err(io::Error::other("a request without end"));
    }
    Ok(count > 0)
}
