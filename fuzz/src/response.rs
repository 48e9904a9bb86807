//! What a destination answers: any bytes at all, read by the transport within its limits.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bolero::check;
use bytes::Bytes;
use engine::clock::SystemClock;
use engine::transport::{EgressPolicy, HttpTransport, Limits, OutboundRequest, Target, Transport, TransportOptions};
use http::{HeaderMap, Method};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::mutation::{Edit, Tally, damaged, effort};

const ANSWERS: [&str; 6] = [
    "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nx: y\r\n\r\n",
    "HTTP/1.1 503 Later\r\nretry-after: 5\r\nconnection: close\r\n\r\nbusy",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    "HTTP/1.0 301 Moved\r\nlocation: http://169.254.169.254/\r\n\r\n",
    "HTTP/1.1 410 Gone\r\ncontent-length: 0\r\ncontent-length: 0\r\n\r\n",
];
const LIMITS: Limits = Limits {
    connect: Duration::from_secs(2),
    first_byte: Duration::from_millis(300),
    body: Duration::from_millis(100),
    total: Duration::from_millis(500),
    body_bytes: 4096,
};

#[test]
fn answers_of_any_kind() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let policy = Arc::new(EgressPolicy::new(vec!["127.0.0.0/8".parse().expect("a range")], Vec::new()));
    let tally = Tally::default();
    let (time, inputs) = effort(600);
    check!().with_test_time(time).with_iterations(inputs).with_type::<(u8, Vec<Edit>)>().for_each(|(pick, edits)| {
        let answer = damaged(ANSWERS[usize::from(*pick) % ANSWERS.len()].as_bytes(), &edits[..edits.len().min(3)]);
        let answered = runtime.block_on(ask(answer.clone(), &policy));
        tally.note(answered.is_some());
        if let Some(kept) = answered {
            assert!(kept <= LIMITS.body_bytes, "{} bytes kept of {answer:?}", kept);
        }
    });
    tally.check("answers of destinations");
}

/// Sends a request to somebody who answers so and hangs up; gives how much of the answer was kept.
async fn ask(answer: Vec<u8>, policy: &Arc<EgressPolicy>) -> Option<usize> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address: SocketAddr = listener.local_addr().expect("it is bound");
    let peer = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("the transport connects");
        let mut request = [0; 1024];
        let _ = stream.read(&mut request).await;
        let _ = stream.write_all(&answer).await;
    });
    let transport = HttpTransport::new(SystemClock::shared(), TransportOptions::default()).expect("the usual roots");
    let target = Target::parse(&format!("http://{address}/"), policy).expect("loopback is allowed");
    let request = OutboundRequest {
        method: Method::POST,
        target: Arc::new(target),
        headers: HeaderMap::new(),
        body: Bytes::from_static(b"{}"),
        limits: LIMITS,
    };
    let answered = transport.send(request).await;
    peer.await.expect("the peer does not panic");
    answered.ok().map(|response| response.body_head.len())
}
