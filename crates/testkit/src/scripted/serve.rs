//! The server itself: one thread, loopback, a free port. It judges nothing; a request that no route answers gets a 404
//! and is marked in the log.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::fill::{fill, fill_text};
use super::packing::Packing;
use super::place::{Place, plain};
use super::query::Asked;
use super::script::{Per, Reply, Script};
use super::{BASE, OTHER_HOST, log};

pub(crate) type Body = BoxBody<Bytes, io::Error>;

/// A server that runs until it is dropped.
pub struct ScriptedSource {
    address: SocketAddr,
    state: Arc<State>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

pub(super) struct State {
    script: Script,
    base: String,
    other: String,
    /// How often each list of replies was asked.
    turns: Mutex<HashMap<String, usize>>,
    log: Mutex<Vec<Json>>,
}

impl ScriptedSource {
    pub fn start(script: Script) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let other = format!("http://localhost:{}", address.port());
        let state = Arc::new(State::new(script, format!("http://{address}"), other));
        let (stop, stopped) = oneshot::channel();
        let serving = Arc::clone(&state);
        let thread = std::thread::spawn(move || {
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).expect("it is a listener and does not block");
                tokio::select! {
                    () = accept(listener, serving) => {}
                    _ = stopped => {}
                }
            });
        });
        Ok(Self { address, state, stop: Some(stop), thread: Some(thread) })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Puts the server's address where `text` has its placeholder.
    pub fn addressed(&self, text: &str) -> String {
        self.state.addressed(text)
    }

    /// Puts the placeholder where `text` has the server's address.
    pub fn neutral(&self, text: &str) -> String {
        let plain = self.state.neutral(text);
        let local = format!("localhost:{}", self.address.port());
        plain.replace(&self.address.to_string(), BASE).replace(&local, OTHER_HOST)
    }

    /// What was asked so far, in order of arrival.
    pub fn requests(&self) -> Vec<Json> {
        let text = self.neutral(&Json::Array(self.state.requests()).to_string());
        serde_json::from_str(&text).expect("an address holds nothing that JSON would escape")
    }
}

impl Drop for ScriptedSource {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has failed the test's request already.
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let state = Arc::clone(&state);
        let answer = service_fn(move |request| answer(request, Arc::clone(&state)));
        tokio::spawn(async move {
            // Its error is a client that went away or a reply that was cut on purpose.
            // Names as servers write them: templates that look headers up by name see the difference.
            let _ = http1::Builder::new().title_case_headers(true).serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

async fn answer(request: Request<Incoming>, state: Arc<State>) -> Result<Response<Body>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    Ok(state.answer(Asked::new(&parts, body)))
}

impl State {
    pub fn new(script: Script, base: String, other: String) -> Self {
        Self { script, base, other, turns: Mutex::default(), log: Mutex::default() }
    }

    pub fn addressed(&self, text: &str) -> String {
        text.replace(BASE, &self.base).replace(OTHER_HOST, &self.other)
    }

    fn neutral(&self, text: &str) -> String {
        text.replace(&self.base, BASE).replace(&self.other, OTHER_HOST)
    }

    /// With the address as it is, where the log has it.
    pub fn requests(&self) -> Vec<Json> {
        lock(&self.log).clone()
    }

    pub fn answer(&self, mut asked: Asked) -> Response<Body> {
        let reply = self.reply(&mut asked);
        lock(&self.log).push(log::entry(&asked, &self.script.log, reply.is_some()));
        match reply {
            Some(reply) => self.response(&reply, &asked),
            None => {
                let body = json!({ "error": format!("no route for {} {}", asked.method, asked.path) }).to_string();
                whole(Response::builder().status(404).header("content-type", "application/json"), body.into_bytes())
            }
        }
    }

    /// The reply whose turn it is.
    fn reply(&self, asked: &mut Asked) -> Option<Reply> {
        let (number, route) = self.script.routes.iter().enumerate().find(|(_, route)| route.fits(asked))?;
        let replies = route.reply.all();
        let walked_by = match route.per {
            Per::Request => asked.signature(),
            Per::Route => String::new(),
        };
        let mut turns = lock(&self.turns);
        let turn = turns.entry(format!("{number} {walked_by}")).or_default();
        let reply = replies.get((*turn).min(replies.len().saturating_sub(1)))?;
        *turn += 1;
        Some(reply.clone())
    }

    fn response(&self, reply: &Reply, asked: &Asked) -> Response<Body> {
        let status = reply.status.and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or(StatusCode::OK);
        let mut response = Response::builder().status(status);
        let (mut body, kind, link) = self.body(reply, asked);
        let value_of = |name: &str| Place::try_from(name.to_owned()).ok()?.find(asked);
        for (name, value) in &reply.headers {
            let value = self.addressed(&plain(&fill_text(value, &value_of)));
            response = response.header(header_name(name), header_value(&value));
        }
        if let Some(kind) = kind.filter(|_| !reply.headers.contains_key("content-type")) {
            response = response.header("content-type", kind);
        }
        if let Some(link) = link {
            response = response.header("link", header_value(&self.addressed(&link)));
        }
        if let Some(packing) = reply.packed {
            body = packing.pack(&body);
            if packing == Packing::GzipEncoding {
                response = response.header("content-encoding", "gzip");
            }
        }
        body.truncate(reply.truncate_to.unwrap_or(usize::MAX));
        match reply.cut_after {
            Some(bytes) => cut(response, body, bytes),
            None => whole(response, body),
        }
    }

    fn body(&self, reply: &Reply, asked: &Asked) -> (Vec<u8>, Option<&'static str>, Option<String>) {
        const JSON: Option<&str> = Some("application/json");
        let value_of = |name: &str| Place::try_from(name.to_owned()).ok()?.find(asked);
        if let Some(pages) = &reply.pages {
            let page = pages.page(&self.script.data[&pages.of], asked);
            return (self.addressed(&page.body.to_string()).into_bytes(), JSON, page.link);
        }
        if let Some(json) = &reply.json {
            return (self.addressed(&fill(json, &value_of).to_string()).into_bytes(), JSON, None);
        }
        let text = reply.text.as_deref().unwrap_or_default();
        (self.addressed(&plain(&fill_text(text, &value_of))).into_bytes(), None, None)
    }
}

pub(crate) fn whole(response: http::response::Builder, body: Vec<u8>) -> Response<Body> {
    let body = Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed();
    response.body(body).expect("name and value of every header were checked")
}

/// Announces all of the body and breaks off within it.
pub(crate) fn cut(response: http::response::Builder, mut body: Vec<u8>, bytes: usize) -> Response<Body> {
    let announced = body.len();
    body.truncate(bytes);
    let end = async {
        // What was written goes out only while the rest is waited for.
        tokio::task::yield_now().await;
        Err(io::Error::other("cut, as the script says"))
    };
    let begin = stream::iter([Ok(Frame::data(Bytes::from(body)))]);
    let body = BoxBody::new(StreamBody::new(begin.chain(stream::once(end))));
    response.header("content-length", announced).body(body).expect("name and value of every header were checked")
}

fn header_name(name: &str) -> HeaderName {
    name.parse().unwrap_or_else(|_| panic!("the script names a header '{name}'"))
}

fn header_value(value: &str) -> HeaderValue {
    value.parse().unwrap_or_else(|_| panic!("the script gives a header the value '{value}'"))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder of this lock panics")
}
