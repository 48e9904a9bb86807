//! Telling other nodes at once what happened, by LISTEN and NOTIFY: a hint, and never more. Whatever is not heard is
//! found by whoever asks the store, so a database or a pooler without it only makes them a little later.
//!
//! It is said after the commit, outside of its transaction: a commit that notifies waits for every other one that does.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use domain::Tenant;
use domain::run::StreamKey;
use futures_util::future::poll_fn;
use store::StoreError;
use store::intake::{AcceptGroup, Accepted};
use store::nodes::Hint;
use tokio::sync::{Mutex, broadcast, mpsc, watch};
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
/// Hints that wait to be told. Past it they are not.
const OUTBOX: usize = 4_096;

/// Both ends: what others say, and what they are told.
#[derive(Clone)]
pub(crate) struct Hints {
    heard: Arc<Mutex<broadcast::Receiver<Hint>>>,
    outbox: Option<mpsc::Sender<Hint>>,
    stop: Arc<watch::Sender<bool>>,
}

impl Hints {
    pub(crate) fn start(performer: &Performer, inner: &Arc<Inner>, address: Address) -> Self {
        let (hearing, heard) = broadcast::channel(BACKLOG);
        let heard = Arc::new(Mutex::new(heard));
        let stop = Arc::new(watch::Sender::new(false));
        if !inner.options.listen {
            return Self { heard, outbox: None, stop };
        }
        let (outbox, told) = mpsc::channel(OUTBOX);
        performer.handle().spawn(tell(Arc::clone(inner), told, stop.subscribe()));
        let own = inner.instance.simple().to_string();
        performer.handle().spawn(listen(address, own, hearing, stop.subscribe()));
        Self { heard, outbox: Some(outbox), stop }
    }

    /// What another node says next; `None`: some was missed. Waits for ever once nobody listens any more.
    pub(crate) async fn next(&self) -> Option<Hint> {
        let heard = self.heard.lock().await.recv().await;
        match heard {
            Ok(hint) => Some(hint),
            Err(broadcast::error::RecvError::Lagged(_)) => None,
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }

    /// Tells others. Full: they find out by asking.
    pub(crate) fn tell(&self, hint: Hint) {
        if let Some(outbox) = &self.outbox {
            let _ = outbox.try_send(hint);
        }
    }

    /// Tells others where deliveries were left that are due and nobody's.
    pub(crate) fn tell_waiting(&self, tenants: &[Tenant], answers: &[Result<Vec<Accepted>, StoreError>]) {
        for (tenant, answer) in tenants.iter().zip(answers) {
            for destination in answer.iter().flatten().flat_map(|accepted| &accepted.waiting) {
                self.tell(Hint::Due(tenant.clone(), destination.clone()));
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
        // What was said last of all is still told: that a node has left, for one.
        let first = tokio::select! {
            biased;
            first = outbox.recv() => first,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let Some(first) = first else { return };
        let mut hints = BTreeSet::from([first]);
        while let Ok(more) = outbox.try_recv() {
            hints.insert(more);
        }
        let own = inner.instance.simple();
        let texts: Vec<Text> = hints.iter().map(|hint| Text::from(&format!("{own} {}", write(hint)))).collect();
        // A hint that could not be given is one that nobody heard.
        let _ = inner.rows(Query::notify, || params![texts.clone()]).await;
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
    let listening = client.batch_execute(Query::listen.text());
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

/// A hint in words that hold no space: names do not, and a stream's comes last.
fn write(hint: &Hint) -> String {
    match hint {
        Hint::Due(tenant, destination) => format!("due {tenant} {destination}"),
        Hint::Changed(StreamKey { tenant, source, connection, stream }) => {
            format!("changed {tenant} {source} {connection} {stream}")
        }
        Hint::Wished => "wished".to_owned(),
        Hint::Configured => "configured".to_owned(),
        Hint::Nodes => "nodes".to_owned(),
    }
}

/// A hint of another node; ours are known here already.
fn read(payload: &str, own: &str) -> Option<Hint> {
    let (instance, said) = payload.split_once(' ')?;
    let mut words = said.splitn(5, ' ');
    let hint = match (words.next()?, words.next(), words.next(), words.next(), words.next()) {
        ("due", Some(tenant), Some(destination), None, None) => {
            Hint::Due(tenant.parse().ok()?, destination.parse().ok()?)
        }
        ("changed", Some(tenant), Some(source), Some(connection), Some(stream)) => Hint::Changed(StreamKey {
            tenant: tenant.parse().ok()?,
            source: source.parse().ok()?,
            connection: connection.parse().ok()?,
            stream: stream.into(),
        }),
        ("wished", None, ..) => Hint::Wished,
        ("configured", None, ..) => Hint::Configured,
        ("nodes", None, ..) => Hint::Nodes,
        _ => return None,
    };
    (instance != own).then_some(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_read_back_and_only_what_others_say_is_heard() {
        let key = StreamKey {
            tenant: Tenant::default_tenant(),
            source: "shop".parse().expect("a name"),
            connection: "acme".parse().expect("a name"),
            stream: "line items".into(),
        };
        let due = Hint::Due(Tenant::default_tenant(), "app".parse().expect("a name"));
        for hint in [due, Hint::Changed(key), Hint::Wished, Hint::Configured, Hint::Nodes] {
            let payload = format!("b {}", write(&hint));
            assert_eq!(read(&payload, "a"), Some(hint));
            assert_eq!(read(&payload, "b"), None);
        }
        for payload in ["", "b", "b due default", "b due default !!", "b due not/a/name app", "b nonsense", "b nodes x"]
        {
            assert_eq!(read(payload, "a"), None, "{payload}");
        }
    }
}
