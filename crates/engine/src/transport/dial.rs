//! Making a connection: resolve once, judge every address, connect to a judged address, TLS, HTTP handshake.
//!
//! There is no other way out of the process for a request, and no proxy of the environment is looked at.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{Either, select};
use futures_util::stream::FuturesUnordered;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::error::SendError;
use super::link::Link;
use super::resolve::Resolver;
use super::target::{Host, Origin};
use super::wire::Wire;
use crate::clock::SharedClock;

/// Largest response head that is read. Servers rarely send more than 8 KiB; the buffer is per connection.
pub(super) const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Addresses of one name that are tried; all are judged.
const ADDRESSES_TRIED_MAX: usize = 6;
/// How long one address has before the next is tried beside it (RFC 8305 recommends this delay).
const HEAD_START: Duration = Duration::from_millis(250);

pub(super) struct Dialler {
    pub clock: SharedClock,
    pub resolver: Arc<dyn Resolver>,
    pub tls: TlsConnector,
    /// What `tls` was made of.
    pub config: Arc<ClientConfig>,
}

impl Dialler {
    pub async fn dial(&self, origin: &Origin) -> Result<Link, SendError> {
        let addresses = self.judged_addresses(origin).await?;
        let stream = self.connect_first(&addresses).await?;
        // Requests are written whole: waiting for more bytes would only delay the last segment.
        let peer = stream.set_nodelay(true).and_then(|()| stream.peer_addr());
        let peer = peer.map_err(|error| SendError::ConnectFailed(error.to_string()))?;
        match &origin.server_name {
            None => handshake(stream, peer).await,
            Some(name) => {
                let stream = self.tls.connect(name.clone(), stream).await;
                handshake(stream.map_err(|error| SendError::TlsFailed(error.to_string()))?, peer).await
            }
        }
    }

    /// A connection that speaks something else than HTTP, in the clear so far.
    pub async fn wire(&self, origin: &Origin) -> Result<Wire, SendError> {
        let addresses = self.judged_addresses(origin).await?;
        let stream = self.connect_first(&addresses).await?;
        let name = origin.server_name.clone();
        let name = name.ok_or_else(|| SendError::TlsFailed("it is not known whom to expect".to_owned()))?;
        Ok(Wire::new(stream, &self.config, name))
    }

    /// One refused address refuses the name: a mixture of public and private answers is how rebinding starts.
    async fn judged_addresses(&self, origin: &Origin) -> Result<Vec<SocketAddr>, SendError> {
        let Host::Name(name) = &origin.host else {
            return Ok(origin.known_addresses().transpose()?.unwrap_or_default());
        };
        let failed = |problem: String| SendError::DnsFailed { name: name.to_string(), problem };
        let found = self.resolver.resolve(name).await.map_err(failed)?;
        if found.is_empty() {
            return Err(failed("it has no address".to_owned()));
        }
        let judge = |ip| origin.policy.judge(name, SocketAddr::new(ip, origin.port));
        Ok(found.into_iter().map(judge).collect::<Result<_, _>>()?)
    }

    /// The first address that connects wins; each gets a head start on the next, and a failure ends it.
    async fn connect_first(&self, addresses: &[SocketAddr]) -> Result<TcpStream, SendError> {
        let mut waiting = addresses.iter().copied().take(ADDRESSES_TRIED_MAX);
        let mut trying = FuturesUnordered::new();
        let mut failure = "it has no address".to_owned();
        loop {
            if let Some(address) = waiting.next() {
                trying.push(async move { (address, TcpStream::connect(address).await) });
            } else if trying.is_empty() {
                return Err(SendError::ConnectFailed(failure));
            }
            let tried = if waiting.len() == 0 {
                trying.next().await
            } else {
                match select(trying.next(), self.clock.sleep(HEAD_START)).await {
                    Either::Left((tried, _)) => tried,
                    Either::Right(_) => continue,
                }
            };
            match tried {
                Some((_, Ok(stream))) => return Ok(stream),
                Some((address, Err(error))) => failure = format!("{address}: {error}"),
                None => {}
            }
        }
    }
}

async fn handshake<S>(stream: S, peer: SocketAddr) -> Result<Link, SendError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD_BYTES_MAX).max_header_size(HEAD_BYTES_MAX);
    let (sender, connection) =
        builder.handshake(TokioIo::new(stream)).await.map_err(|error| SendError::ConnectFailed(error.to_string()))?;
    Ok(Link::new(sender, Box::pin(connection), peer))
}
