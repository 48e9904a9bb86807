//! From the body of a reply to the items in it: at once for a page that is in memory, a portion at a time for a download
//! that is not. A body that cannot be read to its end is a failure, never a short page.

use std::ops::ControlFlow;

use bytes::Bytes;
use connectors::manifest::decode::{DecodeError, Decoded, Decoder, Each, Table};
use connectors::manifest::wire::Reply;
use http::HeaderMap;
use serde_json::{Map, Value as Json};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::failure::{Blame, ReadFailure};
use super::inflate::inflating;
use super::spool::Spool;

/// Items of a download that are handed on together.
const PORTION: usize = 500;
/// Portions that wait for whoever takes them; the decoder stands still meanwhile.
const PORTIONS_WAITING: usize = 2;

/// How the replies of one requester are read.
pub(super) struct Form {
    pub reader: Reader,
    /// Whether what pages are told apart by can be read after the records were moved out.
    pub is_spared: bool,
}

#[derive(Clone)]
pub(super) enum Reader {
    Decoder(Decoder),
    /// A table, whatever the decoder says.
    Table(Table),
}

impl Reader {
    fn decode(&self, body: &mut dyn std::io::Read, each: Each<'_>) -> Result<Decoded, DecodeError> {
        match self {
            Self::Decoder(decoder) => decoder.decode(body, each),
            Self::Table(table) => table.decode(body, each),
        }
    }
}

/// The items of one body.
pub(super) struct Items {
    kind: Kind,
    /// The first value of the body, where paging looks at it and it will be gone by then.
    first: Option<Json>,
}

enum Kind {
    Whole(Option<Vec<Json>>),
    Portions(Receiver<Result<Vec<Json>, DecodeError>>),
    /// Records already; nothing is left to be selected.
    Selected(Option<Vec<Json>>),
}

impl Form {
    /// Whether a body that was cut short cannot be taken for a whole one.
    pub fn is_json(&self) -> bool {
        matches!(&self.reader, Reader::Decoder(Decoder::Json))
    }

    pub fn is_streamed(&self) -> bool {
        match &self.reader {
            Reader::Decoder(decoder) => decoder.is_streamed(),
            Reader::Table(_) => true,
        }
    }

    /// Takes the body apart, or begins to.
    pub fn take(&self, reply: &mut Reply, spool: Option<Spool>) -> Result<Items, ReadFailure> {
        if let Some(spool) = spool {
            return self.portions(&reply.headers, spool);
        }
        let decoder = match &self.reader {
            Reader::Decoder(decoder) => decoder,
            Reader::Table(_) => &Decoder::Json,
        };
        let parsed = matches!(decoder, Decoder::Json).then(|| reply.take_json()).flatten();
        let items = match parsed {
            Some(document) => Decoder::items(document),
            // Not JSON, or not quite: the decoder knows what to make of it.
            None => decoder.page(&reply.body)?,
        };
        // What paging sees, before the records are moved out of it.
        let first = (!self.is_spared).then(|| items.first().cloned()).flatten();
        Ok(Items { kind: Kind::Whole(Some(items)), first })
    }

    /// Decodes on a thread of its own, as fast as the portions are taken.
    fn portions(&self, headers: &HeaderMap, spool: Spool) -> Result<Items, ReadFailure> {
        let spooled = |error: std::io::Error| {
            ReadFailure::system("spool_failed", format!("a download could not be read back: {error}"))
        };
        let body = spool.into_reader().map_err(spooled)?;
        let (reader, headers) = (self.reader.clone(), headers.clone());
        let (sender, receiver) = channel(PORTIONS_WAITING);
        tokio::task::spawn_blocking(move || decode(&reader, &headers, body, &sender));
        // The format hides a streamed body from paging.
        Ok(Items { kind: Kind::Portions(receiver), first: Some(Json::Object(Map::new())) })
    }
}

fn decode(
    reader: &Reader,
    headers: &HeaderMap,
    body: Box<dyn std::io::Read + Send>,
    portions: &Sender<Result<Vec<Json>, DecodeError>>,
) {
    let mut portion = Vec::new();
    let mut give = |item: Json| {
        portion.push(item);
        if portion.len() < PORTION {
            return ControlFlow::Continue(());
        }
        // Nobody takes them any more: the rest is not wanted.
        match portions.blocking_send(Ok(std::mem::take(&mut portion))) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    };
    let decoded = match inflating(headers, body) {
        Ok(mut body) => reader.decode(&mut body, &mut give).map(|_| ()),
        Err(error) => Err(DecodeError::Unsupported { detail: error.to_string() }),
    };
    let last = decoded.map(|()| portion);
    // The one who waits sees the end by the channel's; an error goes before it.
    let _ = portions.blocking_send(last);
}

/// A page that lay inside of a record.
pub(super) fn embedded(child: &Json) -> Reply {
    Reply::new(200, HeaderMap::new(), Bytes::from(child.to_string()), String::new())
}

impl Items {
    /// Records that were selected before.
    pub fn selected(records: Vec<Json>) -> Self {
        Self { kind: Kind::Selected(Some(records)), first: None }
    }

    pub fn are_selected(&self) -> bool {
        matches!(self.kind, Kind::Selected(_))
    }

    /// The next items; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Vec<Json>>, ReadFailure> {
        match &mut self.kind {
            Kind::Whole(items) | Kind::Selected(items) => Ok(items.take()),
            Kind::Portions(portions) => Ok(portions.recv().await.transpose()?),
        }
    }

    /// Whether it is known that nothing comes any more.
    pub fn is_last(&self) -> bool {
        !matches!(self.kind, Kind::Portions(_))
    }

    /// What paging sees as the decoded body, where it is not the reply's own JSON. `left` is what is left of the items.
    pub fn decoded<'a>(&'a self, left: Option<&'a Json>, is_spared: bool) -> Option<&'a Json> {
        self.first.as_ref().or(left.filter(|_| is_spared))
    }
}

impl From<DecodeError> for ReadFailure {
    fn from(error: DecodeError) -> Self {
        let blame = match &error {
            DecodeError::Truncated { .. } | DecodeError::Unreadable(_) => Blame::Transient,
            _ => Blame::System,
        };
        Self::new(blame, error.code(), error.to_string())
    }
}
