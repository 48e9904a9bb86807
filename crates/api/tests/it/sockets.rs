//! Hostile bytes on real sockets, and how connections begin and end.

use std::io::Write as _;
use std::time::Duration;

use api::Limits;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::gateway::Call;
use crate::server::{Server, Wire, post, statuses};

const MS: Duration = Duration::from_millis(1);

fn small() -> Limits {
    Limits {
        body_bytes_max: 64 * 1024,
        head_time: 400 * MS,
        idle_time: 600 * MS,
        body_idle: 400 * MS,
        body_time: 1_200 * MS,
        drain_time: Duration::from_secs(10),
        ..Limits::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_10_malformed_requests_are_refused_and_their_connections_closed() {
    let server = Server::start(small()).await;
    let name = "x".repeat(64 * 1024);
    let many: String = (0..200).map(|number| format!("x-{number}: a\r\n")).collect();
    let head = "POST /in/hooks HTTP/1.1\r\nhost: a\r\n";
    let cases: &[(&str, String, u16)] = &[
        ("two different lengths", format!("{head}content-length: 1\r\ncontent-length: 2\r\n\r\nab"), 400),
        ("a negative length", format!("{head}content-length: -1\r\n\r\na"), 400),
        ("a signed length", format!("{head}content-length: +1\r\n\r\na"), 400),
        ("a list of lengths", format!("{head}content-length: 1, 2\r\n\r\nab"), 400),
        ("a huge length", format!("{head}content-length: 99999999999999999999\r\n\r\na"), 400),
        ("a folded header", format!("{head}x-a: b\r\n c\r\n\r\n"), 400),
        ("a NUL in a value", format!("{head}x-a: b\0c\r\n\r\n"), 400),
        ("a NUL in a name", format!("{head}x\0a: b\r\n\r\n"), 400),
        ("a bare CR in a value", format!("{head}x-a: b\rc\r\n\r\n"), 400),
        ("a space before the colon", format!("{head}content-length : 1\r\n\r\na"), 400),
        ("an unknown coding", format!("{head}transfer-encoding: gzip\r\n\r\na"), 400),
        ("a coding after chunked", format!("{head}transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n"), 400),
        ("two codings", format!("{head}transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), 400),
        ("chunked twice", format!("{head}transfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n"), 400),
        (
            "chunked in two headers",
            format!("{head}transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
            400,
        ),
        ("chunked in HTTP/1.0", "POST /in/hooks HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".into(), 400),
        ("no host", "POST /in/hooks HTTP/1.1\r\ncontent-length: 0\r\n\r\n".into(), 400),
        ("two hosts", format!("{head}host: b\r\ncontent-length: 0\r\n\r\n"), 400),
        ("a bad chunk size", format!("{head}transfer-encoding: chunked\r\n\r\nzz\r\nab\r\n0\r\n\r\n"), 400),
        ("a huge chunk size", format!("{head}transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\na"), 400),
        ("64 KiB of header", format!("{head}x-a: {name}\r\n\r\n"), 431),
        ("200 headers", format!("{head}{many}\r\n"), 431),
        ("no HTTP", "\x16\x03\x01\x02\x00hello\r\n\r\n".into(), 400),
        ("no version", "GET /\r\n\r\n".into(), 400),
    ];
    for (what, bytes, status) in cases {
        let answer = server.raw(bytes).await;
        let told = statuses(&answer);
        // The parser may close without a word where it cannot tell a request from noise.
        assert!(told == [*status] || (told.is_empty() && *status == 400), "{what}: {answer}");
    }
    assert_eq!(server.events().await, 0, "nothing of this is an event");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_10_a_request_hidden_in_another_is_not_carried_out() {
    let server = Server::start(small()).await;
    let hidden = post("/in/hooks", "", "hidden");
    let both = |first: &str, second: &str| {
        format!("POST /in/hooks HTTP/1.1\r\nhost: a\r\n{first}\r\n{second}\r\n\r\n0\r\n\r\n{hidden}")
    };
    let length = format!("content-length: {}", 5 + hidden.len());
    for bytes in [both(&length, "transfer-encoding: chunked"), both("transfer-encoding: chunked", &length)] {
        let before = server.events().await;
        let answer = server.raw(&bytes).await;
        assert_eq!(statuses(&answer).len(), 1, "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
        assert!(server.events().await <= before + 1);
    }
    let twice = "POST /in/hooks HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nab";
    assert_eq!(statuses(&server.raw(twice).await), [200], "the same length twice says nothing else");
}

/// RFC 9112 §6.3: the chunks say where the body ends, whatever the length says, and the connection is of no use after.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_10_a_request_with_a_length_and_chunks_is_read_by_its_chunks_alone_and_ends_its_connection() {
    let server = Server::start(small()).await;
    let next = post("/in/hooks", "", "next");
    let (chunked, mut read) = ("Transfer-Encoding: chunked", Vec::new());
    for (number, length) in ["0", "1", "4", "6", "19", "60000"].into_iter().enumerate() {
        let length = format!("Content-Length: {length}");
        let twice = format!("{length}\r\n{length}");
        for (order, framing) in
            [format!("{length}\r\n{chunked}"), format!("{chunked}\r\n{length}"), format!("{twice}\r\n{chunked}")]
                .iter()
                .enumerate()
        {
            let body = format!("both-{number}-{order}");
            let (first, rest) = body.split_at(4);
            let chunks = format!("4\r\n{first}\r\n{:x}\r\n{rest}\r\n0\r\n\r\n", rest.len());
            let answer =
                server.raw(format!("POST /in/hooks HTTP/1.1\r\nhost: a\r\n{framing}\r\n\r\n{chunks}{next}")).await;
            assert_eq!(statuses(&answer), [200], "what follows is answered by nobody: {framing}: {answer}");
            assert!(answer.contains("connection: close"), "{framing}: {answer}");
            read.push(body);
        }
    }
    let mut payloads = server.payloads().await;
    payloads.sort_unstable();
    assert_eq!(payloads, read, "each is what its chunks hold, and nothing else came of any");
    for wrong in ["-1", "4, 5", "x"] {
        let both =
            format!("POST /in/hooks HTTP/1.1\r\nhost: a\r\ncontent-length: {wrong}\r\n{chunked}\r\n\r\n0\r\n\r\n");
        assert_eq!(statuses(&server.raw(&both).await), [400], "{wrong} is no length, whatever comes beside it");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_10_a_length_that_lies_makes_no_event_of_half_a_body() {
    let server = Server::start(small()).await;
    let answer = server.raw("POST /in/hooks HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf").await;
    assert!(statuses(&answer).iter().all(|status| *status == 400), "{answer}");
    let cut = "POST /in/hooks HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n";
    assert!(statuses(&server.raw(cut).await).iter().all(|status| *status == 400));
    assert_eq!(server.events().await, 0);
    let more = server.raw("POST /in/hooks HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nab and more").await;
    assert_eq!(statuses(&more), [200, 400], "what is too much is no request");
    assert_eq!(server.events().await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_09_whoever_is_slow_is_given_up() {
    let server = Server::start(small()).await;
    let mut head = server.connect().await;
    head.send("POST /in/hooks HTTP/1.1\r\n").await;
    let body = || async {
        let mut wire = server.connect().await;
        wire.send("POST /in/hooks HTTP/1.1\r\nhost: a\r\ncontent-length: 60000\r\n\r\n").await;
        wire
    };
    let (dripping, mut stopped, mut silent, mut idle) =
        (body().await, body().await, server.connect().await, server.connect().await);
    idle.send(post("/in/hooks", "", "{}")).await;
    stopped.send("some").await;
    let (head, dripping, stopped, silent, idle) = tokio::join!(
        head.drip(b"x-a: b\r\n", 20 * MS),
        dripping.drip(b"x", 20 * MS),
        stopped.rest(),
        silent.rest(),
        idle.rest(),
    );
    assert_eq!((statuses(&head), statuses(&silent)), (vec![], vec![]), "{head}{silent}");
    assert_eq!((statuses(&dripping), statuses(&stopped)), (vec![408], vec![408]), "{dripping}{stopped}");
    assert_eq!(statuses(&idle), [200], "answered, and closed when it asked for nothing more");
    assert_eq!(server.events().await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_08_endless_and_oversized_bodies_are_cut_off() {
    let server = Server::start(small()).await;
    let mut wire = server.connect().await;
    wire.send("POST /in/hooks HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n").await;
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
    let answer = wire.drip(chunk.as_bytes(), Duration::ZERO).await;
    assert_eq!(statuses(&answer), [413], "{answer}");
    // Whoever writes all of it before reading anything gets the answer, too.
    let mut patient = server.connect().await;
    let length = 8 * 1024 * 1024;
    patient.send(format!("POST /in/hooks HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n")).await;
    assert!(patient.send("x".repeat(length)).await, "nothing was reset");
    assert_eq!(statuses(&patient.rest().await), [413]);
    let early = server.connect().await.0;
    let mut early = Wire(early);
    early.send("POST /in/hooks HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 70000\r\n\r\n").await;
    assert_eq!(statuses(&early.rest().await), [413], "refused before one byte of the body");
    let kept = server.gateway.call(Call::get("/api/v1/requests?reason=body_too_large")).await;
    assert_eq!(kept.ids().len(), 3);
    assert_eq!(server.events().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_08_a_gzip_bomb_costs_no_more_than_its_bytes() {
    let server = Server::start(Limits::default()).await;
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    let zeros = vec![0; 1 << 20];
    for _ in 0..128 {
        bomb.write_all(&zeros).expect("memory");
    }
    let bomb = bomb.finish().expect("memory");
    let call = |path: &str| Call::post(path).without_key().header("content-encoding", "gzip").bytes(&bomb);
    for path in ["/in/hooks", "/in/github"] {
        let answer = server.gateway.call(call(path)).await;
        assert!([200, 401].contains(&answer.status.as_u16()), "{path}: {answer:?}");
    }
    let api = server.gateway.call(call("/api/v1/events").header("content-type", "application/json")).await;
    assert_eq!(api.status, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_on_one_connection_are_answered_in_order() {
    let server = Server::start(small()).await;
    let mut wire = server.connect().await;
    let three =
        [post("/in/hooks", "", "1"), post("/in/nope", "", "2"), post("/in/hooks", "connection: close\r\n", "3")];
    wire.send(three.concat()).await;
    assert_eq!(statuses(&wire.rest().await), [200, 404, 200]);
    let mut wire = server.connect().await;
    wire.send("POST /in/hooks HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n").await;
    assert_eq!(statuses(&wire.until("100 Continue\r\n\r\n").await), [100]);
    wire.send("ab").await;
    assert_eq!(statuses(&wire.until("events").await), [200]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_2_is_spoken_too() {
    let server = Server::start(small()).await;
    let stream = TcpStream::connect(server.api).await.expect("the server accepts");
    let io = TokioIo::new(stream);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.expect("HTTP/2");
    tokio::spawn(connection);
    for (path, status) in [("/in/hooks", 200), ("/in/nope", 404), ("/healthz", 405)] {
        let request = http::Request::post(format!("http://localhost{path}"));
        let request = request.body(Full::new(bytes::Bytes::from_static(b"{}"))).expect("a request");
        let response = sender.send_request(request).await.expect("an answer");
        assert_eq!(response.status(), status, "{path}");
        response.into_body().collect().await.expect("a body");
    }
    let listed = server.gateway.call(Call::get("/api/v1/events")).await;
    assert_eq!(listed.ids().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ingest_port_serves_nothing_else() {
    let server = Server::start(small()).await;
    let ask = |request: String| async move {
        let mut wire = Wire::to(server.ingest).await;
        wire.send(request).await;
        wire.finish().await;
        statuses(&wire.rest().await)
    };
    assert_eq!(ask(post("/in/hooks", "", "{}")).await, [200]);
    for path in ["/healthz", "/metrics", "/openapi.json", "/", "/api/v1/events", "/docs/errors/not_found"] {
        assert_eq!(ask(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n")).await, [404], "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_on_loopback_serves_only_local_names() {
    let server = Server::start(small()).await;
    for (host, status) in [("localhost:1", 200), ("127.0.0.1", 200), ("evil.example", 421)] {
        let answer = server.raw(format!("GET /healthz HTTP/1.1\r\nhost: {host}\r\n\r\n")).await;
        assert_eq!(statuses(&answer), [status], "{host}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_09_connections_are_bounded_and_the_others_go_on() {
    let server =
        Server::start(Limits { connections_per_ip_max: 2, idle_time: Duration::from_secs(60), ..small() }).await;
    let mut first = server.connect().await;
    first.send(post("/in/hooks", "", "{}")).await;
    first.until("events").await;
    let mut second = server.connect().await;
    second.send(post("/in/hooks", "", "{}")).await;
    second.until("events").await;
    let mut third = server.connect().await;
    let refused = third.rest().await;
    assert_eq!(statuses(&refused), [503]);
    assert!(refused.contains("retry-after: 1"));
    first.send(post("/in/hooks", "", "{}")).await;
    first.until("events").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_answers_what_is_there_and_takes_nothing_new() {
    let server = Server::start(Limits { head_time: Duration::from_secs(5), ..small() }).await;
    let mut half = server.connect().await;
    half.send("POST /in/hooks HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nha").await;
    let mut kept = server.connect().await;
    kept.send(post("/in/hooks", "", "{}")).await;
    kept.until("events").await;
    // Accepted, but not one byte of its request has come.
    let mut fresh = server.connect().await;
    server.stop.cancel();
    half.send("lf").await;
    for wire in [&mut kept, &mut fresh] {
        wire.send(post("/in/hooks", "", "{}")).await;
    }
    for wire in [&mut half, &mut kept, &mut fresh] {
        let answer = wire.rest().await;
        assert_eq!(statuses(&answer), [200], "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
    }
    assert_eq!(server.served.await.expect("no panic"), 0, "nothing had to be cut");
    assert!(TcpStream::connect(server.api).await.is_err(), "nobody listens any more");
}

/// One thread, which looks at no socket between the connections and the stop: only the kernel knows of them.
#[tokio::test]
async fn whoever_has_connected_before_a_stop_is_answered() {
    let server = Server::start(small()).await;
    let mut known = server.connect().await;
    known.send(post("/in/hooks", "", "{}")).await;
    known.until("events").await;
    let connected: Vec<_> = (0..20)
        .map(|_| {
            let mut stream = std::net::TcpStream::connect(server.api).expect("it listens");
            stream.write_all(post("/in/hooks", "", "{}").as_ref()).expect("there is room");
            stream
        })
        .collect();
    server.stop.cancel();
    for stream in connected {
        stream.set_nonblocking(true).expect("a socket");
        let answer = Wire(TcpStream::from_std(stream).expect("a socket")).rest().await;
        assert_eq!(statuses(&answer), [200], "{answer}");
    }
    assert_eq!(server.served.await.expect("no panic"), 0, "nothing had to be cut");
}
