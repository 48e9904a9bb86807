//! Gateways that are pointed at each other, and counters that somebody tampered with.

use http::{HeaderMap, HeaderValue};

use super::*;

fn carrying(values: &[&[u8]]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(HOP_HEADER, HeaderValue::from_bytes(value).expect("a header value"));
    }
    headers
}

#[test]
fn two_gateways_pointed_at_each_other_stop() {
    let mut headers = HeaderMap::new();
    let mut sent = 0;
    while let Hop::Forward(value) = next_hop(hops_of(&headers)) {
        headers.insert(HOP_HEADER, value);
        sent += 1;
        assert!(sent <= u32::from(HOPS_MAX), "the loop goes on");
    }
    assert_eq!(sent, u32::from(HOPS_MAX));
}

#[test]
fn a_garbled_counter_stops_instead_of_starting_over() {
    assert_eq!(hops_of(&HeaderMap::new()), 0);
    assert_eq!(hops_of(&carrying(&[b"3"])), 3);
    let garbled: [&[&[u8]]; 8] = [&[b""], &[b"-1"], &[b"+1"], &[b"1 1"], &[b"256"], &[b"x"], &[b"\xff"], &[b"0", b"0"]];
    for values in garbled {
        assert_eq!(next_hop(hops_of(&carrying(values))), Hop::Stop, "{values:?}");
    }
}
