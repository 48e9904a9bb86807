//! Names whose answers change between the check and the dial, or between two dials.

use std::net::Ipv4Addr;

use super::peer::{OK, Peer};
use super::*;

/// Lets 127.0.0.1 through and nothing else of the machine.
fn only_the_first() -> Arc<EgressPolicy> {
    Arc::new(EgressPolicy::new(vec![net("127.0.0.1/32")], Vec::new()))
}

fn named(peer: &Peer, policy: &Arc<EgressPolicy>) -> Arc<Target> {
    target(&format!("http://hooks.example:{}/", peer.address.port()), policy)
}

#[tokio::test]
async fn one_lookup_serves_the_check_and_the_dial() {
    let peer = Peer::answering(OK).await;
    // A second lookup for the dial would get the private answer.
    let resolver = Scripted::new([&["127.0.0.1"][..], &["10.0.0.1"][..]]);
    let response = transport(resolver.options()).send(post(&named(&peer, &only_the_first()))).await;
    assert_eq!(response.map(|response| response.peer.ip()), Ok(Ipv4Addr::LOCALHOST.into()));
    assert_eq!(resolver.times_asked(), 1);
}

#[tokio::test]
async fn every_new_connection_is_judged_again() {
    let peer = Peer::answering_once(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
    let resolver = Scripted::new([&["127.0.0.1"][..], &["127.0.0.2"][..]]);
    let transport = transport(resolver.options());
    let target = named(&peer, &only_the_first());
    assert_eq!(transport.send(post(&target)).await.map(|response| response.status), Ok(200));
    let refused = transport.send(post(&target)).await.expect_err("the name moved");
    assert_eq!(refused.code(), "egress_refused");
    assert_eq!((peer.accepted(), resolver.times_asked()), (1, 2));
}

#[tokio::test]
async fn one_private_address_among_public_ones_refuses_the_name() {
    let peer = Peer::answering(OK).await;
    for mixed in [["127.0.0.1", "10.0.0.1"], ["10.0.0.1", "127.0.0.1"], ["127.0.0.1", "::1"]] {
        let transport = transport(Scripted::new([&mixed[..]]).options());
        let refused = transport.send(post(&named(&peer, &only_the_first()))).await.expect_err("mixed");
        assert_eq!(refused.code(), "egress_refused");
    }
    assert_eq!(peer.accepted(), 0);
}

#[tokio::test]
async fn a_kept_connection_is_not_shared_with_a_stricter_policy() {
    let peer = Peer::answering(OK).await;
    let resolver = Scripted::new([&["127.0.0.1"][..]]);
    let transport = transport(resolver.options());
    assert!(transport.send(post(&named(&peer, &only_the_first()))).await.is_ok());
    assert_eq!(transport.idle_connections(), 1);
    let strict = Arc::new(EgressPolicy::default());
    let refused = transport.send(post(&named(&peer, &strict))).await.expect_err("another tenant's connection");
    assert_eq!(refused.code(), "egress_refused");
    let same = Arc::new(EgressPolicy::new(vec![net("127.0.0.1/32")], Vec::new()));
    assert!(transport.send(post(&named(&peer, &same))).await.is_ok_and(|response| response.reused));
    assert_eq!(peer.accepted(), 1);
}

#[tokio::test]
async fn names_without_an_answer_fail_before_anything_is_sent() {
    for answer in [Ok(Vec::new()), Err("no such host".to_owned())] {
        let resolver = Scripted::answering([answer]);
        let target = target("http://gone.example/", &only_the_first());
        let failed = transport(resolver.options()).send(post(&target)).await.expect_err("no address");
        assert_eq!((failed.code(), failed.sent()), ("dns_failed", false));
        assert!(failed.to_string().contains("gone.example"));
    }
}

#[tokio::test]
async fn a_silent_name_server_costs_the_connect_time_and_no_more() {
    struct Silent;
    impl Resolver for Silent {
        fn resolve(&self, _: &str) -> BoxFuture<'static, Answer> {
            std::future::pending().boxed()
        }
    }
    let options = TransportOptions { resolver: Some(Arc::new(Silent)), ..TransportOptions::default() };
    let target = target("http://slow.example/", &only_the_first());
    let request = post_within(&target, Limits { connect: SHORT, ..Limits::default() });
    let failed = transport(options).send(request).await.expect_err("no answer");
    assert_eq!((failed.code(), failed.sent()), ("connect_timeout", false));
}

#[tokio::test]
async fn the_next_address_is_tried_when_one_refuses() {
    let peer = Peer::answering(OK).await;
    // Nothing listens on the first two: the peer's port is bound on 127.0.0.1 only.
    let resolver = Scripted::new([&["127.0.0.3", "127.0.0.2", "127.0.0.1"][..]]);
    let response = transport(resolver.options()).send(post(&named(&peer, &loopback()))).await;
    assert_eq!(response.map(|response| response.peer), Ok(peer.address));
    let nobody = Scripted::new([&["127.0.0.3", "127.0.0.2"][..]]);
    let failed = transport(nobody.options()).send(post(&named(&peer, &loopback()))).await.expect_err("nobody");
    assert_eq!((failed.code(), failed.sent()), ("connect_failed", false));
}
