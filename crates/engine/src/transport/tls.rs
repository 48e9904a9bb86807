//! TLS as a client: verification always on, TLS 1.2 at least, one crypto provider, sessions resumed.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// Server names whose sessions are kept for resumption: a resumed handshake costs a third of a full one.
const SESSIONS_MAX: usize = 1_024;

/// The extra root certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    #[error("the extra root certificates are not PEM: {0}")]
    NotPem(String),
    #[error("the extra root certificates hold no certificate")]
    Empty,
    #[error("an extra root certificate cannot be used: {0}")]
    NotARoot(String),
    #[error("TLS cannot be set up: {0}")]
    Provider(String),
}

/// Trusts the public roots and those in `extra_roots` (PEM texts). The provider is named here because a build
/// with two of them would panic on rustls' implicit choice.
pub(super) fn client_config(extra_roots: &[Vec<u8>]) -> Result<Arc<ClientConfig>, RootsError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for pem in extra_roots {
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .map_err(|error| RootsError::NotPem(error.to_string()))?;
        if certificates.is_empty() {
            return Err(RootsError::Empty);
        }
        for certificate in certificates {
            roots.add(certificate).map_err(|error| RootsError::NotARoot(error.to_string()))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| RootsError::Provider(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = Resumption::in_memory_sessions(SESSIONS_MAX);
    Ok(Arc::new(config))
}
