//! One request to a source and its answer: hosts and addresses judged, redirects followed, bodies inflated within their
//! bound. An answer is whole or it is none: half a page would be a lost half.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use connectors::manifest::request::Timeouts;
use connectors::manifest::wire::{Reply, Request, plain_url};
use domain::{Purpose, Timestamp};
use http::header::{ACCEPT, ACCEPT_ENCODING, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::asked::{Asking, CallSink, For};
use super::failure::ReadFailure;
use super::hosts::Hosts;
use super::inflate::{ACCEPTED, inflate};
use super::redirect::{REDIRECTS_MAX, follow};
use super::spool::Spool;
use crate::budget::{Paid, Paying, Purse};
use crate::clock::{Elapsed, SharedClock, timeout};
use crate::transport::{
    BodyEnd, EgressPolicy, Limits, OpenResponse, OutboundRequest, OutboundResponse, SendError, Target, Transport,
};

/// Largest page, as sent and as inflated. The largest of common sources are some ten megabytes; it is held in memory
/// whole, several times while it becomes records.
pub const PAGE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// What is read of an answer that is no download but an error.
const ERROR_BYTES_MAX: usize = 1024 * 1024;
/// A download that gives nothing for so long has ended.
const SILENCE_MAX: Duration = Duration::from_secs(300);

/// How long a source may take where its manifest says nothing. Reports take minutes to begin.
const LIMITS: Limits = Limits {
    connect: Duration::from_secs(30),
    first_byte: Duration::from_secs(300),
    body: Duration::from_secs(300),
    total: Duration::from_secs(900),
    body_bytes: PAGE_BYTES_MAX,
};

/// How long a poll waits for an answer to begin where its manifest says nothing: what is asked again in a moment is no
/// report, and a connection that was lost without a word must not keep the next poll waiting for minutes.
const POLL_FIRST_BYTE: Duration = Duration::from_secs(60);

/// Time limits that a manifest states for its requester.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Patience {
    connect: Option<Duration>,
    read: Option<Duration>,
    /// What is usual for the purpose, if that is less.
    first_byte: Option<Duration>,
}

impl Patience {
    /// Those that a manifest states, and what is usual for the purpose.
    pub fn of(timeouts: &Timeouts, purpose: Purpose) -> Self {
        let first_byte = (purpose == Purpose::Poll).then_some(POLL_FIRST_BYTE);
        Self { connect: timeouts.connect, read: timeouts.read, first_byte }
    }

    fn limits(self) -> Limits {
        let connect = self.connect.unwrap_or(LIMITS.connect);
        let first_byte = self.read.or(self.first_byte).unwrap_or(LIMITS.first_byte);
        let body = self.read.unwrap_or(LIMITS.body);
        Limits { connect, first_byte, body, ..LIMITS }
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Undelivered {
    /// The network's excuse, for the error handler to judge.
    Network(String),
    /// Our own rules forbid the request or its answer: the same again would be refused again.
    Refused(ReadFailure),
}

impl From<ReadFailure> for Undelivered {
    fn from(failure: ReadFailure) -> Self {
        Self::Refused(failure)
    }
}

/// An answer whose body is wanted as a stream.
pub(super) struct Downloaded {
    /// Status and headers, and the body if it is an error's.
    pub reply: Reply,
    /// The body otherwise, still encoded as its headers say.
    pub body: Option<Spool>,
}

/// The way to one source.
pub(super) struct Wire {
    pub transport: Arc<dyn Transport>,
    pub policy: Arc<EgressPolicy>,
    pub hosts: Hosts,
    pub clock: SharedClock,
    pub calls: Arc<dyn CallSink>,
    /// `None`: what is asked costs nobody anything.
    pub purse: Option<Purse>,
}

impl Wire {
    /// Sends and reads the answer whole.
    pub async fn send(&self, what: For, request: Request, patience: Patience) -> Result<Reply, Undelivered> {
        let paying = self.paying(&what);
        let paid = self.pay(paying).await?;
        let asking = Asking::begin(what, &request, self.clock.now(), self.clock.monotonic());
        let sent = self.send_on((paying, paid), request, patience).await;
        let ended = sent.as_ref().map(|reply| (reply.status, &reply.headers, reply.body.len() as u64));
        self.calls.asked(asking.end(ended, self.clock.monotonic()));
        sent
    }

    /// Sends what was paid for. Every further request that it takes is paid as well.
    async fn send_on(
        &self,
        (paying, mut paid): (Option<Paying>, Option<Paid>),
        request: Request,
        patience: Patience,
    ) -> Result<Reply, Undelivered> {
        let mut request = with_our_headers(request);
        for _ in 0..=REDIRECTS_MAX {
            let response = self.once((paying, paid), &request, patience.limits()).await?;
            let next =
                follow(&request, response.status, &response.headers).map_err(|not| refused_redirect(&request, &not))?;
            match next {
                Some(next) => request = next,
                None => return whole(response, request.url),
            }
            paid = self.pay(paying).await?;
        }
        Err(too_many_redirects(&request).into())
    }

    /// Sends and spools the answer.
    pub async fn download(&self, what: For, request: Request, patience: Patience) -> Result<Downloaded, Undelivered> {
        let paying = self.paying(&what);
        let paid = self.pay(paying).await?;
        let asking = Asking::begin(what, &request, self.clock.now(), self.clock.monotonic());
        let sent = self.download_on((paying, paid), request, patience).await;
        let ended = sent.as_ref().map(|got| {
            let bytes = got.body.as_ref().map_or(got.reply.body.len() as u64, Spool::len);
            (got.reply.status, &got.reply.headers, bytes)
        });
        self.calls.asked(asking.end(ended, self.clock.monotonic()));
        sent
    }

    async fn download_on(
        &self,
        (paying, mut paid): (Option<Paying>, Option<Paid>),
        request: Request,
        patience: Patience,
    ) -> Result<Downloaded, Undelivered> {
        let mut request = with_our_headers(request);
        for _ in 0..=REDIRECTS_MAX {
            let outbound = self.outbound(&request, patience.limits())?;
            let sent_at = self.clock.now();
            let opened = self.transport.open(outbound).await;
            answered(paid, sent_at, opened.as_ref().ok().map(|response| (response.status, &response.headers)));
            let mut response = opened.map_err(undelivered)?;
            let next =
                follow(&request, response.status, &response.headers).map_err(|not| refused_redirect(&request, &not))?;
            let Some(next) = next else {
                let silence = patience.read.unwrap_or(SILENCE_MAX);
                return self.spooled(&mut response, request.url, silence).await;
            };
            request = next;
            paid = self.pay(paying).await?;
        }
        Err(too_many_redirects(&request).into())
    }

    /// `None`: it costs nobody anything.
    fn paying(&self, what: &For) -> Option<Paying> {
        let stream = what.sake.as_deref().or(what.stream.as_deref());
        self.purse.as_ref().map(|purse| purse.paying(what.purpose, stream).counted_by_token(what.is_counted_by_token))
    }

    /// That a source refused a request for more than its token's sake: then nobody asks before it says so.
    pub fn refused(&self, reply: &Reply) {
        if let Some(purse) = &self.purse {
            purse.refused(reply.status, &reply.headers);
        }
    }

    /// That nobody may ask for so long, as an error handler took it from an answer.
    pub fn stop(&self, wait: Duration) {
        if let Some(purse) = &self.purse {
            purse.stop(wait);
        }
    }

    /// Waits until the budget has room for a request.
    async fn pay(&self, paying: Option<Paying>) -> Result<Option<Paid>, Undelivered> {
        let Some((purse, paying)) = self.purse.as_ref().zip(paying) else { return Ok(None) };
        let unreachable = |error| ReadFailure::transient("budget_unreachable", format!("the budget: {error}"));
        Ok(Some(purse.pay(paying).await.map_err(unreachable)?))
    }

    fn outbound(&self, request: &Request, limits: Limits) -> Result<OutboundRequest, Undelivered> {
        self.hosts.judge(&request.url)?;
        let target = Target::parse(&request.url, &self.policy)
            .map_err(|refused| ReadFailure::config("egress_refused", refused.to_string()))?;
        Ok(OutboundRequest {
            method: request.method.clone(),
            target: Arc::new(target),
            headers: request.headers.clone(),
            body: request.body.clone(),
            limits,
        })
    }

    /// Servers close kept connections at any time; a question that met such a close is asked once more.
    async fn once(
        &self,
        (paying, paid): (Option<Paying>, Option<Paid>),
        request: &Request,
        limits: Limits,
    ) -> Result<OutboundResponse, Undelivered> {
        match self.sent(paid, request, limits).await? {
            Err(SendError::ConnectionReset { kept: true, .. }) if is_question(&request.method) => {
                let paid = self.pay(paying).await?;
                self.sent(paid, request, limits).await?.map_err(undelivered)
            }
            other => other.map_err(undelivered),
        }
    }

    /// The outer error is that our own rules forbid it.
    async fn sent(
        &self,
        paid: Option<Paid>,
        request: &Request,
        limits: Limits,
    ) -> Result<Result<OutboundResponse, SendError>, Undelivered> {
        let outbound = self.outbound(request, limits)?;
        let sent_at = self.clock.now();
        let sent = self.transport.send(outbound).await;
        answered(paid, sent_at, sent.as_ref().ok().map(|response| (response.status, &response.headers)));
        Ok(sent)
    }

    async fn spooled(
        &self,
        response: &mut OpenResponse,
        url: String,
        silence: Duration,
    ) -> Result<Downloaded, Undelivered> {
        let (status, headers) = (response.status, std::mem::take(&mut response.headers));
        let failed = status >= 400;
        let mut spool = Spool::new();
        while let Some(piece) = timeout(&*self.clock, silence, response.chunk())
            .await
            .map_err(|Elapsed| Undelivered::Network(format!("the download stood still for {silence:?}")))?
        {
            spool.push(piece.map_err(undelivered)?).await.map_err(|error| unspooled(&error))?;
            if failed && spool.len() > ERROR_BYTES_MAX as u64 {
                break;
            }
        }
        if !failed {
            return Ok(Downloaded { reply: Reply::new(status, headers, Bytes::new(), url), body: Some(spool) });
        }
        let body = spool.into_bytes().map_err(|error| unspooled(&error))?;
        let body = inflate(&headers, body, ERROR_BYTES_MAX).unwrap_or_default();
        Ok(Downloaded { reply: Reply::new(status, headers, body, url), body: None })
    }
}

fn answered(paid: Option<Paid>, sent_at: Timestamp, answer: Option<(u16, &HeaderMap)>) {
    if let Some(paid) = paid {
        paid.answered(sent_at, answer);
    }
}

fn is_question(method: &Method) -> bool {
    *method == Method::GET || *method == Method::HEAD
}

/// The manifest's own win.
fn with_our_headers(mut request: Request) -> Request {
    let agent = HeaderValue::from_static(concat!("trireme/", env!("CARGO_PKG_VERSION")));
    request.headers.entry(USER_AGENT).or_insert(agent);
    request.headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
    request.headers.entry(ACCEPT_ENCODING).or_insert(HeaderValue::from_static(ACCEPTED));
    request
}

fn whole(response: OutboundResponse, url: String) -> Result<Reply, Undelivered> {
    let OutboundResponse { status, headers, body_head, body_end, .. } = response;
    if status == StatusCode::NOT_MODIFIED.as_u16() {
        // Its headers are those of the body that it does not have.
        return Ok(Reply::new(status, headers, Bytes::new(), url));
    }
    match body_end {
        BodyEnd::Complete => {}
        // What is missing of an error's text is not missed; its status and its headers say what to do.
        _ if status >= 400 => return Ok(Reply::new(status, headers, Bytes::new(), url)),
        BodyEnd::Cut => return Err(too_large(&url).into()),
        BodyEnd::TimedOut => return Err(Undelivered::Network("the body of the answer did not end in time".to_owned())),
        BodyEnd::Broken => {
            return Err(Undelivered::Network("the connection ended in the middle of the answer".to_owned()));
        }
    }
    if status >= 400 {
        let body = inflate(&headers, body_head, ERROR_BYTES_MAX).unwrap_or_default();
        return Ok(Reply::new(status, headers, body, url));
    }
    let body = inflate(&headers, body_head, PAGE_BYTES_MAX)
        .map_err(|error| ReadFailure::transient("body_unreadable", format!("{}: {error}", plain_url(&url))))?;
    Ok(Reply::new(status, headers, body, url))
}

fn undelivered(error: SendError) -> Undelivered {
    match error {
        SendError::EgressRefused(refused) => ReadFailure::config("egress_refused", refused.to_string()).into(),
        other => Undelivered::Network(other.to_string()),
    }
}

fn refused_redirect(request: &Request, why: &dyn std::fmt::Display) -> Undelivered {
    ReadFailure::config("redirect_refused", format!("{}: {why}", plain_url(&request.url))).into()
}

fn too_many_redirects(request: &Request) -> ReadFailure {
    let message = format!("{} redirects more than {REDIRECTS_MAX} times", plain_url(&request.url));
    ReadFailure::transient("too_many_redirects", message)
}

fn too_large(url: &str) -> ReadFailure {
    let message =
        format!("{} answered a page of more than {PAGE_BYTES_MAX} bytes; ask for smaller pages", plain_url(url));
    ReadFailure::system("page_too_large", message)
}

fn unspooled(error: &std::io::Error) -> Undelivered {
    ReadFailure::system("spool_failed", format!("a download could not be kept on disk: {error}")).into()
}
