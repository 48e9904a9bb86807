//! The takeover between two ends in one process: what arrives, and what changes nothing.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use engine::clock::SystemClock;

use super::*;

fn listener(role: Role) -> Listener {
    Listener::bind(role, "127.0.0.1:0".parse().expect("an address")).expect("a port")
}

struct Owner {
    folder: tempfile::TempDir,
    sockets: Arc<Vec<Listener>>,
    handing: tokio::task::JoinHandle<Handover>,
}

impl Owner {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let control = ControlSocket::bind(&folder.path().join("c")).expect("a socket");
        let sockets = Arc::new(vec![listener(Role::Main), listener(Role::Ingest)]);
        let kept = Arc::clone(&sockets);
        let handing = tokio::spawn(async move { control.handed_over(&kept, "key", &SystemClock::new()).await });
        Self { folder, sockets, handing }
    }

    async fn ask(&self) -> io::Result<Option<Inheritance>> {
        ask(&self.folder.path().join("c"), &SystemClock::new()).await
    }
}

#[tokio::test]
async fn the_same_sockets_arrive_with_their_roles_and_with_whoever_waits_in_them() {
    let owner = Owner::start();
    let addresses: Vec<_> = owner.sockets.iter().map(|socket| socket.address).collect();
    let mut waiting = TcpStream::connect(addresses[0]).expect("it listens");
    waiting.write_all(b"hello").expect("it is queued");

    let mut inheritance = owner.ask().await.expect("an answer").expect("an owner");
    assert_eq!((inheritance.owner, inheritance.key_id.as_str()), (std::process::id(), "key"));
    let found: Vec<_> = inheritance.listeners.iter().map(|socket| (socket.role, socket.address)).collect();
    assert_eq!(found, [(Role::Main, addresses[0]), (Role::Ingest, addresses[1])]);
    inheritance.take().await.expect("the owner listens");
    let handover = owner.handing.await.expect("no panic");
    assert_eq!(handover.successor, std::process::id());
    drop(owner.sockets);

    let socket = &inheritance.listeners[0].socket;
    socket.set_nonblocking(false).expect("ours");
    let (mut accepted, _) = socket.accept().expect("it was queued before");
    let mut heard = [0; 5];
    accepted.read_exact(&mut heard).expect("what was sent");
    assert_eq!(&heard, b"hello");

    handover.release().await;
    inheritance.released().await;
}

#[tokio::test]
async fn a_successor_that_gives_up_changes_nothing() {
    let owner = Owner::start();
    drop(owner.ask().await.expect("an answer"));
    let mut rude = UnixStream::connect(owner.folder.path().join("c")).await.expect("it listens");
    rude.write_all(b"{\"takeover\":99,\"pid\":1}\n").await.expect("it reads");
    assert_eq!(rude.read(&mut [0; 8]).await.expect("closed"), 0, "nothing is handed to another version");
    let mut inheritance = owner.ask().await.expect("an answer").expect("an owner");
    inheritance.take().await.expect("it listens");
    assert!(owner.handing.await.is_ok());
}

#[tokio::test]
async fn the_end_of_the_owner_is_a_release_too() {
    let owner = Owner::start();
    let mut inheritance = owner.ask().await.expect("an answer").expect("an owner");
    inheritance.take().await.expect("it listens");
    drop(owner.handing.await.expect("no panic"));
    inheritance.released().await;
}

#[tokio::test]
async fn without_an_owner_there_is_nothing_to_inherit_and_its_leftover_is_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("c");
    assert!(ask(&path, &SystemClock::new()).await.expect("no file").is_none());
    drop(ControlSocket::bind(&path).expect("a socket"));
    assert!(path.exists() && ask(&path, &SystemClock::new()).await.expect("nobody").is_none());
    let ending_path = folder.path().join("e");
    let ending = UnixListener::bind(&ending_path).expect("a socket");
    let clock = SystemClock::new();
    let (asked, ()) = tokio::join!(ask(&ending_path, &clock), async { drop(ending.accept().await) });
    assert!(asked.expect("one that ends is none").is_none());
    let _bound = ControlSocket::bind(&path).expect("replaces what was left");
    assert_eq!(std::fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o600);
}
