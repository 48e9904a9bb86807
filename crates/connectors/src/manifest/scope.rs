//! What a template may see: the values behind its variables, and the two things that are never read from the outside,
//! the time and the seed of its chance. Everything is borrowed, nothing is copied; a variable that was not given is
//! unknown, and a template that names it fails.

use http::HeaderMap;
use jiff::Timestamp;
use serde_json::{Map, Value as Json};

/// The variables of the format. Two spellings of one (`stream_interval`, `stream_slice`) are one here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Variable {
    Config,
    Parameters,
    Slice,
    NextPageToken,
    Response,
    Headers,
    Record,
    LastRecord,
    LastPageSize,
    PageSize,
    CreationResponse,
    PollingResponse,
    DownloadTarget,
    ComponentsValues,
    StreamTemplateConfig,
    RawSchema,
    Property,
    SessionToken,
    RequestUrl,
    Value,
    Path,
}

const VARIABLES: usize = Variable::Path as usize + 1;

const NAMES: [(&str, Variable); VARIABLES + 2] = [
    ("config", Variable::Config),
    ("parameters", Variable::Parameters),
    ("stream_slice", Variable::Slice),
    ("stream_partition", Variable::Slice),
    ("stream_interval", Variable::Slice),
    ("next_page_token", Variable::NextPageToken),
    ("response", Variable::Response),
    ("headers", Variable::Headers),
    ("record", Variable::Record),
    ("last_record", Variable::LastRecord),
    ("last_page_size", Variable::LastPageSize),
    ("page_size", Variable::PageSize),
    ("creation_response", Variable::CreationResponse),
    ("polling_response", Variable::PollingResponse),
    ("download_target", Variable::DownloadTarget),
    ("components_values", Variable::ComponentsValues),
    ("stream_template_config", Variable::StreamTemplateConfig),
    ("raw_schema", Variable::RawSchema),
    ("property", Variable::Property),
    ("session_token", Variable::SessionToken),
    ("request_url", Variable::RequestUrl),
    ("value", Variable::Value),
    ("path", Variable::Path),
];

impl Variable {
    pub(crate) fn named(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, variable)| *variable)
    }

    pub(crate) fn name(self) -> &'static str {
        NAMES.iter().find(|(_, variable)| *variable == self).map_or("", |(name, _)| name)
    }
}

/// A slice as templates see it: the partition's and the cursor's keys as one mapping, and each of the parts.
#[derive(Debug, Clone, Copy)]
pub struct SliceView<'a> {
    pub partition: &'a Map<String, Json>,
    pub cursor: &'a Map<String, Json>,
    pub extra_fields: &'a Map<String, Json>,
}

impl<'a> SliceView<'a> {
    /// The value of a key of either part; the two never share one.
    pub fn get(self, key: &str) -> Option<&'a Json> {
        self.partition.get(key).or_else(|| self.cursor.get(key))
    }

    /// Every key and value, the partition's first.
    pub fn entries(self) -> impl Iterator<Item = (&'a String, &'a Json)> {
        self.partition.iter().chain(self.cursor)
    }
}

/// What stands behind a variable.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Given<'a> {
    Json(&'a Json),
    Object(&'a Map<String, Json>),
    /// A record with the few attributes that the format gives it besides its fields.
    Record(&'a Json),
    Slice(SliceView<'a>),
    /// A reply's headers; with `links`, `link` is its parsed Link header instead of the text.
    Headers {
        fields: &'a HeaderMap,
        links: bool,
    },
    Number(u64),
    Text(&'a str),
    /// Parameters that nobody gave: there are always some, if only none.
    Empty,
}

/// The values a template is evaluated with.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    given: [Option<Given<'a>>; VARIABLES],
    now: Timestamp,
    chance: u128,
}

static NOTHING: Json = Json::Null;

impl<'a> Scope<'a> {
    /// A scope that knows the connection's config and the time. Parameters are empty until they are given.
    pub fn new(config: &'a Json, now: Timestamp) -> Self {
        let scope = Self { given: [None; VARIABLES], now, chance: 0 };
        scope.with(Variable::Config, Given::Json(config))
    }

    /// The seed of what templates draw by chance (`generate_uuid`): the same seed draws the same.
    #[must_use]
    pub fn chance(mut self, seed: u128) -> Self {
        self.chance = seed;
        self
    }

    #[must_use]
    pub fn parameters(self, parameters: &'a Map<String, Json>) -> Self {
        self.with(Variable::Parameters, Given::Object(parameters))
    }

    /// `stream_slice`, `stream_partition` and `stream_interval`.
    #[must_use]
    pub fn slice(self, slice: impl Into<SliceView<'a>>) -> Self {
        self.with(Variable::Slice, Given::Slice(slice.into()))
    }

    /// The slice is known to be none, which is not the same as unknown.
    #[must_use]
    pub fn no_slice(self) -> Self {
        self.with(Variable::Slice, Given::Json(&NOTHING))
    }

    /// `{"next_page_token": …}`, or null on the first page.
    #[must_use]
    pub fn next_page_token(self, token: &'a Json) -> Self {
        self.with(Variable::NextPageToken, Given::Json(token))
    }

    #[must_use]
    pub fn response(self, response: &'a Json) -> Self {
        self.with(Variable::Response, Given::Json(response))
    }

    /// A reply's headers, as error predicates and messages see them.
    #[must_use]
    pub fn headers(self, fields: &'a HeaderMap) -> Self {
        self.with(Variable::Headers, Given::Headers { fields, links: false })
    }

    /// A reply's headers, as pagination sees them: `headers['link']['next']['url']` reads the Link header.
    #[must_use]
    pub fn page_headers(self, fields: &'a HeaderMap) -> Self {
        self.with(Variable::Headers, Given::Headers { fields, links: true })
    }

    #[must_use]
    pub fn record(self, record: &'a Json) -> Self {
        self.with(Variable::Record, Given::Json(record))
    }

    /// The last record that the page gave, or null.
    #[must_use]
    pub fn last_record(self, record: &'a Json) -> Self {
        self.with(Variable::LastRecord, if record.is_null() { Given::Json(record) } else { Given::Record(record) })
    }

    #[must_use]
    pub fn last_page_size(self, size: u64) -> Self {
        self.with(Variable::LastPageSize, Given::Number(size))
    }

    /// The page size that was asked for; `None` when the paginator has none.
    #[must_use]
    pub fn page_size(self, size: Option<u64>) -> Self {
        self.with(Variable::PageSize, size.map_or(Given::Json(&NOTHING), Given::Number))
    }

    #[must_use]
    pub fn creation_response(self, response: &'a Json) -> Self {
        self.with(Variable::CreationResponse, Given::Json(response))
    }

    #[must_use]
    pub fn polling_response(self, response: &'a Json) -> Self {
        self.with(Variable::PollingResponse, Given::Json(response))
    }

    #[must_use]
    pub fn download_target(self, target: &'a str) -> Self {
        self.with(Variable::DownloadTarget, Given::Text(target))
    }

    #[must_use]
    pub fn components_values(self, values: &'a Json) -> Self {
        self.with(Variable::ComponentsValues, Given::Json(values))
    }

    #[must_use]
    pub fn stream_template_config(self, config: &'a Json) -> Self {
        self.with(Variable::StreamTemplateConfig, Given::Json(config))
    }

    #[must_use]
    pub fn raw_schema(self, schema: &'a Json) -> Self {
        self.with(Variable::RawSchema, Given::Json(schema))
    }

    #[must_use]
    pub fn property(self, property: &'a Json) -> Self {
        self.with(Variable::Property, Given::Json(property))
    }

    #[must_use]
    pub fn session_token(self, token: &'a str) -> Self {
        self.with(Variable::SessionToken, Given::Text(token))
    }

    #[must_use]
    pub fn request_url(self, url: &'a str) -> Self {
        self.with(Variable::RequestUrl, Given::Text(url))
    }

    /// The value that a transformation is about to set, for its condition.
    #[must_use]
    pub fn value(self, value: &'a Json) -> Self {
        self.with(Variable::Value, Given::Json(value))
    }

    /// The path that a transformation is about to set, for its condition.
    #[must_use]
    pub fn path(self, path: &'a Json) -> Self {
        self.with(Variable::Path, Given::Json(path))
    }

    pub fn now(&self) -> Timestamp {
        self.now
    }

    pub(crate) fn seed(&self) -> u128 {
        self.chance
    }

    pub(crate) fn given(&self, variable: Variable) -> Option<Given<'a>> {
        let given = self.given[variable as usize];
        if variable == Variable::Parameters { given.or(Some(Given::Empty)) } else { given }
    }

    fn with(mut self, variable: Variable, given: Given<'a>) -> Self {
        self.given[variable as usize] = Some(given);
        self
    }
}
