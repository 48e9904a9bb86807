//! One connection of the sink: requests in, the destination's behaviour out.

use std::sync::atomic::Ordering::Relaxed;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Behaviour, State};
use crate::stopwatch::PreciseTimer;
use crate::wire::{self, Message, WireError};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const UNAVAILABLE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
const NOT_FOUND: &[u8] = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
/// Room for a delivery with its head: the body, its envelope and a dozen headers.
const REQUEST_BYTES: usize = 4096;

/// Serves until the peer is done. An error means that something arrived which is not a readable request; that a peer
/// breaks its connection (a killed gateway does) is none.
pub(super) async fn serve(stream: &mut TcpStream, state: &State) -> Result<(), WireError> {
    // Fails only when the peer is gone already, which the first read finds out.
    let _ = stream.set_nodelay(true);
    let mut buffer = Vec::with_capacity(REQUEST_BYTES);
    loop {
        let message = match wire::read(stream, &mut buffer).await {
            Ok(Some(message)) => message,
            Ok(None) | Err(WireError::Io(_) | WireError::Truncated) => return Ok(()),
            Err(error) => return Err(error),
        };
        if !answer(stream, state, &message, &buffer).await {
            return Ok(());
        }
        buffer.drain(..message.total());
    }
}

/// Does what the destination does; false when the connection is over.
async fn answer(stream: &mut TcpStream, state: &State, message: &Message, buffer: &[u8]) -> bool {
    let Some(destination) = state.destination(buffer) else {
        return stream.write_all(NOT_FOUND).await.is_ok();
    };
    let behaviour = *destination.behaviour.read().expect("no holder of this lock can panic");
    match behaviour {
        Behaviour::Healthy => {}
        Behaviour::Slow(time) => match PreciseTimer::new() {
            Ok(timer) => drop(timer.wait(time).await),
            Err(error) => state.note_unreadable(&error.to_string()),
        },
        Behaviour::Hang | Behaviour::Unavailable | Behaviour::Reset => {
            destination.denied.fetch_add(1, Relaxed);
            return deny(stream, behaviour).await;
        }
    }
    state.record(destination, message, buffer);
    stream.write_all(OK).await.is_ok()
}

async fn deny(stream: &mut TcpStream, behaviour: Behaviour) -> bool {
    match behaviour {
        Behaviour::Unavailable => return stream.write_all(UNAVAILABLE).await.is_ok(),
        // Closing with a zero linger is what makes the kernel send a reset.
        Behaviour::Reset => drop(stream.set_zero_linger()),
        Behaviour::Hang => hold(stream).await,
        Behaviour::Healthy | Behaviour::Slow(_) => {}
    }
    false
}

/// Says nothing until the peer gives up.
async fn hold(stream: &mut TcpStream) {
    let mut ignored = [0; 256];
    while matches!(stream.read(&mut ignored).await, Ok(1..)) {}
}
