//! The demo's destinations: one that always answers 200, one that fails a third of the time.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::exit::{Failure, Outcome};

/// Larger than any message of the demo.
const BODY_BYTES_MAX: usize = 1024 * 1024;

pub struct Destinations {
    pub address: SocketAddr,
}

impl Destinations {
    /// Serves on a free port of this machine for as long as the process runs.
    pub async fn start() -> Outcome<Self> {
        let failed =
            |error: std::io::Error| Failure::general("listen", format!("no port for the destinations: {error}"));
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        tokio::spawn(serve(listener));
        Ok(Self { address })
    }
}

async fn serve(listener: TcpListener) {
    let asked = Arc::new(AtomicU64::new(0));
    while let Ok((stream, _)) = listener.accept().await {
        let asked = Arc::clone(&asked);
        let answer = service_fn(move |request| answer(request, Arc::clone(&asked)));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
    }
}

async fn answer(request: Request<Incoming>, asked: Arc<AtomicU64>) -> Result<Response<Full<Bytes>>, Infallible> {
    let flaky = request.uri().path() == "/flaky";
    // Read to its end, as a real one would; what it says does not matter here.
    let _ = Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await;
    let (status, text) = if flaky && fails(asked.fetch_add(1, Ordering::Relaxed)) {
        (StatusCode::SERVICE_UNAVAILABLE, "down for a moment")
    } else {
        (StatusCode::OK, "thank you")
    };
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    Ok(response)
}

/// A third of the requests fail, in no order that retries could fall in step with.
fn fails(number: u64) -> bool {
    const ODD: u64 = 0x9E37_79B9_7F4A_7C15;
    (number.wrapping_add(1).wrapping_mul(ODD) >> 33).is_multiple_of(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_fails_and_sometimes_three_in_a_row() {
        let failed = (0..3_000).filter(|number| fails(*number)).count();
        assert!((900..1_100).contains(&failed), "{failed}");
        assert!((0..200).any(|number| fails(number) && fails(number + 1)));
    }
}
