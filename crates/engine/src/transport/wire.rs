//! A guarded connection that speaks another protocol than HTTP: mail. It is dialled as every other is, and its TLS is
//! verified by the same roots; what is said over it is its caller's matter.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsConnector;

use super::error::SendError;
use super::target::Target;

/// What a connection is asked for with.
#[derive(Clone, Debug)]
pub struct WireRequest {
    /// Made by [`Target::server`].
    pub target: Arc<Target>,
    /// TLS from the first byte; else [`Wire::secure`] changes to it later, if at all.
    pub tls: bool,
    /// Until there is a connection.
    pub connect: Duration,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Such a connection.
pub struct Wire {
    stream: Box<dyn Stream>,
    tls: TlsConnector,
    name: ServerName<'static>,
}

impl Wire {
    /// `config` is that of HTTP: what is spoken within TLS is not negotiated here.
    pub(super) fn new(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        config: &ClientConfig,
        name: ServerName<'static>,
    ) -> Self {
        let mut config = config.clone();
        config.alpn_protocols.clear();
        Self { stream: Box::new(stream), tls: TlsConnector::from(Arc::new(config)), name }
    }

    /// Changes to TLS: whoever answers must prove to be the server that was meant.
    pub async fn secure(self) -> Result<Self, SendError> {
        let Self { stream, tls, name } = self;
        let secured = tls.connect(name.clone(), stream).await;
        let secured = secured.map_err(|error| SendError::TlsFailed(error.to_string()))?;
        Ok(Self { stream: Box::new(secured), tls, name })
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
