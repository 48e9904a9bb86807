//! One connection, driven by whoever uses it.
//!
//! The protocol is polled inside of the request's own task instead of a task per connection: no wake-ups between
//! tasks, and giving up a request closes its connection at once.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;

type Driver = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

/// A connection with its protocol state.
pub(super) struct Link {
    sender: SendRequest<Full<Bytes>>,
    /// `None` once the connection has ended.
    driver: Option<Driver>,
    pub peer: SocketAddr,
    /// Whether a request has been answered on it before.
    pub kept: bool,
}

/// The connection failed before the response's head was read. The request comes back if none of it was written.
pub(super) struct Broken {
    pub unsent: Option<Request<Full<Bytes>>>,
    pub error: hyper::Error,
}

impl Link {
    pub fn new(sender: SendRequest<Full<Bytes>>, driver: Driver, peer: SocketAddr) -> Self {
        Self { sender, driver: Some(driver), peer, kept: false }
    }

    /// Polls `future` and, as long as it waits, the protocol that it waits for. The future goes first, because its
    /// wish (for a part of the body) is what the protocol acts on: the other way round costs a turn of the scheduler.
    pub async fn drive<F: Future>(&mut self, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|context| {
            if let Poll::Ready(output) = future.as_mut().poll(context) {
                return Poll::Ready(output);
            }
            self.poll_driver(context);
            future.as_mut().poll(context)
        })
        .await
    }

    /// Sends the request and reads the response's head. The request is handed over at once, not with the first poll,
    /// so that it is not moved once more.
    pub fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> impl Future<Output = Result<Response<Incoming>, Box<Broken>>> {
        let response = self.sender.try_send_request(request);
        async move {
            self.drive(response).await.map_err(|mut failed| {
                let unsent = failed.take_message();
                Box::new(Broken { unsent, error: failed.into_error() })
            })
        }
    }

    /// Whether the connection is alive and waits for a request. Reads what has arrived meanwhile, so that a
    /// close by the peer is seen; registers no wake-up.
    pub fn is_idle(&mut self) -> bool {
        self.poll_driver(&mut Context::from_waker(Waker::noop()));
        self.driver.is_some() && self.sender.is_ready()
    }

    fn poll_driver(&mut self, context: &mut Context<'_>) {
        if let Some(driver) = &mut self.driver
            && let Poll::Ready(_ended) = driver.as_mut().poll(context)
        {
            // How it ended reaches the request through its own future; dropping the driver hands an unsent
            // request back.
            self.driver = None;
        }
    }
}
