//! The HTTP parts: hyper with nothing around it, as server and as client, on one thread each.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::{ExchangeCost, each_us};
use crate::error::{BenchError, BoxError};
use crate::generator::{Generator, Load, Pace, Sent};
use crate::ledger::{Ledger, Moment};
use crate::payload::Template;
use crate::runtime_thread::{self, RuntimeThread, StopSignal};
use crate::signing::Signing;
use crate::sink::Sink;
use crate::stats::percentile;
use crate::stopwatch::pause;

/// More than a bare server can take in a second on any machine that this runs on.
const REQUESTS_PER_SECOND_MAX: usize = 400_000;
/// As long as an answer of the product.
const ANSWER: &[u8] = br#"{"events":[{"id":"evt_01kafzg8ahe1paw7bvhg4y9r3c","duplicate":false}]}"#;

/// The bare server under the generator.
pub(super) fn server(connections: usize, time: Duration) -> Result<ExchangeCost, BenchError> {
    let (_, sent, cpu) = under_load(connections, Pace::Closed, time)?;
    Ok(ExchangeCost {
        part_us: each_us(cpu, sent.accepted, "the bare server")?,
        tool_us: each_us(sent.cpu, sent.accepted, "the generator")?,
    })
}

/// Median round trip to the bare server.
pub(super) fn round_trip_us(connections: usize, pace: Pace, time: Duration) -> Result<f64, BenchError> {
    let (ledger, _, _) = under_load(connections, pace, time)?;
    let mut waits = ledger.waits(Moment::Due, Moment::Acked, |_, _| true);
    waits.sort_unstable();
    Ok(f64::from(percentile(&waits, 50)))
}

/// The bare pinned client against the sink.
pub(super) fn client(connections: usize, time: Duration) -> Result<ExchangeCost, BenchError> {
    let ledger = Arc::new(Ledger::new(0));
    let sink = Sink::start(1, ledger)?;
    let (address, posted, stop) = (sink.address(), Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let (count, stopped) = (Arc::clone(&posted), Arc::clone(&stop));
    let thread = RuntimeThread::spawn("bare-client", move |_| async move {
        let mut pinned = JoinSet::new();
        for _ in 0..connections {
            let (count, stopped) = (Arc::clone(&count), Arc::clone(&stopped));
            // A connection that breaks posts no more; without any posts the measurement is refused.
            pinned.spawn(async move { post_until(address, &count, &stopped).await.is_ok() });
        }
        while pinned.join_next().await.is_some() {}
    })?;
    pause(time);
    stop.store(true, Relaxed);
    let (client_cpu, sink_cpu) = (thread.wait()?, sink.stop()?);
    let posted = posted.load(Relaxed);
    Ok(ExchangeCost {
        part_us: each_us(client_cpu, posted, "the bare client")?,
        tool_us: each_us(sink_cpu, posted, "the sink")?,
    })
}

fn under_load(connections: usize, pace: Pace, time: Duration) -> Result<(Arc<Ledger>, Sent, Duration), BenchError> {
    let listener = runtime_thread::listen()?;
    let target = listener.local_addr().map_err(BenchError::io("read the bare server's address"))?;
    let server = RuntimeThread::spawn("bare-server", move |signal| serve(listener, signal))?;
    let capacity = (time.as_secs_f64() * REQUESTS_PER_SECOND_MAX as f64) as usize;
    let ledger = Arc::new(Ledger::new(capacity));
    let templates = vec![Template::new(target, "/in/s0", &Signing::generic_hmac("calibration"))];
    let load = Load { target, templates, connections, pace, limit: None };
    let generator = Generator::start(load, Arc::clone(&ledger))?;
    pause(time);
    let sent = generator.stop()?;
    if sent.accepted == 0 {
        return Err(BenchError::NothingAccepted { answer: sent.refusal.unwrap_or_default() });
    }
    Ok((ledger, sent, server.stop()?))
}

async fn serve(listener: std::net::TcpListener, signal: StopSignal) {
    let connections = async {
        let listener = TcpListener::from_std(listener).expect("a non-blocking listener inside a runtime is taken");
        while let Ok((stream, _)) = listener.accept().await {
            // Where either fails, the generator sees a broken connection and counts it.
            let _ = stream.set_nodelay(true);
            let connection = hyper::server::conn::http1::Builder::new();
            tokio::spawn(async move { connection.serve_connection(TokioIo::new(stream), service_fn(answer)).await });
        }
    };
    tokio::select! {
        () = connections => {}
        () = signal.wait() => {}
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let body = request.into_body().collect().await?.to_bytes();
    std::hint::black_box(&body);
    Ok(Response::new(Full::new(Bytes::from_static(ANSWER))))
}

async fn post_until(address: SocketAddr, posted: &AtomicU64, stopped: &AtomicBool) -> Result<(), BoxError> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let body = body(address);
    while !stopped.load(Relaxed) {
        sender.ready().await?;
        let request = Request::post("/d/0").header("host", "127.0.0.1").header("webhook-signature", "v1,none");
        let answer = sender.send_request(request.body(Full::new(body.clone()))?).await?;
        answer.into_body().collect().await?;
        posted.fetch_add(1, Relaxed);
    }
    Ok(())
}

/// The body of a generated request; its signature is another part's cost.
fn body(target: SocketAddr) -> Bytes {
    let mut request = Vec::new();
    Template::new(target, "/", &Signing::generic_hmac("calibration")).render(0, &mut request);
    Bytes::from(request.split_off(request.len() - crate::payload::BODY_BYTES))
}
