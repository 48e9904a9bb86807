//! A live stream that is taken up again where it ended, however often it breaks: the gateway starts anew, a proxy gives
//! up, the machine slept.

use std::collections::VecDeque;
use std::time::Duration;

use engine::clock::timeout;
use engine::transport::OpenResponse;

use super::{Gateway, Message, Reader, is_passing};
use crate::exit::{Failure, Outcome};
use crate::output::aside;

/// The first wait between two tries to get the stream back; each is twice the one before.
const AGAIN_FIRST: Duration = Duration::from_secs(1);
/// The longest: a gateway that comes back is noticed soon.
const AGAIN_MAX: Duration = Duration::from_secs(30);
/// The gateway gives a sign of life every 15 seconds. Without one for so long the connection is dead, although nobody
/// said so, as after a machine's sleep.
const SILENCE_MAX: Duration = Duration::from_secs(45);

pub struct Follow<'g> {
    gateway: &'g Gateway,
    path: String,
    /// The last message that was given: it goes on after this one.
    position: Option<String>,
    stream: Option<(OpenResponse, Reader)>,
    waiting: VecDeque<Message>,
    /// It was connected once: what fails now may pass.
    has_begun: bool,
    failed: u32,
}

impl<'g> Follow<'g> {
    #[must_use]
    pub fn new(gateway: &'g Gateway, path: String, position: Option<String>) -> Self {
        Self { gateway, path, position, stream: None, waiting: VecDeque::new(), has_begun: false, failed: 0 }
    }

    /// The next message. The first connection must succeed; one that breaks later is made again, and nothing is read
    /// ahead of what was given. It may be dropped while it waits.
    pub async fn next(&mut self) -> Outcome<Message> {
        loop {
            if let Some(message) = self.waiting.pop_front() {
                self.position = message.id.clone().or(self.position.take());
                return Ok(message);
            }
            match &mut self.stream {
                None => self.connect().await?,
                Some((stream, reader)) => match timeout(&*self.gateway.clock, SILENCE_MAX, stream.chunk()).await {
                    Ok(Some(Ok(piece))) => self.waiting.extend(reader.push(&piece).map_err(|_| too_large())?),
                    Ok(Some(Err(_)) | None) | Err(_) => self.lost(),
                },
            }
        }
    }

    fn lost(&mut self) {
        self.stream = None;
        aside("The connection ended; trying to go on where it was …");
    }

    async fn connect(&mut self) -> Outcome {
        if self.has_begun {
            self.gateway.clock.sleep(wait_after(self.failed)).await;
        }
        match self.gateway.open(&self.path, self.position.as_deref()).await {
            Ok(stream) => {
                if self.has_begun {
                    aside("Connected again.");
                }
                (self.has_begun, self.failed) = (true, 0);
                self.stream = Some((stream, Reader::default()));
                Ok(())
            }
            Err(failure) if self.has_begun && is_passing(&failure) => {
                self.failed = self.failed.saturating_add(1);
                Ok(())
            }
            Err(failure) => Err(failure),
        }
    }
}

fn too_large() -> Failure {
    Failure::general("answer_too_large", "the stream holds an event larger than any can be")
}

/// How long to wait after so many tries in a row that failed.
pub fn wait_after(failed: u32) -> Duration {
    AGAIN_FIRST.saturating_mul(2u32.saturating_pow(failed.min(16))).min(AGAIN_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_stay_bounded() {
        let waits: Vec<u64> = (0..8).map(|failed| wait_after(failed).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30, 30]);
        assert_eq!(wait_after(u32::MAX), AGAIN_MAX);
    }
}
