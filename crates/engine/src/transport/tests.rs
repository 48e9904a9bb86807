//! The transport against real sockets on loopback, by the threats it answers for.

mod connections;
pub(crate) mod peer;
mod threat_15_ssrf;
mod threat_16_dns_rebinding;
mod threat_17_redirects;
mod threat_18_hostile_destination;
pub(crate) mod threat_18_tls;
mod threat_19_loops;

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt;

use super::*;
use crate::clock::{Clock, SystemClock};

/// What must fail by time does so after this long.
const SHORT: Duration = Duration::from_millis(100);

/// A policy that lets a test reach its own machine.
pub(crate) fn loopback() -> Arc<EgressPolicy> {
    Arc::new(EgressPolicy::new(vec![net("127.0.0.0/8"), net("::1/128")], Vec::new()))
}

fn net(text: &str) -> ipnet::IpNet {
    text.parse().expect("a range")
}

fn transport(options: TransportOptions) -> HttpTransport {
    HttpTransport::new(SystemClock::shared(), options).expect("a transport")
}

fn plain() -> HttpTransport {
    transport(TransportOptions::default())
}

fn target(url: &str, policy: &Arc<EgressPolicy>) -> Arc<Target> {
    Arc::new(Target::parse(url, policy).expect("an allowed URL"))
}

fn at(address: SocketAddr) -> Arc<Target> {
    target(&format!("http://{address}/in?key=1"), &loopback())
}

fn post(target: &Arc<Target>) -> OutboundRequest {
    OutboundRequest {
        method: Method::POST,
        target: Arc::clone(target),
        headers: HeaderMap::new(),
        body: Bytes::from_static(b"{\"a\":1}"),
        limits: Limits::default(),
    }
}

fn post_within(target: &Arc<Target>, limits: Limits) -> OutboundRequest {
    OutboundRequest { limits, ..post(target) }
}

/// A resolver that reads its answers from a list, the last one for ever, and counts how often it was asked.
#[derive(Clone)]
struct Scripted {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    asked: Arc<AtomicUsize>,
}

impl Scripted {
    fn answering(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self { answers: Arc::new(Mutex::new(answers.into_iter().collect())), asked: Arc::default() }
    }

    fn new<'a>(answers: impl IntoIterator<Item = &'a [&'a str]>) -> Self {
        let parse = |ip: &&str| ip.parse().expect("an address");
        Self::answering(answers.into_iter().map(|ips| Ok(ips.iter().map(parse).collect())))
    }

    fn options(&self) -> TransportOptions {
        TransportOptions { resolver: Some(Arc::new(self.clone())), ..TransportOptions::default() }
    }

    fn times_asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Resolver for Scripted {
    fn resolve(&self, _name: &str) -> BoxFuture<'static, Answer> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().expect("no panic");
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        async move { answer.expect("a script has an answer") }.boxed()
    }
}
