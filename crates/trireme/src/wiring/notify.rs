//! Telling a supervisor how far we are, by the `NOTIFY_SOCKET` convention. Nobody listening is no failure.

use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// How far the process is.
#[derive(Clone, Copy, Debug)]
pub enum Stage {
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
            Stage::Ready => b"READY=1",
            Stage::Stopping => b"STOPPING=1",
        };
        let told = UnixDatagram::unbound().and_then(|socket| socket.send_to_addr(message, address));
        if let Err(error) = told {
            tracing::warn!(%error, "the supervisor could not be told");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
