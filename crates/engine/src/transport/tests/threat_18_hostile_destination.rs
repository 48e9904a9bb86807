//! Peers that hang, drip, flood, lie or break off: each is bounded, none costs more than its own request.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::peer::{OK, Peer, closed_by_client, read_request, reset};
use super::*;
use crate::clock::timeout;

async fn send(peer: &Peer, limits: Limits) -> Result<OutboundResponse, SendError> {
    plain().send(post_within(&at(peer.address), limits)).await
}

/// Answers each request with a head, then repeats `chunk` until the client has enough.
async fn flooding(head: &'static [u8], chunk: &'static [u8]) -> Peer {
    Peer::start(move |_, mut stream| async move {
        read_request(&mut stream).await;
        let mut open = stream.write_all(head).await;
        while open.is_ok() {
            open = stream.write_all(chunk).await;
        }
    })
    .await
}

/// Answers with a head, then one byte at a time, far apart.
async fn dripping(head: &'static [u8]) -> Peer {
    Peer::start(move |_, mut stream| async move {
        read_request(&mut stream).await;
        let clock = SystemClock::shared();
        let mut open = stream.write_all(head).await;
        while open.is_ok() {
            clock.sleep(SHORT / 4).await;
            open = stream.write_all(b"x").await;
        }
    })
    .await
}

async fn silent() -> Peer {
    Peer::start(|_, mut stream| async move { closed_by_client(&mut stream).await }).await
}

#[tokio::test]
async fn an_endless_body_is_cut_and_its_connection_closed() {
    let peer = flooding(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"10\r\n0123456789abcdef\r\n").await;
    let transport = plain();
    let response = transport.send(post(&at(peer.address))).await.expect("a status");
    assert_eq!((response.status, response.body_end), (200, BodyEnd::Cut));
    assert_eq!(response.body_head.len(), Limits::default().body_bytes);
    assert_eq!(transport.idle_connections(), 0);
}

#[tokio::test]
async fn a_long_body_within_the_drain_is_read_to_save_the_connection() {
    let body = "y".repeat(Limits::default().body_bytes + DRAIN_BYTES_MAX);
    let response = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let peer = Peer::answering(response.leak().as_bytes()).await;
    let transport = plain();
    for reused in [false, true] {
        let response = transport.send(post(&at(peer.address))).await.expect("a response");
        assert_eq!((response.body_end, response.body_head.len()), (BodyEnd::Cut, 4 * 1024));
        assert!(response.body_truncated() && response.reused == reused);
    }
}

#[tokio::test]
async fn a_dripping_body_is_given_up_but_its_status_counts() {
    let peer = dripping(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n").await;
    for limits in [Limits { body: SHORT, ..Limits::default() }, Limits { total: SHORT, ..Limits::default() }] {
        let response = send(&peer, limits).await.expect("a status");
        assert_eq!((response.status, response.body_end), (200, BodyEnd::TimedOut));
        assert!((SHORT..Duration::from_secs(4)).contains(&response.timings.total), "{:?}", response.timings);
    }
}

#[tokio::test]
async fn silence_and_dripping_heads_run_into_the_first_byte_and_total_times() {
    for peer in [silent().await, dripping(b"HTTP/1.1 200 OK\r\nx-slow: ").await] {
        for (limits, code) in [
            (Limits { first_byte: SHORT, ..Limits::default() }, "first_byte_timeout"),
            (Limits { total: SHORT, ..Limits::default() }, "total_timeout"),
        ] {
            let late = send(&peer, limits).await.expect_err("no head");
            assert_eq!((late.code(), late.sent()), (code, true));
        }
    }
}

#[tokio::test]
async fn endless_interim_responses_are_given_up() {
    let peer = flooding(b"", b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n").await;
    let late = send(&peer, Limits { first_byte: SHORT, ..Limits::default() }).await.expect_err("no head");
    assert_eq!((late.code(), late.sent()), ("first_byte_timeout", true));
}

#[tokio::test]
async fn a_connection_that_is_never_accepted_runs_into_the_connect_time() {
    // A listener with a full backlog: the kernel drops further attempts to connect.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a port");
    socket.listen(0).expect("a listener");
    let address = socket.local_addr().expect("an address").as_socket().expect("of the internet");
    let clock = SystemClock::new();
    let mut filled = Vec::new();
    while let Ok(stream) = timeout(&clock, SHORT, TcpStream::connect(address)).await {
        filled.push(stream);
        assert!(filled.len() < 64, "the backlog never fills");
    }
    let limits = Limits { connect: SHORT, ..Limits::default() };
    let late = plain().send(post_within(&at(address), limits)).await.expect_err("a full backlog");
    assert_eq!((late.code(), late.sent()), ("connect_timeout", false));
}

#[tokio::test]
async fn oversized_heads_are_refused_before_they_are_held() {
    let huge = flooding(b"HTTP/1.1 200 OK\r\nx-huge: ", &[b'h'; 4096]).await;
    let large = flooding(b"HTTP/1.1 200 OK\r\n", b"x-large: 0123456789abcdef0123456789abcdef\r\n").await;
    let short: String = (0..=error::HEADERS_MAX).map(|n| format!("a{n}: b\r\n")).collect();
    let many = Peer::answering_once(format!("HTTP/1.1 200 OK\r\n{short}\r\n").leak().as_bytes()).await;
    let megabyte = "m".repeat(1024 * 1024);
    let whole = format!("HTTP/1.1 200 OK\r\nx-big: {megabyte}\r\ncontent-length: 0\r\n\r\n");
    for peer in [huge, large, many, Peer::answering_once(whole.leak().as_bytes()).await] {
        let failed = send(&peer, Limits::default()).await.expect_err("a huge head");
        assert_eq!((failed.code(), failed.sent()), ("response_too_large", true), "{failed}");
    }
}

#[tokio::test]
async fn a_wrong_length_is_seen_and_its_connection_is_not_kept() {
    for response in [
        &b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this"[..],
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nab\r\n0\r\n\r\n",
    ] {
        let peer = Peer::answering_once(response).await;
        let transport = plain();
        let response = transport.send(post(&at(peer.address))).await.expect("a status");
        assert_eq!((response.status, response.body_end), (200, BodyEnd::Broken));
        assert_eq!(transport.idle_connections(), 0);
    }
}

#[tokio::test]
async fn what_follows_a_response_is_never_taken_for_the_next_one() {
    let forged = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 500 Forged\r\ncontent-length: 0\r\n\r\n";
    let peer = Peer::answering(forged).await;
    let transport = plain();
    for _ in 0..3 {
        let response = transport.send(post(&at(peer.address))).await.expect("a response");
        assert_eq!((response.status, response.reused), (200, false));
    }
    assert_eq!(peer.accepted(), 3);
}

#[tokio::test]
async fn resets_and_closes_are_told_from_other_protocols() {
    let resetting = Peer::start(|_, mut stream| async move {
        read_request(&mut stream).await;
        reset(stream);
    })
    .await;
    for (peer, code) in [
        (resetting, "connection_reset"),
        (Peer::answering_once(b"").await, "connection_reset"),
        (Peer::answering_once(b"HTTP/1.1 200 OK\r\ncontent-le").await, "connection_reset"),
        (Peer::answering(b"SSH-2.0-OpenSSH_9.2\r\n").await, "protocol_error"),
        (Peer::answering(b"HTTP/9.9 200 OK\r\n\r\n").await, "protocol_error"),
        (Peer::answering(b"HTTP/1.1 abc OK\r\n\r\n").await, "protocol_error"),
        (Peer::answering(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n").await, "protocol_error"),
    ] {
        let failed = send(&peer, Limits::default()).await.expect_err(code);
        assert_eq!((failed.code(), failed.sent()), (code, true), "{failed}");
        assert!(!matches!(failed, SendError::ConnectionReset { kept: true, .. }));
    }
}

#[tokio::test]
async fn nobody_listening_is_certain_not_to_have_got_it() {
    let gone = at(Peer::answering(OK).await.address);
    // The peer's task was told to stop; its socket closes when that has happened.
    let failed = loop {
        match plain().send(post(&gone)).await {
            Err(failed) if failed.code() == "connect_failed" => break failed,
            _ => tokio::task::yield_now().await,
        }
    };
    assert!(!failed.sent() && failed.to_string().contains(&gone.origin.port.to_string()), "{failed}");
}

#[tokio::test]
async fn a_compressed_bomb_stays_compressed() {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    (0..32).for_each(|_| packer.write_all(&[0; 1024 * 1024]).expect("memory"));
    let bomb = packer.finish().expect("memory");
    let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", bomb.len());
    let peer = Peer::answering([head.as_bytes(), &bomb].concat().leak()).await;
    let response = send(&peer, Limits::default()).await.expect("a response");
    assert_eq!(response.body_head, bomb[..4 * 1024]);
}

#[tokio::test]
async fn an_early_answer_to_a_large_body_is_read_and_its_connection_closed() {
    let peer = Peer::start(|_, mut stream| async move {
        stream.write_all(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n").await.expect("a client");
        SystemClock::new().sleep(Duration::from_secs(30)).await;
        drop(stream);
    })
    .await;
    let transport = plain();
    let body = Bytes::from(vec![b'x'; 32 * 1024 * 1024]);
    let response = transport.send(OutboundRequest { body, ..post(&at(peer.address)) }).await.expect("a status");
    assert_eq!((response.status, transport.idle_connections()), (413, 0));
}

#[tokio::test]
async fn giving_up_a_request_closes_its_connection_at_once() {
    let (gone, is_gone) = tokio::sync::mpsc::channel(1);
    let peer = Peer::start(move |_, mut stream| {
        let gone = gone.clone();
        async move {
            closed_by_client(&mut stream).await;
            gone.send(()).await.expect("the test waits");
        }
    })
    .await;
    let mut is_gone = is_gone;
    let transport = plain();
    let request = transport.send(post(&at(peer.address)));
    assert!(timeout(&SystemClock::new(), SHORT, request).await.is_err());
    assert_eq!(is_gone.recv().await, Some(()));
}
