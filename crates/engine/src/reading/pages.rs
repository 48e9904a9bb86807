//! The pages of one slice, one after another: asked for, decoded, selected, and cut or asked for again where the source
//! wants it. A page is handed on whole before the next one is asked for.

use std::sync::Arc;

use connectors::manifest::cursor::OpenSlice;
use connectors::manifest::decode::Decoder;
use connectors::manifest::page::{PageFacts, PageToken, Reducer, Resets, Watch};
use connectors::manifest::request::Additions;
use connectors::manifest::schema::Schema;
use connectors::manifest::select::Selected;
use connectors::manifest::slice::Slice;
use connectors::manifest::wire::Reply;
use serde_json::{Value as Json, json};

use super::client::{Answer, Question, Stop};
use super::failure::ReadFailure;
use super::run::Run;
use super::seen::Seen;
use super::stream::{Pager, ReadStream};

/// Where the reading of a slice stands.
enum Next {
    First,
    Page(Option<PageToken>),
    Done,
}

/// The pages of one window of a slice.
pub(super) struct Pages<'r> {
    run: &'r Run<'r>,
    stream: &'r ReadStream,
    pager: &'r Pager,
    /// What is asked for: the open slice, or a part of it.
    slice: Arc<Slice>,
    next: Next,
    watch: Watch,
    reducer: Option<Reducer<'r>>,
    resets: Option<Resets>,
}
