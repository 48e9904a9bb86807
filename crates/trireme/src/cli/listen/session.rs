//! One run of the command: message after message to the program, its place moved after each reply, and replays beside.
//!
//! Messages go one after another, so whatever order the gateway promises of a subject, the program sees.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::history::History;
use super::keys::{Key, Keys};
use super::local::{Brought, Local, Reply};
use super::screen;
use crate::client::{Follow, Gateway, Message, is_passing, query, segment, wait_after};
use crate::exit::{Failure, Outcome};
use crate::output::{Output, aside};

/// How long to wait for a program that is not there, at first and at most: it is being built, or started.
const ABSENT_FIRST: Duration = Duration::from_millis(250);
const ABSENT_MAX: Duration = Duration::from_secs(5);
/// Tries of a message that the program took and never answered: one that makes it hang must not hold up the others.
const UNANSWERED_MAX: u32 = 3;
/// Replays that wait for their turn.
const REPLAYS_MAX: usize = 64;

pub struct Session<'g> {
    gateway: &'g Gateway,
    local: Local,
    output: Output,
    path: String,
    generation: u64,
    body: String,
    history: Mutex<History>,
}

impl<'g> Session<'g> {
    #[must_use]
    pub fn new(gateway: &'g Gateway, local: Local, output: Output, name: &str, generation: u64, body: &str) -> Self {
        let path = format!("/api/v1/listeners/{}", segment(name));
        Self { gateway, local, output, path, generation, body: body.to_owned(), history: Mutex::default() }
    }

    /// Until somebody quits, or something fails that does not pass.
    pub async fn run(&self, mut keys: Option<Keys>) -> Outcome {
        let (wishes, mut wished) = mpsc::channel(REPLAYS_MAX);
        let mut pump = Box::pin(self.pump());
        let mut replays = Box::pin(self.replay_wished(&mut wished));
        let mut ended = signal(SignalKind::terminate()).map_err(|error| Failure::output(&error))?;
        loop {
            let typed = async {
                match &mut keys {
                    Some(keys) => keys.next().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                done = &mut pump => return done,
                done = &mut replays => return done,
                _ = tokio::signal::ctrl_c() => return Ok(()),
                _ = ended.recv() => return Ok(()),
                key = typed => match key {
                    Key::Quit => return Ok(()),
                    // One key too many while the program is busy is forgotten.
                    key => drop(wishes.try_send(key)),
                },
            }
        }
    }

    fn history(&self) -> MutexGuard<'_, History> {
        // Valid after every single operation on it.
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn pump(&self) -> Outcome {
        let parameters = [("generation", Some(self.generation.to_string())), ("body", Some(self.body.clone()))];
        let path = format!("{}/stream{}", self.path, query(parameters));
        let mut follow = Follow::new(self.gateway, path, None);
        loop {
            let Message { id, event, data } = follow.next().await?;
            if event.as_deref() == Some("event") {
                self.handle(Arc::new(Brought::read(&data)?)).await?;
            }
            if let Some(position) = id {
                self.handled(&position).await?;
            }
        }
    }

    /// Brings a message until it is answered. What was brought before its place could be moved is not brought again.
    async fn handle(&self, message: Arc<Brought>) -> Outcome {
        if self.history().has(&message.event) {
            return Ok(());
        }
        let (mut attempt, mut unanswered, mut absent) = (1, 0, ABSENT_FIRST);
        let reply = loop {
            let reply = self.local.bring(&message, attempt).await?;
            match &reply.answer {
                Err(error) if !error.sent() => {
                    if absent == ABSENT_FIRST {
                        aside(format!("Nothing at {}: {error}. Waiting for it …", self.local.to));
                    }
                    self.local.clock.sleep(absent).await;
                    absent = (absent * 2).min(ABSENT_MAX);
                }
                Err(_) if unanswered + 1 < UNANSWERED_MAX => {
                    unanswered += 1;
                    self.local.clock.sleep(wait_after(unanswered)).await;
                }
                Ok(_) | Err(_) => break reply,
            }
            attempt += 1;
        };
        let number = self.history().keep(Arc::clone(&message));
        self.show(number, false, &message, &reply)
    }

    fn show(&self, number: u64, replayed: bool, message: &Brought, reply: &Reply) -> Outcome {
        screen::exchange(self.output, number, replayed, message, reply)
    }

    /// Moves the place, however long the gateway is away.
    async fn handled(&self, position: &str) -> Outcome {
        let body = json!({ "generation": self.generation, "position": position });
        let mut failed = 0;
        loop {
            match self.gateway.post(&format!("{}/handled", self.path), &body).await {
                Ok(_) => return Ok(()),
                Err(failure) if is_passing(&failure) => {
                    if failed == 0 {
                        aside(format!(
                            "The gateway is away ({}). What was answered is told to it when it is back …",
                            failure.code
                        ));
                    }
                    self.local.clock.sleep(wait_after(failed)).await;
                    failed += 1;
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    async fn replay_wished(&self, wished: &mut mpsc::Receiver<Key>) -> Outcome {
        while let Some(key) = wished.recv().await {
            let found = match key {
                Key::ReplayLast => self.history().last(),
                Key::Replay(number) => self.history().get(number),
                Key::Quit => None,
            };
            match found {
                Some((number, message)) => {
                    let reply = self.local.bring(&message, 1).await?;
                    self.show(number, true, &message, &reply)?;
                }
                None => aside("There is no such message to replay."),
            }
        }
        // Nobody can wish for more; what comes is still brought.
        std::future::pending().await
    }
}
