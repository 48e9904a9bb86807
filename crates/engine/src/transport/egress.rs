//! Where requests may go: public addresses, what the owner allowed explicitly, and never our own listeners.
//!
//! Judged twice: literals and `localhost` when configured, the resolved address of every dial in any case.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use ipnet::IpNet;

use super::address::not_public;

/// Ports of other protocols, which a request could be made to speak: the "bad ports" of the Fetch standard.
const PORTS_REFUSED: &[u16] = &[
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109,
    110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531,
    532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060,
    5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
];

/// Why a request may not go where it was told to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EgressRefused {
    #[error("'{url}' is not a URL of the form https://host/path: {problem}")]
    NotAUrl { url: String, problem: String },
    #[error("URLs of destinations have at most {max} bytes, this one has {bytes}")]
    UrlTooLong { bytes: usize, max: usize },
    #[error("'{scheme}:' is not allowed here; use https: or http:")]
    Scheme { scheme: String },
    #[error("the URL carries a user name or password; send credentials in a header instead")]
    Userinfo,
    #[error("port {port} belongs to another protocol than HTTP and is refused")]
    Port { port: u16 },
    #[error("{host} is {address}, which is not public ({kind}); if you mean it, add {net} to `egress.allow`")]
    Address { host: String, address: IpAddr, kind: &'static str, net: IpNet },
    #[error("{host} is {address}, where this gateway itself listens; a gateway never calls itself")]
    OwnListener { host: String, address: SocketAddr },
}

impl EgressRefused {
    /// The stable code of them all: what to do is in the text.
    pub const CODE: &'static str = "egress_refused";
}

/// One owner's rules about addresses. Connections are pooled per policy, because a kept connection is not
/// judged again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct EgressPolicy {
    allow: Vec<IpNet>,
    own_listeners: Vec<SocketAddr>,
}

impl EgressPolicy {
    /// `allow` are ranges that may be reached although they are not public. `own_listeners` are the addresses
    /// where this process accepts connections; nothing in `allow` opens those.
    #[must_use]
    pub fn new(allow: Vec<IpNet>, own_listeners: Vec<SocketAddr>) -> Self {
        let own_listeners = own_listeners.into_iter().map(canonical).collect();
        Self { allow, own_listeners }
    }

    pub(super) fn judge_port(port: u16) -> Result<(), EgressRefused> {
        if PORTS_REFUSED.contains(&port) { Err(EgressRefused::Port { port }) } else { Ok(()) }
    }

    /// Judges one address that `host` stands for, and gives it in the spelling that must be dialled.
    pub(super) fn judge(&self, host: &str, address: SocketAddr) -> Result<SocketAddr, EgressRefused> {
        let address = canonical(address);
        if self.is_own(address) {
            return Err(EgressRefused::OwnListener { host: host.to_owned(), address });
        }
        let ip = address.ip();
        if self.allow.iter().any(|net| net.contains(&ip)) {
            return Ok(address);
        }
        match not_public(ip) {
            None => Ok(address),
            Some(kind) => {
                Err(EgressRefused::Address { host: host.to_owned(), address: ip, kind, net: IpNet::from(ip) })
            }
        }
    }

    /// What `localhost` stands for (RFC 6761: never asked of a name server): the loopback addresses that this
    /// policy lets through. Either one is enough, unlike with names that somebody else answers for.
    pub(super) fn judge_localhost(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, EgressRefused> {
        let v4 = self.judge(host, (Ipv4Addr::LOCALHOST, port).into());
        let v6 = self.judge(host, (Ipv6Addr::LOCALHOST, port).into());
        match (v4, v6) {
            (Err(refused), Err(_)) => Err(refused),
            (v4, v6) => Ok([v4, v6].into_iter().flatten().collect()),
        }
    }

    fn is_own(&self, address: SocketAddr) -> bool {
        self.own_listeners.iter().filter(|own| own.port() == address.port()).any(|own| {
            // Linux connects to the unspecified address as to loopback.
            own.ip() == address.ip()
                || address.ip().is_unspecified()
                || (own.ip().is_unspecified() && is_local(address.ip()))
        })
    }
}

/// Whether this machine has the address: only then can a socket be bound to it. Needs no list of interfaces and
/// no privileges, and is asked only when the port is one of ours.
fn is_local(ip: IpAddr) -> bool {
    ip.is_loopback() || UdpSocket::bind((ip, 0)).is_ok()
}

/// An IPv4 address in an IPv6 spelling reaches the IPv4 host, so it is judged and dialled as that.
fn canonical(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V6(v6) if v6.ip().to_ipv4_mapped().is_some() => {
            SocketAddr::new(address.ip().to_canonical(), address.port())
        }
        other => other,
    }
}
