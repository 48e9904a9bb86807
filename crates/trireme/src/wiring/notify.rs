//! Telling a supervisor how far we are, by the `NOTIFY_SOCKET` convention. Nobody listening is no failure.

use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use engine::clock::SharedClock;
use tokio::task::JoinHandle;

/// How often a supervisor hears that the store is still being opened. Its own patience has to be longer.
const STILL_OPENING: Duration = Duration::from_secs(30);

/// How far the process is.
#[derive(Clone, Copy, Debug)]
pub enum Stage {
    /// The store is brought up to date, or reads its log. Asks for 90 s more (`sd_notify(3)`).
    Opening,
    Ready,
    Stopping,
}

/// A supervisor, if there is one.
#[derive(Clone, Debug, Default)]
pub struct Supervisor {
    address: Option<SocketAddr>,
}

impl Supervisor {
    /// `socket` is the value of `NOTIFY_SOCKET`: a path, or a name in the abstract namespace after `@`.
    pub fn new(socket: Option<&OsStr>) -> Self {
        let address = socket.and_then(|socket| match socket.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name).ok(),
            [] => None,
            _ => SocketAddr::from_pathname(socket).ok(),
        });
        Self { address }
    }

    pub fn tell(&self, stage: Stage) {
        let Some(address) = &self.address else { return };
        let message: &[u8] = match stage {
            Stage::Opening => b"EXTEND_TIMEOUT_USEC=90000000",
            Stage::Ready => b"READY=1",
            Stage::Stopping => b"STOPPING=1",
        };
        let told = UnixDatagram::unbound().and_then(|socket| socket.send_to_addr(message, address));
        if let Err(error) = told {
            tracing::warn!(%error, "the supervisor could not be told");
        }
    }
}

/// Tells a supervisor that the store is still being opened, until it is dropped: to bring a large one up to date takes
/// minutes, and whoever is stopped in the middle of it begins anew.
#[must_use]
pub struct StillOpening(JoinHandle<()>);

impl StillOpening {
    /// Must be called within a runtime. It has a task of its own, because a store that opens may hold its thread.
    pub fn tell(supervisor: &Supervisor, clock: SharedClock) -> Self {
        let supervisor = supervisor.clone();
        Self(tokio::spawn(async move {
            loop {
                clock.sleep(STILL_OPENING).await;
                supervisor.tell(Stage::Opening);
            }
        }))
    }
}

impl Drop for StillOpening {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::clock::SystemClock;

    #[tokio::test(start_paused = true)]
    async fn a_supervisor_waits_for_as_long_as_the_store_takes_to_open() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_nonblocking(true).expect("a socket that answers at once");
        let supervisor = Supervisor::new(Some(path.as_os_str()));
        let clock = SystemClock::shared();
        let opening = StillOpening::tell(&supervisor, SharedClock::clone(&clock));
        let heard = || {
            let mut buffer = [0; 64];
            let length = socket.recv(&mut buffer).ok()?;
            Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
        };
        assert_eq!(heard(), None, "what opens quickly has nothing to say");
        for _ in 0..3 {
            clock.sleep(STILL_OPENING + Duration::from_millis(1)).await;
            assert_eq!(heard().as_deref(), Some("EXTEND_TIMEOUT_USEC=90000000"));
        }
        drop(opening);
        clock.sleep(2 * STILL_OPENING).await;
        assert_eq!(heard(), None, "it is open, or failed");
    }

    #[test]
    fn a_supervisor_hears_each_stage_wherever_it_listens() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let name = format!("trireme-test-{}", std::process::id());
        let abstract_address = SocketAddr::from_abstract_name(&name).expect("a name");
        let cases = [
            (path.as_os_str().to_owned(), UnixDatagram::bind(&path)),
            (format!("@{name}").into(), UnixDatagram::bind_addr(&abstract_address)),
        ];
        for (value, socket) in cases {
            let socket = socket.expect("a socket");
            let supervisor = Supervisor::new(Some(&value));
            supervisor.tell(Stage::Ready);
            supervisor.tell(Stage::Stopping);
            let mut buffer = [0; 64];
            for expected in ["READY=1", "STOPPING=1"] {
                let length = socket.recv(&mut buffer).expect("a message");
                assert_eq!(&buffer[..length], expected.as_bytes());
            }
        }
        Supervisor::new(None).tell(Stage::Ready);
    }
}
