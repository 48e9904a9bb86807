//! The sink's behaviours as a gateway sees them.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use bench::ledger::Ledger;
use bench::sink::{Behaviour, Sink};
use bench::stopwatch::Stopwatch;

const OK: &str = "HTTP/1.1 200 OK";

/// A sink of two destinations and a ledger in which the events 0 to 9 were sent.
fn sink() -> (Sink, Arc<Ledger>) {
    let ledger = Arc::new(Ledger::new(10));
    while let Some(id) = ledger.take() {
        ledger.due(id, 0);
    }
    (Sink::start(2, Arc::clone(&ledger)).unwrap(), ledger)
}

fn delivery(destination: usize, id: u64) -> String {
    let body = format!("{{\"data\":{{\"bench_id\":\"~{id:016x}~\"}}}}");
    let head = format!("POST /d/{destination} HTTP/1.1\r\nhost: sink\r\nWebhook-Signature: v1,x\r\n");
    format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// Sends and reads once; what the peer said, or how it refused to.
fn exchange(stream: &mut TcpStream, request: &str) -> Result<String, ErrorKind> {
    stream.write_all(request.as_bytes()).map_err(|error| error.kind())?;
    let mut answer = [0; 1024];
    let length = stream.read(&mut answer).map_err(|error| error.kind())?;
    Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
}

fn connect(sink: &Sink) -> TcpStream {
    TcpStream::connect(sink.address()).unwrap()
}

#[test]
fn healthy_destinations_count_first_and_repeated_deliveries_on_one_connection() {
    let (sink, ledger) = sink();
    let mut stream = connect(&sink);
    for (destination, id) in [(0, 1), (1, 2), (1, 2)] {
        assert!(exchange(&mut stream, &delivery(destination, id)).unwrap().starts_with(OK));
    }
    assert_eq!((ledger.delivered(), ledger.duplicates()), (2, 1));
    assert_eq!((sink.served(0), sink.served(1)), (1, 2));
    sink.check().unwrap();
}

#[test]
fn a_hanging_destination_never_answers_while_its_neighbour_does() {
    let (sink, ledger) = sink();
    sink.behave(0, Behaviour::Hang);
    let mut hung = connect(&sink);
    hung.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let silence = exchange(&mut hung, &delivery(0, 1)).unwrap_err();
    assert!(matches!(silence, ErrorKind::WouldBlock | ErrorKind::TimedOut), "{silence:?}");
    assert!(exchange(&mut connect(&sink), &delivery(1, 2)).unwrap().starts_with(OK));
    assert_eq!((sink.denied(0), ledger.delivered()), (1, 1));
}

#[test]
fn an_unavailable_destination_says_so_and_counts_nothing_until_it_is_back() {
    let (sink, ledger) = sink();
    sink.behave(0, Behaviour::Unavailable);
    let mut stream = connect(&sink);
    assert!(exchange(&mut stream, &delivery(0, 1)).unwrap().starts_with("HTTP/1.1 503"));
    assert_eq!((ledger.delivered(), sink.denied(0)), (0, 1));
    sink.behave(0, Behaviour::Healthy);
    assert!(exchange(&mut stream, &delivery(0, 1)).unwrap().starts_with(OK));
    assert_eq!((ledger.delivered(), ledger.duplicates()), (1, 0));
}

#[test]
fn a_resetting_destination_breaks_the_connection() {
    let (sink, ledger) = sink();
    sink.behave(0, Behaviour::Reset);
    assert_eq!(exchange(&mut connect(&sink), &delivery(0, 1)), Err(ErrorKind::ConnectionReset));
    assert_eq!((ledger.delivered(), sink.denied(0)), (0, 1));
}

#[test]
fn a_slow_destination_answers_no_sooner_than_told() {
    let (sink, ledger) = sink();
    let time = Duration::from_millis(60);
    sink.behave(0, Behaviour::Slow(time));
    let stopwatch = Stopwatch::start();
    assert!(exchange(&mut connect(&sink), &delivery(0, 1)).unwrap().starts_with(OK));
    assert!(stopwatch.elapsed() >= time);
    assert_eq!(ledger.delivered(), 1);
}

#[test]
fn what_is_no_delivery_of_this_run_fails_the_check() {
    let unsigned = delivery(0, 1).replace("Webhook-Signature", "Other-Signature");
    let chunked = delivery(0, 1).replace("Content-Length: ", "Transfer-Encoding: chunked\r\nX: ");
    let cases = [
        (delivery(0, 99), "unknown_events"),
        (delivery(0, 1).replace('~', "-"), "deliveries_unreadable"),
        (chunked, "deliveries_unreadable"),
        (unsigned, "deliveries_unsigned"),
    ];
    for (request, code) in cases {
        let (sink, _) = sink();
        // A chunked request is answered by closing the connection, any other with 200.
        let _ = exchange(&mut connect(&sink), &request);
        let error = sink.check().expect_err(&request);
        assert_eq!(error.code(), code, "{request}");
    }
}

#[test]
fn a_destination_that_does_not_exist_is_404() {
    let (sink, _) = sink();
    for path in ["/d/2", "/d/x", "/e/0", "/"] {
        let request = delivery(0, 1).replace("/d/0", path);
        assert!(exchange(&mut connect(&sink), &request).unwrap().starts_with("HTTP/1.1 404"), "{path}");
    }
}
