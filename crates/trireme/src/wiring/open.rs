//! Becoming the one gateway of a data folder: its sockets and its store, taken from the process before if need be.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use engine::clock::{Clock, SharedClock, timeout};
use store::{Store, StoreError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::folder::{DataFolder, StartLock};
use super::listeners::{Addresses, Listener, Role, cannot_bind};
use super::state::StoreOptions;
use super::takeover::{self, Inheritance};
use crate::exit::{Exit, Failure, Outcome};

/// How long a new process waits for the one before it to let go of the store.
pub const STORE_WAIT: Duration = Duration::from_secs(10);
/// Between two tries to bind while the process before may still have the address.
const BIND_AGAIN: Duration = Duration::from_millis(20);
/// How long a request that cannot be served may take to be told so.
const TURN_AWAY_TIME: Duration = Duration::from_millis(200);

/// Whether a gateway that runs already is to be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// There must be none.
    Start,
    /// If there is one, it hands over and ends.
    TakeOver,
}

/// What a process has when it is the one.
pub struct Opened {
    pub store: Arc<dyn Store>,
    pub listeners: Vec<Listener>,
    /// To be dropped when the next successor may come.
    pub starting: StartLock,
}

/// Where the state and the sockets are to be.
pub struct Place<'a> {
    pub folder: &'a DataFolder,
    pub store: StoreOptions,
    pub addresses: Addresses,
    /// From a supervisor; then `addresses` does not count.
    pub inherited: Vec<Listener>,
    /// Public name of our master key; `None` while there is none.
    pub key_id: Option<String>,
}

pub async fn open(place: Place<'_>, intent: Intent, clock: &SharedClock) -> Outcome<Opened> {
    let starting = place.folder.lock_start()?;
    match intent {
        Intent::Start => {
            let store = place.store.open(Duration::ZERO, place.folder).await?;
            let listeners = own_listeners(place.addresses, place.inherited, Duration::ZERO, &**clock).await?;
            Ok(Opened { store, listeners, starting })
        }
        Intent::TakeOver => take_over(place, starting, clock).await,
    }
}

/// Sockets first: from here on nobody is refused, whoever comes waits in them until the store is ours.
async fn take_over(place: Place<'_>, starting: StartLock, clock: &SharedClock) -> Outcome<Opened> {
    let asked = takeover::ask(&place.folder.control_socket(), &**clock).await;
    let inheritance = asked.map_err(|error| {
        let message = format!("the running gateway did not hand over its sockets: {error}");
        Failure::new(Exit::Store, "takeover_failed", message).hint("It goes on as before. Try again, or stop it first.")
    })?;
    let (listeners, owner) = match inheritance {
        None => {
            tracing::info!("no gateway runs here that could hand over");
            (own_listeners(place.addresses, place.inherited, STORE_WAIT, &**clock).await?, None)
        }
        Some(inheritance) => {
            same_key(&inheritance, place.key_id.as_deref())?;
            let (listeners, inheritance) = adopt(inheritance, place.addresses, place.inherited, &**clock).await?;
            (listeners, Some(inheritance))
        }
    };
    let store = await_store(place.store, owner, place.folder, clock).await;
    match store {
        Ok(store) => Ok(Opened { store, listeners, starting }),
        Err(failure) => {
            turn_away(&listeners, clock).await;
            Err(failure)
        }
    }
}

/// Afterwards it would be too late: the owner has gone, and the store opens for its key only.
fn same_key(inheritance: &Inheritance, ours: Option<&str>) -> Outcome {
    if ours == Some(&inheritance.key_id) {
        return Ok(());
    }
    let message = format!("process {} runs with another master key than this one has", inheritance.owner);
    let hint = "It goes on as before. Start this one with the same master.key or TRIREME_MASTER_KEY.";
    Err(Failure::new(Exit::MasterKey, "master_key_other", message).hint(hint))
}

/// Takes over the sockets that are still wanted; an address that the new configuration names and nobody has is bound.
async fn adopt(
    mut inheritance: Inheritance,
    addresses: Addresses,
    inherited: Vec<Listener>,
    clock: &dyn Clock,
) -> Outcome<(Vec<Listener>, Inheritance)> {
    let mut listeners = inherited;
    if listeners.is_empty() {
        for (role, address) in addresses.all() {
            let matching = |listener: &Listener| listener.role == role && same_address(listener.address, address);
            let offered = inheritance.listeners.iter().position(matching);
            match offered.map(|index| inheritance.listeners.swap_remove(index)) {
                Some(listener) => listeners.push(listener),
                None => listeners.push(bind(role, address, Duration::ZERO, clock).await?),
            }
        }
    }
    let owner = inheritance.owner;
    inheritance.take().await.map_err(|error| {
        let message = format!("process {owner} ended in the middle of the takeover: {error}");
        Failure::new(Exit::Store, "takeover_failed", message).hint("Start again.")
    })?;
    tracing::info!(owner, "taking over; requests wait until the other process has finished");
    Ok((listeners, inheritance))
}

/// A port of 0 asks for any port, so whatever the process before got is right.
fn same_address(listening: SocketAddr, wanted: SocketAddr) -> bool {
    listening.ip() == wanted.ip() && (wanted.port() == 0 || listening.port() == wanted.port())
}

async fn own_listeners(
    addresses: Addresses,
    inherited: Vec<Listener>,
    patience: Duration,
    clock: &dyn Clock,
) -> Outcome<Vec<Listener>> {
    if !inherited.is_empty() {
        return Ok(inherited);
    }
    let mut listeners = Vec::new();
    for (role, address) in addresses.all() {
        listeners.push(bind(role, address, patience, clock).await?);
    }
    Ok(listeners)
}

async fn bind(role: Role, address: SocketAddr, patience: Duration, clock: &dyn Clock) -> Outcome<Listener> {
    let deadline = clock.monotonic() + patience;
    loop {
        match Listener::bind(role, address) {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && clock.monotonic() < deadline => {
                clock.sleep(BIND_AGAIN).await;
            }
            Err(error) => return Err(cannot_bind(role, address, &error)),
        }
    }
}

/// Opens the store as soon as its owner has let go of it.
async fn await_store(
    options: StoreOptions,
    owner: Option<Inheritance>,
    folder: &DataFolder,
    clock: &SharedClock,
) -> Outcome<Arc<dyn Store>> {
    let started = clock.monotonic();
    if let Some(mut owner) = owner {
        // Whether it says so or not, the lock tells in the end.
        let _ = timeout(&**clock, STORE_WAIT, owner.released()).await;
    }
    let waited = clock.monotonic().saturating_sub(started);
    options.open(STORE_WAIT.saturating_sub(waited), folder).await
}

/// Why the store cannot be had, and what to do.
pub fn store_failure(error: &StoreError, folder: &DataFolder) -> Failure {
    let folder = folder.path().display();
    match error {
        StoreError::Locked(owner) => {
            let pid = owner.rsplit(' ').next().unwrap_or_default();
            let message = format!("a gateway runs in {folder} already: {owner} has the store");
            let hint = format!(
                "To put this one in its place without refusing a request, add --takeover.\n\
                 To end it first: kill {pid}\n\
                 To run another beside it, give this one a folder of its own with --data."
            );
            Failure::new(Exit::Store, error.code(), message).hint(hint)
        }
        StoreError::Io(_) | StoreError::DiskFull(_) => {
            Failure::new(Exit::Io, error.code(), format!("{error} (in {folder})"))
        }
        _ => Failure::new(Exit::Store, error.code(), format!("{error} (in {folder})")),
    }
}

/// Tells everyone who waits in a socket to come back: closing it would reset them.
pub async fn turn_away(listeners: &[Listener], clock: &SharedClock) {
    let mut telling = JoinSet::new();
    for listener in listeners {
        while let Ok((stream, _)) = listener.socket.accept() {
            let clock = SharedClock::clone(clock);
            // Nobody is owed more than a try.
            telling.spawn(async move { timeout(&*clock, TURN_AWAY_TIME, turn_one_away(stream)).await.is_ok() });
        }
    }
    while telling.join_next().await.is_some() {}
}

async fn turn_one_away(stream: std::net::TcpStream) -> io::Result<()> {
    const ANSWER: &[u8] =
        b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    stream.set_nonblocking(true)?;
    let mut stream = TcpStream::from_std(stream)?;
    stream.write_all(ANSWER).await?;
    stream.shutdown().await?;
    // What was sent is read, because closing with unread bytes resets the connection and the answer is lost.
    let mut rest = [0; 4_096];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_waits_is_told_to_come_back_instead_of_being_reset() {
        let listener = Listener::bind(Role::Main, "127.0.0.1:0".parse().expect("an address")).expect("a port");
        let mut clients = Vec::new();
        for _ in 0..20 {
            let mut client = TcpStream::connect(listener.address).await.expect("it listens");
            let request = b"POST /in/github HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}";
            client.write_all(request).await.expect("queued");
            clients.push(client);
        }
        turn_away(&[listener], &engine::clock::SystemClock::shared()).await;
        for mut client in clients {
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.expect("an answer");
            assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("retry-after: 1"), "{answer}");
        }
    }

    #[test]
    fn any_port_takes_whatever_port_there_was() {
        let parse = |text: &str| text.parse().expect("an address");
        assert!(same_address(parse("127.0.0.1:4711"), parse("127.0.0.1:0")));
        assert!(same_address(parse("127.0.0.1:4711"), parse("127.0.0.1:4711")));
        assert!(!same_address(parse("127.0.0.1:4711"), parse("127.0.0.1:4712")));
        assert!(!same_address(parse("0.0.0.0:4711"), parse("127.0.0.1:0")));
    }

    #[test]
    fn a_locked_store_is_refused_with_the_owner_and_the_way_to_take_over() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = DataFolder::open(parent.path()).expect("a data folder");
        let failure = store_failure(&StoreError::Locked("process 4711".into()), &folder);
        assert_eq!(failure.exit, Exit::Store);
        assert!(failure.message.contains("process 4711"));
        assert!(failure.hint.is_some_and(|hint| hint.contains("--takeover") && hint.contains("kill 4711")));
    }
}
