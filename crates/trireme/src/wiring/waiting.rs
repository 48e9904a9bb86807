//! The waiting room: a node whose file is another one than that of its cluster. It has its sockets, says so to whoever
//! asks, and takes nothing in.

use std::io;
use std::time::Duration;

use engine::clock::{SharedClock, timeout};
use engine::entropy::{SystemEntropy, number};
use engine::nodes::{LEASE, MayGo, may_go_by, waiting};
use store::Store;
use store::dispatch::Owner;
use store::nodes::NodeSelf;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::gateway::Settings;
use super::listeners::Listener;
use super::master_key::store_failure;
use super::stop::{Signals, Wish};
use crate::exit::{Failure, Outcome};

/// How often it is looked whether the file was applied, and said that this node lives: a third of its lease is enough
/// for that, but a person waits.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// What a request may take to be told that it has to come back.
const ANSWER_TIME: Duration = Duration::from_secs(5);
/// The head of a request; what comes behind is not read.
const HEAD_BYTES_MAX: usize = 8 * 1024;

/// Waits until this node may go by its file; `false` if it was asked to end before.
pub async fn until_applied(
    store: &dyn Store,
    listeners: &[Listener],
    settings: &Settings,
    signals: &mut Signals,
    clock: &SharedClock,
) -> Outcome<bool> {
    let own = Owner(number(&SystemEntropy::new()));
    let may = async || {
        let may = may_go_by(store, settings.file, settings.apply, own, clock.now()).await;
        may.map_err(|error| store_failure(&error))
    };
    if may().await? == MayGo::Yes {
        return Ok(true);
    }
    tracing::warn!(
        event = "file_waits",
        "the nodes of this store go by another configuration file: this one serves nothing until it is started with \
         --apply, or until no other node is left"
    );
    let address = listeners.first().map(|listener| listener.address.to_string()).unwrap_or_default();
    let node = NodeSelf {
        owner: own,
        name: settings.node.as_str().into(),
        address: address.into(),
        version: env!("CARGO_PKG_VERSION").into(),
        started_at: clock.now(),
        wanted: waiting(),
        leaving: true,
    };
    let mut answering = answer_all(listeners, clock)?;
    let mut heard = Heard::default();
    let applied = loop {
        // What cannot be said now is said two seconds later.
        heard.note(store.beat(node.clone(), LEASE, clock.now()).await.is_ok(), clock.monotonic());
        tokio::select! {
            wish = signals.next() => if wish == Wish::Stop { break false },
            () = clock.sleep(LOOK_AGAIN) => {}
        }
        match may().await {
            Ok(MayGo::Yes) => break true,
            Ok(MayGo::IfTheyStayAway) if heard.for_a_lease(clock.monotonic()) => break true,
            Ok(MayGo::IfTheyStayAway | MayGo::No) => {}
            Err(_) => heard.note(false, clock.monotonic()),
        }
    };
    answering.abort_all();
    // If it cannot be said, its lease runs out.
    let _ = store.leave(own).await;
    Ok(applied)
}

/// For how long the store has answered without a gap. While it was away the leases of all ran out, and those who live are
/// seen to only once they have had the time to say so again.
#[derive(Debug, Default)]
struct Heard {
    since: Option<Duration>,
}

impl Heard {
    fn note(&mut self, answered: bool, now: Duration) {
        self.since = if answered { self.since.or(Some(now)) } else { None };
    }

    fn for_a_lease(&self, now: Duration) -> bool {
        self.since.is_some_and(|since| now.saturating_sub(since) >= LEASE)
    }
}

fn answer_all(listeners: &[Listener], clock: &SharedClock) -> Outcome<JoinSet<()>> {
    let mut answering = JoinSet::new();
    for listener in listeners {
        let shared = listener.share().and_then(|shared| TcpListener::from_std(shared.socket));
        let shared = shared.map_err(|error| Failure::general("listen", error.to_string()))?;
        let clock = SharedClock::clone(clock);
        answering.spawn(async move {
            loop {
                let Ok((stream, _)) = shared.accept().await else {
                    clock.sleep(ANSWER_TIME).await;
                    continue;
                };
                let within = SharedClock::clone(&clock);
                tokio::spawn(async move { timeout(&*within, ANSWER_TIME, answer_one(stream)).await.is_ok() });
            }
        });
    }
    Ok(answering)
}

/// Whether it lives is asked by those who would end it otherwise; everything else comes too early.
async fn answer_one(mut stream: TcpStream) -> io::Result<()> {
    const DETAIL: &str = "another file than the cluster goes by: start with --apply";
    // What whoever asks has to do is the same as with a store that is away: come back.
    const CODE: &str = "store_unavailable";
    const TITLE: &str = "The store cannot be used just now";
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.len() < HEAD_BYTES_MAX {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let path = head.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    let (status, kind, body) = match path {
        b"/healthz" => ("200 OK", "text/plain; charset=utf-8", "ok\n".to_owned()),
        b"/readyz" => {
            let body = format!(r#"{{"ready":false,"checks":[{{"name":"file","ok":false,"detail":"{DETAIL}"}}]}}"#);
            ("503 Service Unavailable", "application/json", body)
        }
        _ => {
            let body = format!(
                r#"{{"type":"/docs/errors/{CODE}","title":"{TITLE}","status":503,"code":"{CODE}","detail":"{DETAIL}"}}"#
            );
            ("503 Service Unavailable", "application/problem+json", body)
        }
    };
    let answer = format!(
        "HTTP/1.1 {status}\r\nretry-after: 2\r\nconnection: close\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    // What was sent is read, because closing with unread bytes resets the connection and the answer is lost.
    let mut rest = [0; 4_096];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_believed_to_be_gone_only_after_a_lease_in_which_they_could_have_said_otherwise() {
        let at = |seconds: u64| Duration::from_secs(seconds);
        let mut heard = Heard::default();
        assert!(!heard.for_a_lease(at(0)));
        heard.note(true, at(10));
        heard.note(true, at(12));
        assert!(!heard.for_a_lease(at(10) + LEASE - at(1)) && heard.for_a_lease(at(10) + LEASE));
        // The store was away, and so it was for the others.
        heard.note(false, at(40));
        assert!(!heard.for_a_lease(at(100)));
        heard.note(true, at(100));
        assert!(!heard.for_a_lease(at(101)) && heard.for_a_lease(at(100) + LEASE));
    }
}
