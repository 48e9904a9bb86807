//! How connections are kept, bounded, renewed and closed.

use http::HeaderValue;
use tokio::io::AsyncWriteExt;
use tokio::sync::{Notify, mpsc};

use super::peer::{OK, Peer, read_request, reset};
use super::*;

fn pooled(pool: PoolLimits) -> HttpTransport {
    transport(TransportOptions { pool, ..TransportOptions::default() })
}

/// Answers everything and tells what it heard; the end of a connection is told as `None`.
async fn listening() -> (Peer, mpsc::UnboundedReceiver<Option<String>>) {
    let (heard, hearing) = mpsc::unbounded_channel();
    let peer = Peer::start(move |_, mut stream| {
        let heard = heard.clone();
        async move {
            while let Some(request) = read_request(&mut stream).await {
                stream.write_all(OK).await.expect("a client");
                heard.send(Some(request)).expect("the test listens");
            }
            let _the_test_may_be_over = heard.send(None);
        }
    })
    .await;
    (peer, hearing)
}

#[tokio::test]
async fn a_request_is_sent_as_given_with_our_framing() {
    let (peer, mut hearing) = listening().await;
    let mut request = post(&at(peer.address));
    for (name, value) in [
        ("x-own", "1"),
        ("host", "evil.example"),
        ("content-length", "3"),
        ("transfer-encoding", "chunked"),
        ("connection", "x-own"),
        ("expect", "100-continue"),
        ("te", "trailers"),
        ("upgrade", "h2c"),
    ] {
        request.headers.insert(name, HeaderValue::from_static(value));
    }
    let response = plain().send(request).await.expect("a response");
    assert_eq!((response.status, &response.body_head[..], response.body_end), (200, &b"ok"[..], BodyEnd::Complete));
    let heard = hearing.recv().await.flatten().expect("a request");
    let (head, body) = heard.split_once("\r\n\r\n").expect("a head");
    let mut lines: Vec<_> = head.lines().collect();
    lines.sort_unstable();
    let host = format!("host: {}", peer.address);
    assert_eq!(lines, ["content-length: 7", &host, "post /in?key=1 http/1.1", "x-own: 1"]);
    assert_eq!(body, "{\"a\":1}");
}

#[tokio::test]
async fn one_connection_serves_many_requests_and_two_at_once_get_two() {
    let peer = Peer::answering(OK).await;
    let transport = plain();
    let target = at(peer.address);
    for turn in 0..20 {
        let response = transport.send(post(&target)).await.expect("a response");
        assert_eq!(response.reused, turn > 0);
    }
    assert_eq!(peer.accepted(), 1);
    let (a, b) = tokio::join!(transport.send(post(&target)), transport.send(post(&target)));
    assert!(a.is_ok() && b.is_ok());
    assert_eq!((peer.accepted(), transport.idle_connections()), (2, 2));
}

#[tokio::test]
async fn kept_connections_survive_every_shape_of_a_short_response() {
    for response in [
        &b"HTTP/1.1 204 No Content\r\n\r\n"[..],
        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx-trailer: 1\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    ] {
        let peer = Peer::answering(response).await;
        let transport = plain();
        for reused in [false, true, true] {
            let response = transport.send(post(&at(peer.address))).await.expect("a response");
            assert_eq!((response.reused, response.body_end), (reused, BodyEnd::Complete));
        }
    }
}

#[tokio::test]
async fn a_kept_connection_that_died_is_replaced_unseen() {
    for resetting in [false, true] {
        let (end, ended) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (end_here, ended_here) = (Arc::clone(&end), Arc::clone(&ended));
        // Each connection dies after one answer, when told to, without having said so.
        let peer = Peer::start(move |_, mut stream| {
            let (end, ended) = (Arc::clone(&end_here), Arc::clone(&ended_here));
            async move {
                read_request(&mut stream).await;
                stream.write_all(OK).await.expect("a client");
                end.notified().await;
                if resetting {
                    reset(stream)
                } else {
                    drop(stream)
                }
                ended.notify_one();
            }
        })
        .await;
        let transport = plain();
        let target = at(peer.address);
        for turn in 1..=4 {
            let response = transport.send(post(&target)).await.expect("a response");
            assert_eq!((response.reused, peer.accepted()), (false, turn));
            assert_eq!(transport.idle_connections(), 1, "it looks alive");
            end.notify_one();
            ended.notified().await;
            // The reactor has to learn of it, as it would in any idle moment.
            SystemClock::new().sleep(SHORT / 10).await;
        }
    }
}

#[tokio::test]
async fn a_kept_connection_that_dies_under_a_request_says_so() {
    let peer = Peer::start(|_, mut stream| async move {
        read_request(&mut stream).await;
        stream.write_all(OK).await.expect("a client");
        read_request(&mut stream).await;
        reset(stream);
    })
    .await;
    let transport = plain();
    assert!(transport.send(post(&at(peer.address))).await.is_ok());
    let failed = transport.send(post(&at(peer.address))).await.expect_err("a reset");
    assert!(matches!(failed, SendError::ConnectionReset { kept: true, .. }), "{failed:?}");
}

#[tokio::test]
async fn connections_that_the_peer_will_close_are_not_kept() {
    for response in [
        &b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"[..],
        b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nkeep-alive: timeout=1\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
    ] {
        let peer = Peer::answering_once(response).await;
        let transport = plain();
        assert!(transport.send(post(&at(peer.address))).await.is_ok());
        assert_eq!(transport.idle_connections(), 0);
    }
    let peer = Peer::answering(b"HTTP/1.1 200 OK\r\nkeep-alive: timeout=5, max=9\r\ncontent-length: 0\r\n\r\n").await;
    let transport = plain();
    assert!(transport.send(post(&at(peer.address))).await.is_ok());
    assert_eq!(transport.idle_connections(), 1);
}

#[tokio::test]
async fn idle_connections_are_bounded_per_origin_and_in_all() {
    let transport = pooled(PoolLimits { idle_per_origin: 2, idle_total: 3, ..PoolLimits::default() });
    let (one, two) = (Peer::answering(OK).await, Peer::answering(OK).await);
    for (peer, idle) in [(&one, 2), (&two, 3)] {
        let target = at(peer.address);
        let sends = (0..4).map(|_| transport.send(post(&target)));
        for response in futures_util::future::join_all(sends).await {
            assert_eq!(response.map(|response| response.status), Ok(200));
        }
        assert_eq!((peer.accepted(), transport.idle_connections()), (4, idle));
    }
    // The oldest went first: the second origin still has both of its own.
    let target = at(two.address);
    let (a, b) = tokio::join!(transport.send(post(&target)), transport.send(post(&target)));
    assert!(a.is_ok_and(|response| response.reused) && b.is_ok_and(|response| response.reused));
}

#[tokio::test]
async fn a_crowd_at_one_origin_leaves_the_connections_of_the_others() {
    let transport = pooled(PoolLimits::of(8));
    let (quiet, busy) = (Peer::answering(OK).await, Peer::answering(OK).await);
    let first = transport.send(post(&at(quiet.address))).await;
    assert!(first.is_ok_and(|response| !response.reused));
    let target = at(busy.address);
    let sends = (0..20).map(|_| transport.send(post(&target)));
    assert!(futures_util::future::join_all(sends).await.iter().all(Result::is_ok));
    assert_eq!(transport.idle_connections(), 3, "two of eight are one origin's, and one the other's");
    let again = transport.send(post(&at(quiet.address))).await;
    assert!(again.is_ok_and(|response| response.reused));
}

#[tokio::test]
async fn what_is_sent_at_once_again_and_again_dials_once() {
    const AT_ONCE: usize = 200;
    let transport = plain();
    let peer = Peer::answering(OK).await;
    let target = at(peer.address);
    for _ in 0..3 {
        let sends = (0..AT_ONCE).map(|_| transport.send(post(&target)));
        assert!(futures_util::future::join_all(sends).await.iter().all(Result::is_ok));
        assert_eq!(peer.accepted(), AT_ONCE);
    }
}

#[tokio::test]
async fn idle_connections_are_closed_in_time_without_further_requests() {
    let (peer, mut hearing) = listening().await;
    let transport = pooled(PoolLimits { idle_time: SHORT, ..PoolLimits::default() });
    // The second round is swept by a sweeper of its own: the first one ended with nothing to do.
    for _ in 0..2 {
        assert!(transport.send(post(&at(peer.address))).await.is_ok_and(|response| !response.reused));
        assert_eq!(transport.idle_connections(), 1);
        assert!(matches!(hearing.recv().await, Some(Some(_request))));
        assert_eq!(hearing.recv().await, Some(None), "the connection ends");
        assert_eq!(transport.idle_connections(), 0);
    }
}

#[tokio::test]
async fn a_large_body_goes_out_whole_beside_many_small_ones() {
    let (peer, mut hearing) = listening().await;
    let transport = plain();
    let target = at(peer.address);
    let size = |n: usize| if n == 7 { 8 * 1024 * 1024 } else { n };
    let sends = (0..50).map(|n| transport.send(OutboundRequest { body: vec![b'x'; size(n)].into(), ..post(&target) }));
    for response in futures_util::future::join_all(sends).await {
        assert_eq!(response.map(|response| response.status), Ok(200));
    }
    let mut heard = Vec::new();
    for _ in 0..50 {
        let request = hearing.recv().await.flatten().expect("a request");
        heard.push(request.split_once("\r\n\r\n").expect("a head").1.len());
    }
    heard.sort_unstable();
    let mut sent: Vec<_> = (0..50).map(size).collect();
    sent.sort_unstable();
    assert_eq!(heard, sent);
}

#[test]
fn what_is_printed_of_a_request_has_no_secrets() {
    let mut request = post(&target("https://hooks.example/path?token=secret", &loopback()));
    request.headers.insert("authorization", HeaderValue::from_static("secret"));
    let shown = format!("{request:?}");
    assert_eq!(shown, "POST Target(https://hooks.example:443) (1 headers, 7 bytes)");
}

#[tokio::test]
async fn an_open_response_is_read_as_its_pieces_come_and_shares_no_connection() {
    let (go_on, mut wait) = mpsc::unbounded_channel::<()>();
    let wait = Mutex::new(Some(async move { wait.recv().await }));
    let peer = Peer::start(move |_, mut stream| {
        let wait = wait.lock().expect("no panic").take().expect("one connection");
        async move {
            read_request(&mut stream).await;
            let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n";
            stream.write_all(head).await.expect("a client");
            wait.await;
            stream.write_all(b"6\r\nsecond\r\n0\r\n\r\n").await.expect("a client");
        }
    })
    .await;
    let transport = plain();
    let mut response = transport.open(post(&at(peer.address))).await.expect("a response");
    assert_eq!(response.status, 200);
    assert_eq!(response.chunk().await, Some(Ok(Bytes::from_static(b"first"))));
    go_on.send(()).expect("the peer waits");
    assert_eq!(response.chunk().await, Some(Ok(Bytes::from_static(b"second"))));
    assert_eq!(response.chunk().await, None);
    assert_eq!(transport.idle_connections(), 0);
}
