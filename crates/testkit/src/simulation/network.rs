//! The simulated network: slow, refusing, resetting, silent, as the world's dice say.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use engine::clock::SharedClock;
use engine::transport::{BodyEnd, OutboundRequest, OutboundResponse, SendError, Timings, Transport};
use futures_util::future::BoxFuture;
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue};

use super::world::World;

/// Longest way of a request.
pub const LATENCY_MAX: Duration = Duration::from_millis(50);

/// What happens to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Fine,
    Status(u16),
    /// 429 with this many seconds of `Retry-After`.
    Busy(u64),
    NoConnection,
    /// It arrives, but no answer comes back.
    ArrivesThenReset,
    /// It arrives, and the destination says nothing until we give up.
    ArrivesThenHangs,
}

pub struct SimTransport {
    world: Arc<World>,
    clock: SharedClock,
}

impl SimTransport {
    #[must_use]
    pub fn new(world: Arc<World>, clock: SharedClock) -> Self {
        Self { world, clock }
    }

    async fn carry(&self, request: OutboundRequest) -> Result<OutboundResponse, SendError> {
        let (way, latency) = self.world.way();
        self.clock.sleep(latency).await;
        match way {
            Way::NoConnection => return Err(SendError::ConnectFailed("the simulation refuses".to_owned())),
            Way::ArrivesThenReset => {
                self.world.arrived(&request, false, self.clock.now());
                let problem = "the simulation resets".to_owned();
                return Err(SendError::ConnectionReset { kept: false, problem });
            }
            Way::ArrivesThenHangs => {
                self.world.arrived(&request, false, self.clock.now());
                self.clock.sleep(request.limits.first_byte).await;
                return Err(SendError::FirstByteTimeout(request.limits.first_byte));
            }
            Way::Fine => self.world.arrived(&request, true, self.clock.now()),
            Way::Status(_) | Way::Busy(_) => {}
        }
        Ok(answer(way, latency))
    }
}

impl Transport for SimTransport {
    fn send(&self, request: OutboundRequest) -> BoxFuture<'_, Result<OutboundResponse, SendError>> {
        Box::pin(self.carry(request))
    }
}

fn answer(way: Way, latency: Duration) -> OutboundResponse {
    let mut headers = HeaderMap::new();
    let status = match way {
        Way::Status(status) => status,
        Way::Busy(secs) => {
            headers.insert(RETRY_AFTER, HeaderValue::from(secs));
            429
        }
        Way::Fine | Way::NoConnection | Way::ArrivesThenReset | Way::ArrivesThenHangs => 204,
    };
    OutboundResponse {
        status,
        headers,
        body_head: Bytes::new(),
        body_end: BodyEnd::Complete,
        timings: Timings { connect: Duration::ZERO, first_byte: latency, total: latency },
        peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)),
        reused: true,
    }
}
