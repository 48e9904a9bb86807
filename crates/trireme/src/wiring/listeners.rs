//! The listening sockets: inherited, handed over by the process before, or bound by this one.

use std::io;
use std::net::{SocketAddr, TcpListener};

use listenfd::ListenFd;
use serde::{Deserialize, Serialize};
use socket2::{Domain, Protocol, Socket, Type};

use crate::exit::{Exit, Failure, Outcome};

/// Connections that the kernel keeps while nobody accepts: as many as it lets us (`net.core.somaxconn`), because a
/// restart must not refuse any.
const BACKLOG: i32 = 4_096;

/// What a socket serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything.
    Main,
    /// Webhooks and nothing else.
    Ingest,
}

/// A socket that listens.
#[derive(Debug)]
pub struct Listener {
    pub role: Role,
    pub address: SocketAddr,
    pub socket: TcpListener,
}

/// Where to listen, unless sockets were inherited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    pub main: SocketAddr,
    pub ingest: Option<SocketAddr>,
}

impl Addresses {
    pub fn all(self) -> impl Iterator<Item = (Role, SocketAddr)> {
        [(Role::Main, Some(self.main)), (Role::Ingest, self.ingest)]
            .into_iter()
            .filter_map(|(role, address)| Some((role, address?)))
    }
}

impl Listener {
    pub fn adopt(role: Role, socket: TcpListener) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { role, address: socket.local_addr()?, socket })
    }

    pub fn bind(role: Role, address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // Connections of a process that ended may linger for a minute; they must not keep the next one out.
        socket.set_reuse_address(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(false)?;
        }
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Self::adopt(role, socket.into())
    }

    /// Another handle of the same socket: what is queued in it belongs to both.
    pub fn share(&self) -> io::Result<Self> {
        Ok(Self { role: self.role, address: self.address, socket: self.socket.try_clone()? })
    }
}

/// Sockets from a supervisor that follows the `LISTEN_FDS` convention. Must be called before any thread is started,
/// because it takes the variables out of the environment.
pub fn inherited(names: Option<&str>) -> Outcome<Vec<Listener>> {
    let mut passed = ListenFd::from_env();
    let names: Vec<&str> = names.map(|names| names.split(':').collect()).unwrap_or_default();
    (0..passed.len())
        .filter_map(|index| {
            let taken = passed.take_tcp_listener(index).transpose()?;
            Some(taken.and_then(|socket| Listener::adopt(role_of(index, names.get(index).copied()), socket)))
        })
        .collect::<io::Result<_>>()
        .map_err(|error| {
            Failure::usage(format!("a socket passed by LISTEN_FDS cannot be used: {error}"))
                .hint("Pass listening TCP sockets (ListenStream= in a systemd socket unit).")
        })
}

/// By its name if it has one of ours, else by its place.
fn role_of(index: usize, name: Option<&str>) -> Role {
    match (name, index) {
        (Some("ingest"), _) => Role::Ingest,
        (Some("main"), _) | (_, 0) => Role::Main,
        _ => Role::Ingest,
    }
}

/// Why an address could not be had, and what to do.
pub fn cannot_bind(role: Role, address: SocketAddr, error: &io::Error) -> Failure {
    let option = match role {
        Role::Main => "--listen",
        Role::Ingest => "--ingest-listen",
    };
    let failure = |code, hint: String| {
        Failure::new(Exit::General, code, format!("cannot listen on {address}: {error}")).hint(hint)
    };
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            failure("address_in_use", format!("Another program listens there. Choose another port with {option}."))
        }
        io::ErrorKind::PermissionDenied => failure(
            "address_denied",
            format!("Ports below 1024 need a privilege; choose a higher one with {option}, or let systemd listen."),
        ),
        _ => failure("address_unusable", format!("Choose an address of this machine with {option}.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: &str = "127.0.0.1:0";

    #[test]
    fn sockets_serve_what_their_name_or_their_place_says() {
        let roles = [(0, None), (1, None), (0, Some("ingest")), (1, Some("main")), (0, Some("unknown"))];
        let expected = [Role::Main, Role::Ingest, Role::Ingest, Role::Main, Role::Main];
        assert_eq!(roles.map(|(index, name)| role_of(index, name)), expected);
    }

    #[test]
    fn a_taken_address_says_so_and_a_shared_socket_is_the_same_one() {
        let listener = Listener::bind(Role::Main, ANY.parse().expect("an address")).expect("a port");
        let error = Listener::bind(Role::Main, listener.address).expect_err("taken");
        let failure = cannot_bind(Role::Main, listener.address, &error);
        assert_eq!(failure.code, "address_in_use");
        let shared = listener.share().expect("a handle");
        drop(listener);
        std::net::TcpStream::connect(shared.address).expect("still listening");
        assert!(shared.socket.accept().is_ok());
    }
}
