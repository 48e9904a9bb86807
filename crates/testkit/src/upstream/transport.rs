//! The shop without a socket: a transport on a simulation's clock. A request is there at once, its answer takes a while;
//! what goes to other hosts is handed on.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::clock::SharedClock;
use engine::transport::{BodyEnd, OutboundRequest, OutboundResponse, SendError, Timings, Transport};
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, Request};

use super::answer::{Answer, Ending};
use super::shop::Shop;
use crate::scripted::Asked;
use crate::simulation::Dice;

/// Where the shop seems to be.
pub const SHOP: &str = "https://shop.example";
/// The longest that an answer is under way.
const LATENCY_MAX: Duration = Duration::from_millis(80);

pub struct ShopTransport {
    shop: Arc<Mutex<Shop>>,
    clock: SharedClock,
    latency: Mutex<Dice>,
    elsewhere: Arc<dyn Transport>,
}

impl ShopTransport {
    #[must_use]
    pub fn new(shop: Arc<Mutex<Shop>>, clock: SharedClock, seed: u64, elsewhere: Arc<dyn Transport>) -> Self {
        Self { shop, clock, latency: Mutex::new(Dice::new(seed)), elsewhere }
    }

    async fn ask(&self, request: OutboundRequest) -> Result<OutboundResponse, SendError> {
        let answer = locked(&self.shop).answer(&asked(&request), self.clock.now());
        let latency = Duration::from_micros(1 + locked(&self.latency).below(LATENCY_MAX.as_micros() as u64));
        if answer.ending == Ending::Silence {
            self.clock.sleep(request.limits.first_byte).await;
            return Err(SendError::FirstByteTimeout(request.limits.first_byte));
        }
        self.clock.sleep(latency).await;
        locked(&self.shop).went(answer.visit, self.clock.now());
        Ok(response(answer, latency))
    }
}

impl Transport for ShopTransport {
    fn send(&self, request: OutboundRequest) -> BoxFuture<'_, Result<OutboundResponse, SendError>> {
        if request.target.url().starts_with(SHOP) {
            return Box::pin(self.ask(request));
        }
        self.elsewhere.send(request)
    }
}

fn asked(request: &OutboundRequest) -> Asked {
    let url = request.target.url();
    let mut head = Request::builder().method(request.method.clone()).uri(url).body(()).expect("a target is a URL");
    *head.headers_mut() = request.headers.clone();
    let (parts, ()) = head.into_parts();
    Asked::new(&parts, request.body.clone())
}

fn response(answer: Answer, latency: Duration) -> OutboundResponse {
    let mut headers = HeaderMap::new();
    for (name, value) in answer.headers {
        let value = HeaderValue::from_str(&value).expect("the shop writes plain headers");
        headers.insert(HeaderName::from_static(name), value);
    }
    let (body_head, body_end) = match answer.ending {
        Ending::Cut(bytes) => (answer.body.slice(..bytes), BodyEnd::Broken),
        Ending::Whole | Ending::Silence => (answer.body, BodyEnd::Complete),
    };
    OutboundResponse {
        status: answer.status,
        headers,
        body_head,
        body_end,
        timings: Timings { connect: Duration::ZERO, first_byte: latency, total: latency },
        peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 443)),
        reused: true,
    }
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
