//! Telling other nodes at once what is due, by LISTEN and NOTIFY: a hint, and never more. Whatever is not heard is found
//! by whoever asks the store for what is due, so a database or a pooler without it only makes them a little later.
//!
//! It is said after the commit, outside of its transaction: a commit that notifies waits for every other one that does.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use domain::{DestinationName, Tenant};
use futures_util::future::poll_fn;
use store::StoreError;
use store::intake::{AcceptGroup, Accepted};
use tokio::sync::{broadcast, mpsc, watch};
use tokio_postgres::AsyncMessage;

use crate::connect::Address;
use crate::perform::{Inner, Performer, within};
use crate::query::Query;
use crate::value::{Text, params};

/// Between two times of telling: what comes in meanwhile is told once.
const TELL_EVERY: Duration = Duration::from_millis(20);
/// Before a listener that lost its connection tries again.
const LISTEN_AGAIN: Duration = Duration::from_secs(5);
/// Hints that a slow reader may be behind before it misses some, which it finds out by asking.
const BACKLOG: usize = 1_024;
/// Destinations that wait to be told of. Past it they are not.
const OUTBOX: usize = 4_096;

/// That something is due for a destination.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hint {
    pub tenant: Tenant,
    pub destination: DestinationName,
}

/// Both ends: what others say, and what they are told.
#[derive(Clone)]
pub struct Hints {
    heard: broadcast::Sender<Hint>,
    outbox: Option<mpsc::Sender<Hint>>,
    stop: Arc<watch::Sender<bool>>,
}

impl Hints {
    pub(crate) fn start(performer: &Performer, inner: &Arc<Inner>, address: Address) -> Self {
        let (heard, _) = broadcast::channel(BACKLOG);
        let stop = Arc::new(watch::Sender::new(false));
        if !inner.options.listen {
            return Self { heard, outbox: None, stop };
        }
        let (outbox, told) = mpsc::channel(OUTBOX);
        performer.handle().spawn(tell(Arc::clone(inner), told, stop.subscribe()));
        let own = inner.instance.simple().to_string();
        performer.handle().spawn(listen(address, own, heard.clone(), stop.subscribe()));
        Self { heard, outbox: Some(outbox), stop }
    }

    /// What other nodes say from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Hint> {
        self.heard.subscribe()
    }

    /// Tells others where deliveries were left that are due and nobody's.
    pub(crate) fn tell(&self, tenants: &[Tenant], answers: &[Result<Vec<Accepted>, StoreError>]) {
        let Some(outbox) = &self.outbox else { return };
        for (tenant, answer) in tenants.iter().zip(answers) {
            for destination in answer.iter().flatten().flat_map(|accepted| &accepted.waiting) {
                // Full: they find out by asking.
                let _ = outbox.try_send(Hint { tenant: tenant.clone(), destination: destination.clone() });
            }
        }
    }

    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }
}

/// The tenant of each group: that of its first event.
pub(crate) fn tenants(groups: &[AcceptGroup]) -> Vec<Tenant> {
    let tenant = |group: &AcceptGroup| group.events.first().map(|new| new.event.tenant.clone());
    groups.iter().map(|group| tenant(group).unwrap_or_else(Tenant::default_tenant)).collect()
}

async fn tell(inner: Arc<Inner>, mut outbox: mpsc::Receiver<Hint>, mut stop: watch::Receiver<bool>) {
    loop {
        let first = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            first = outbox.recv() => first,
        };
        let Some(first) = first else { return };
        let mut hints = BTreeSet::from([first]);
        while let Ok(more) = outbox.try_recv() {
            hints.insert(more);
        }
        let own = inner.instance.simple();
        let texts: Vec<Text> = hints
            .iter()
            .map(|hint| Text::from(&format!("{own} {} {}", hint.tenant.as_str(), hint.destination.as_str())))
            .collect();
        // A hint that could not be given is one that nobody heard.
        let _ = inner.rows(Query::notify_due, || params![texts.clone()]).await;
        let _ = within(TELL_EVERY, stop.wait_for(|stop| *stop)).await;
    }
}

async fn listen(address: Address, own: String, heard: broadcast::Sender<Hint>, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = hear(&address, &own, &heard) => {}
        }
        if within(LISTEN_AGAIN, stop.wait_for(|stop| *stop)).await.is_some() {
            return;
        }
    }
}

/// Listens until the connection ends, whyever.
async fn hear(address: &Address, own: &str, heard: &broadcast::Sender<Hint>) {
    let Ok((client, mut connection)) = address.config.connect(address.tls.clone()).await else { return };
    let listening = client.batch_execute(Query::listen_due.text());
    let messages = async {
        while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
            if let AsyncMessage::Notification(notification) = message
                && let Some(hint) = read(notification.payload(), own)
            {
                // Nobody may be listening here.
                let _ = heard.send(hint);
            }
        }
    };
    tokio::pin!(messages);
    tokio::select! {
        () = &mut messages => return,
        listening = listening => if listening.is_err() { return },
    }
    messages.await;
}

/// A hint of another node; ours are known here already.
fn read(payload: &str, own: &str) -> Option<Hint> {
    let mut words = payload.split(' ');
    let instance = words.next()?;
    let (tenant, destination) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    (instance != own).then_some(Hint { tenant, destination })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_others_say_is_heard() {
        let hint = Hint { tenant: Tenant::default_tenant(), destination: "app".parse().expect("a name") };
        assert_eq!(read("b default app", "a"), Some(hint));
        for payload in ["a default app", "", "b", "b default", "b default !!", "b not/a/name app"] {
            assert_eq!(read(payload, "a"), None, "{payload}");
        }
    }
}
