//! The intake of one node as few large transactions: whatever has gathered while the last one was committed goes into
//! the next, and nobody waits for a group to fill.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use domain::Timestamp;
use store::StoreError;
use store::intake::{AcceptGroup, Accepted, NewEvent};
use tokio::sync::{mpsc, oneshot};

use crate::doubt::{Answer, Untold};
use crate::failure::Failure;
use crate::intake::accept::{self, Arriving};
use crate::options::GROUP_BYTES;
use crate::perform::{Inner, Moment, Performer};

/// What each group of a command came to.
pub(crate) type Answers = Vec<Result<Vec<Accepted>, StoreError>>;

/// One call of `accept`, on its way.
struct Command {
    arriving: Vec<Arriving>,
    bytes: usize,
    answer: oneshot::Sender<Result<Answer<Answers>, StoreError>>,
}

pub(crate) struct Gatherer {
    commands: mpsc::Sender<Command>,
    queued_bytes: Arc<AtomicUsize>,
    bytes_max: usize,
}

impl Gatherer {
    pub(crate) fn start(performer: &Performer, inner: &Arc<Inner>) -> Self {
        let (commands, queue) = mpsc::channel(inner.options.queue_commands.max(1));
        let queued_bytes = Arc::new(AtomicUsize::new(0));
        performer.handle().spawn(work(Arc::clone(inner), queue, Arc::clone(&queued_bytes)));
        Self { commands, queued_bytes, bytes_max: inner.options.queue_bytes }
    }

    /// Hands groups over, unless too much waits already; gives where the answers will be.
    pub(crate) fn hand_over(
        &self,
        groups: Vec<AcceptGroup>,
        now: Timestamp,
    ) -> Result<oneshot::Receiver<Result<Answer<Answers>, StoreError>>, StoreError> {
        let bytes = groups.iter().map(|group| bytes_of(&group.events)).sum();
        let waiting = self.queued_bytes.fetch_add(bytes, Ordering::AcqRel);
        let (answer, answers) = oneshot::channel();
        let arriving = groups.into_iter().map(|group| Arriving { group, now }).collect();
        let sent = if waiting > self.bytes_max {
            Err(StoreError::Overloaded)
        } else {
            self.commands.try_send(Command { arriving, bytes, answer }).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => StoreError::Overloaded,
                mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
            })
        };
        if let Err(error) = sent {
            self.queued_bytes.fetch_sub(bytes, Ordering::AcqRel);
            return Err(error);
        }
        Ok(answers)
    }
}

fn bytes_of(events: &[NewEvent]) -> usize {
    events.iter().map(|new| new.event.payload.len() + new.event.head.len()).sum()
}

async fn work(inner: Arc<Inner>, mut queue: mpsc::Receiver<Command>, queued_bytes: Arc<AtomicUsize>) {
    while let Some(first) = queue.recv().await {
        let mut commands = vec![first];
        let (mut rows, mut bytes) = (rows(&commands[0]), commands[0].bytes);
        while rows < inner.options.group_rows && bytes < GROUP_BYTES {
            let Ok(next) = queue.try_recv() else { break };
            rows += self::rows(&next);
            bytes += next.bytes;
            commands.push(next);
        }
        commit(&inner, commands).await;
        queued_bytes.fetch_sub(bytes, Ordering::AcqRel);
    }
}

fn rows(command: &Command) -> usize {
    command.arriving.iter().map(|arriving| arriving.group.events.len().max(1)).sum()
}

/// Commits what came in together, and answers each with its part.
async fn commit(inner: &Arc<Inner>, commands: Vec<Command>) {
    let mut all = Vec::new();
    let mut waiting = Vec::new();
    for command in commands {
        waiting.push((command.arriving.len(), command.answer));
        all.extend(command.arriving);
    }
    let all = Arc::new(all);
    let run = Arc::clone(&all);
    let accepting = |inner: Arc<Inner>| async move {
        let mut untold = inner.untold();
        let answers = accept_all(&inner, &mut untold, &run).await?;
        Ok(untold.told_by(answers))
    };
    let done = Arc::clone(inner).bounded(accepting).await;
    match done {
        Ok(done) => {
            let (answers, mut untold) = done.split();
            let mut answers = answers.into_iter();
            for (groups, answer) in waiting {
                let own: Answers = answers.by_ref().take(groups).collect();
                let claims = own.iter().flatten().flatten().flat_map(|accepted| &accepted.claims);
                let claims = untold.part(claims.map(|(id, claim)| (id.uuid(), *claim)));
                // Whoever asked may have gone; what was committed stays, and nobody has what was claimed.
                let _ = answer.send(Ok(claims.told_by(own)));
            }
        }
        Err(error) => {
            for (_, answer) in waiting {
                let _ = answer.send(Err(error.clone()));
            }
        }
    }
}

/// All in one transaction; if one of them cannot be stored, each in its own.
async fn accept_all(inner: &Inner, untold: &mut Untold, all: &Arc<Vec<Arriving>>) -> Result<Answers, Failure> {
    let began = Moment::now();
    match accept::accept(inner, untold, all, 0..all.len()).await {
        Ok(answers) => return Ok(answers.into_iter().map(Ok).collect()),
        Err(Failure::Row(error)) if all.len() == 1 => return Ok(vec![Err(error)]),
        Err(Failure::Row(_)) => {}
        Err(failure) => return Err(failure),
    }
    let mut answers = Vec::with_capacity(all.len());
    for index in 0..all.len() {
        if inner.is_late(began) {
            let late = "those that came in with it took so long that it was not begun";
            answers.push(Err(StoreError::Unreachable(late.to_owned())));
            continue;
        }
        match accept::accept(inner, untold, all, index..index + 1).await {
            Ok(accepted) => answers.extend(accepted.into_iter().map(Ok)),
            Err(failure) => answers.push(Err(failure.into())),
        }
    }
    Ok(answers)
}
