//! Handing the listening sockets from a running gateway to its successor, so that an upgrade refuses nobody.
//!
//! The very same sockets change hands (`SCM_RIGHTS`), with whatever the kernel has queued in them. Two sockets on one
//! port (`SO_REUSEPORT`) would each have a queue of their own, and closing the old one resets what waits in it.
//!
//! ```text
//! successor                            owner
//!   │ connect, {"takeover":1}  ─────────► │
//!   │ ◄───────── sockets and their roles  │
//!   │ has them: whoever comes is queued   │
//!   │ taken ────────────────────────────► │ accepts no more, finishes what it has, closes the store
//!   │ ◄──────────────── released, or EOF  │
//!   │ opens the store, serves the queue   ▼
//! ```

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use engine::clock::{Clock, Elapsed, timeout};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{UnixListener, UnixStream};

use super::listeners::{Listener, Role};

#[cfg(test)]
mod tests;

/// How long the other side may take for one message: both are on one machine and do nothing else meanwhile.
const MESSAGE_TIME: Duration = Duration::from_secs(2);
/// Sockets of one gateway: two roles. More than that is not ours.
const SOCKETS_MAX: usize = 4;
const MESSAGE_BYTES_MAX: usize = 4 * 1024;
/// Version of these messages.
const PROTOCOL: u32 = 1;

const TAKEN: &[u8] = b"taken\n";
const RELEASED: &[u8] = b"released\n";

#[derive(Serialize, Deserialize)]
struct Request {
    takeover: u32,
    pid: u32,
}

#[derive(Serialize, Deserialize)]
struct Offer {
    pid: u32,
    /// Public name of the master key in use: a successor with another one would fail when there is no way back.
    key_id: String,
    /// In the order of the sockets that come with it.
    roles: Vec<Role>,
}

fn bad(problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

// === the owner ===

/// Where a running gateway listens for its successor.
pub struct ControlSocket(UnixListener);

impl ControlSocket {
    /// Only the owner of the store may call this: it replaces whatever socket a former owner left.
    pub fn bind(path: &Path) -> io::Result<Self> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self(listener))
    }

    /// Completes when a successor has taken the sockets. One that gives up before changes nothing.
    pub async fn handed_over(&self, sockets: &[Listener], key_id: &str, clock: &dyn Clock) -> Handover {
        loop {
            let Ok((stream, _)) = self.0.accept().await else {
                clock.sleep(MESSAGE_TIME).await;
                continue;
            };
            match hand_over(stream, sockets, key_id, clock).await {
                Ok(handover) => return handover,
                Err(error) => tracing::warn!(%error, "a takeover was begun and given up; this process goes on"),
            }
        }
    }
}

async fn hand_over(
    mut stream: UnixStream,
    sockets: &[Listener],
    key_id: &str,
    clock: &dyn Clock,
) -> io::Result<Handover> {
    let request: Request = parse(&within(clock, read_line(&mut stream)).await?)?;
    if request.takeover != PROTOCOL {
        return Err(bad("the successor speaks another version of the takeover"));
    }
    let roles = sockets.iter().map(|socket| socket.role).collect();
    let offer = Offer { pid: std::process::id(), key_id: key_id.to_owned(), roles };
    let descriptors: Vec<_> = sockets.iter().map(|listener| listener.socket.as_fd()).collect();
    within(clock, send_with_sockets(&stream, &line_of(&offer)?, &descriptors)).await?;
    if within(clock, read_line(&mut stream)).await? != TAKEN {
        return Err(bad("the successor did not take them"));
    }
    Ok(Handover { successor: request.pid, stream })
}

/// A successor that waits for the store.
pub struct Handover {
    pub successor: u32,
    stream: UnixStream,
}

impl Handover {
    /// Tells the successor that the store is free. If it is gone, there is nobody to tell.
    pub async fn release(mut self) {
        let _ = self.stream.write_all(RELEASED).await;
    }
}

// === the successor ===

/// What a successor got from the process before it.
pub struct Inheritance {
    /// The process that is to be replaced.
    pub owner: u32,
    /// Public name of its master key.
    pub key_id: String,
    pub listeners: Vec<Listener>,
    stream: UnixStream,
}

/// Asks the process that listens at `path` for its sockets; `None` if there is none, or it ends just now.
pub async fn ask(path: &Path, clock: &dyn Clock) -> io::Result<Option<Inheritance>> {
    match ask_owner(path, clock).await {
        Ok(inheritance) => Ok(Some(inheritance)),
        Err(error) if is_of_nobody(error.kind()) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn ask_owner(path: &Path, clock: &dyn Clock) -> io::Result<Inheritance> {
    let mut stream = UnixStream::connect(path).await?;
    let request = line_of(&Request { takeover: PROTOCOL, pid: std::process::id() })?;
    within(clock, stream.write_all(&request)).await?;
    let (message, descriptors) = within(clock, receive_with_sockets(&stream)).await?;
    if message.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let offer: Offer = parse(&message)?;
    if offer.roles.len() != descriptors.len() {
        return Err(bad("not every socket arrived"));
    }
    let adopt = |(role, descriptor): (Role, OwnedFd)| Listener::adopt(role, descriptor.into());
    let listeners = offer.roles.into_iter().zip(descriptors).map(adopt).collect::<io::Result<_>>()?;
    Ok(Inheritance { owner: offer.pid, key_id: offer.key_id, listeners, stream })
}

/// Nobody listens, or whoever did is ending: then the store tells when it is free.
fn is_of_nobody(kind: io::ErrorKind) -> bool {
    use io::ErrorKind as K;
    matches!(kind, K::NotFound | K::ConnectionRefused | K::ConnectionReset | K::BrokenPipe | K::UnexpectedEof)
}

impl Inheritance {
    /// Tells the owner that this process has the sockets: from here on there is no way back.
    pub async fn take(&mut self) -> io::Result<()> {
        self.stream.write_all(TAKEN).await
    }

    /// Completes when the owner has let go of the store, or has ended.
    pub async fn released(&mut self) {
        let mut buffer = [0; RELEASED.len()];
        let _ = self.stream.read(&mut buffer).await;
    }
}

// === messages ===

async fn within<T>(clock: &dyn Clock, future: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(clock, MESSAGE_TIME, future)
        .await
        .unwrap_or_else(|Elapsed| Err(io::Error::new(io::ErrorKind::TimedOut, "the other process did not answer")))
}

fn line_of(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(line)
}

fn parse<'m, T: Deserialize<'m>>(message: &'m [u8]) -> io::Result<T> {
    serde_json::from_slice(message).map_err(|error| bad(&format!("not a message of a takeover: {error}")))
}

/// One line, its end included. Byte by byte, because what follows may come with sockets.
async fn read_line(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') {
        if line.len() == MESSAGE_BYTES_MAX {
            return Err(bad("the message is too long"));
        }
        line.push(stream.read_u8().await?);
    }
    Ok(line)
}

async fn send_with_sockets(stream: &UnixStream, message: &[u8], sockets: &[BorrowedFd<'_>]) -> io::Result<()> {
    let send = || {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_MAX))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(sockets)) {
            return Err(bad("too many sockets to hand over"));
        }
        Ok(sendmsg(stream, &[IoSlice::new(message)], &mut control, SendFlags::NOSIGNAL)?)
    };
    let sent = stream.async_io(Interest::WRITABLE, send).await?;
    if sent == message.len() { Ok(()) } else { Err(bad("the message was cut")) }
}

async fn receive_with_sockets(stream: &UnixStream) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    let receive = || {
        let mut message = vec![0; MESSAGE_BYTES_MAX];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_MAX))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = recvmsg(stream, &mut [IoSliceMut::new(&mut message)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
        let sockets = control.drain().filter_map(|part| match part {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        });
        let sockets: Vec<OwnedFd> = sockets.flatten().collect();
        message.truncate(received.bytes);
        Ok((message, sockets))
    };
    stream.async_io(Interest::READABLE, receive).await
}
