//! Certificates that prove nothing, and the sessions that are worth keeping.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{HandshakeKind, ServerConfig};
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsAcceptor;

use super::peer::{Peer, closed_by_client, read_request};
use super::*;

/// A root of our own.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate"))
    }

    pub(crate) fn trusted(&self) -> HttpTransport {
        transport(TransportOptions { extra_roots: vec![self.0.pem().into_bytes()], ..TransportOptions::default() })
    }

    /// A certificate for `name` until the year `until`.
    pub(crate) fn server_config(&self, name: &str, until: i32) -> ServerConfig {
        let mut params = CertificateParams::new([name.to_owned()]).expect("parameters");
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("a configuration")
    }

    /// A server whose answers tell the kind of handshake; it closes after each.
    async fn serve(&self, name: &str, until: i32) -> Peer {
        let acceptor = TlsAcceptor::from(Arc::new(self.server_config(name, until)));
        Peer::start(move |_, stream| {
            let acceptor = acceptor.clone();
            async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let resumed = stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
                let body = if resumed { "resumed" } else { "in full" };
                read_request(&mut stream).await;
                let response = format!("HTTP/1.1 200 OK\r\ncontent-length: 7\r\nconnection: close\r\n\r\n{body}");
                stream.write_all(response.as_bytes()).await.expect("a client");
                let _the_client_may_be_gone = stream.shutdown().await;
            }
        })
        .await
    }
}

fn https(peer: &Peer, host: &str) -> Arc<Target> {
    target(&format!("https://{host}:{}/", peer.address.port()), &loopback())
}

#[tokio::test]
async fn a_trusted_certificate_is_accepted_and_its_session_resumed() {
    let authority = Authority::new("ours");
    for (name, host) in [("localhost", "localhost"), ("127.0.0.1", "127.0.0.1"), ("*.app.localhost", "a.app.localhost")]
    {
        let peer = authority.serve(name, 2100).await;
        let transport = authority.trusted();
        for handshake in ["in full", "resumed"] {
            let response = transport.send(post(&https(&peer, host))).await.unwrap_or_else(|error| panic!("{error}"));
            assert_eq!((&response.body_head[..], response.reused), (handshake.as_bytes(), false));
        }
    }
}

#[tokio::test]
async fn bad_certificates_are_refused_before_anything_is_sent() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    for (peer, words) in [
        (theirs.serve("localhost", 2100).await, "UnknownIssuer"),
        (ours.serve("other.example", 2100).await, "not valid for name"),
        (ours.serve("localhost", 2021).await, "expired"),
    ] {
        let failed = ours.trusted().send(post(&https(&peer, "localhost"))).await.expect_err(words);
        assert_eq!((failed.code(), failed.sent()), ("tls_failed", false));
        assert!(failed.to_string().contains(words), "{failed}");
    }
    let peer = ours.serve("localhost", 2100).await;
    let failed = plain().send(post(&https(&peer, "localhost"))).await.expect_err("not a public root");
    assert_eq!(failed.code(), "tls_failed");
}

#[tokio::test]
async fn plain_servers_behind_https_fail_by_name_and_silent_ones_by_time() {
    let peer = Peer::start(|_, mut stream| async move {
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.expect("a client");
        closed_by_client(&mut stream).await;
    })
    .await;
    let failed = plain().send(post(&https(&peer, "localhost"))).await.expect_err("no TLS");
    assert_eq!((failed.code(), failed.sent()), ("tls_failed", false));
    let silent = Peer::start(|_, mut stream| async move { closed_by_client(&mut stream).await }).await;
    let limits = Limits { connect: SHORT, ..Limits::default() };
    let failed = plain().send(post_within(&https(&silent, "localhost"), limits)).await.expect_err("silence");
    assert_eq!((failed.code(), failed.sent()), ("connect_timeout", false));
}

#[test]
fn extra_roots_that_are_none_are_refused_in_words() {
    for (pem, words) in [("", "hold no certificate"), ("-----BEGIN CERTIFICATE-----\n!", "not PEM")] {
        let options = TransportOptions { extra_roots: vec![pem.into()], ..TransportOptions::default() };
        let refused = HttpTransport::new(SystemClock::shared(), options).err().expect("no root");
        assert!(refused.to_string().contains(words), "{refused}");
    }
}
