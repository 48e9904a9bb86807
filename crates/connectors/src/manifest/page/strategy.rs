//! The three ways to count pages: by number, by offset, by what the last reply says.

use serde_json::{Map, Value as Json};

use super::super::expression::{Condition, Template};
use super::super::failure::message::is_truthy;
use super::super::node::{Node, Parameters, Read};
use super::super::problem::{Fault, Problem};
use super::super::request::fields::{condition, needed_template, template_at};
use super::super::scope::Scope;
use super::super::trouble::{Trouble, kind_of};
use super::super::wire::Reply;
use super::PageFacts;

static NOTHING: Json = Json::Null;

#[derive(Clone, Debug)]
pub(super) enum Strategy {
    Page(PageIncrement),
    Offset(OffsetIncrement),
    Cursor(CursorPagination),
}

/// Pages are numbered.
#[derive(Clone, Debug)]
pub(super) struct PageIncrement {
    page_size: Option<PageSize>,
    start_from_page: i64,
    inject_on_first_request: bool,
    parameters: Parameters,
}

/// The records before a page are counted.
#[derive(Clone, Debug)]
pub(super) struct OffsetIncrement {
    page_size: Option<PageSize>,
    inject_on_first_request: bool,
    parameters: Parameters,
}

/// The reply says what the next page is called.
#[derive(Clone, Debug)]
pub(super) struct CursorPagination {
    cursor_value: Template,
    stop_condition: Option<Condition>,
    page_size: Option<PageSize>,
    parameters: Parameters,
}

#[derive(Clone, Debug)]
enum PageSize {
    Fixed(u64),
    Template(Template),
}

impl PageSize {
    fn value(&self, scope: &Scope<'_>) -> Result<u64, Trouble> {
        let template = match self {
            Self::Fixed(size) => return Ok(*size),
            Self::Template(template) => template,
        };
        let value = template.value(scope)?;
        value.as_u64().ok_or_else(|| Trouble::PageSize { found: kind_of(&value) })
    }

    /// As [`Self::value`], but a template that gives nothing asks for nothing.
    fn asked(&self, scope: &Scope<'_>) -> Result<Option<u64>, Trouble> {
        match self {
            Self::Template(template) if !is_truthy(&template.value(scope)?) => Ok(None),
            size => size.value(scope).map(Some),
        }
    }

    fn read_in(node: &Node) -> Result<Option<Self>, Problem> {
        let Some(size) = node.get("page_size") else { return Ok(None) };
        match size.text() {
            Some("") => Ok(None),
            Some(text) => match text.parse() {
                Ok(fixed) => Ok(Some(Self::Fixed(fixed))),
                Err(_) => template_at(&size).map(Self::Template).map(Some),
            },
            None => u64::read(&size).map(Self::Fixed).map(Some),
        }
    }
}

impl Strategy {
    pub fn first(&self) -> Option<Json> {
        match self {
            Self::Page(page) => page.inject_on_first_request.then(|| Json::from(page.start_from_page)),
            Self::Offset(offset) => offset.inject_on_first_request.then(|| Json::from(0)),
            Self::Cursor(_) => None,
        }
    }

    pub fn next(
        &self,
        scope: &Scope<'_>,
        reply: &Reply,
        page: &PageFacts<'_>,
        current: Option<&Json>,
    ) -> Result<Option<Json>, Trouble> {
        match self {
            Self::Page(strategy) => strategy.next(scope, page, current),
            Self::Offset(strategy) => strategy.next(scope, reply, page, current),
            Self::Cursor(strategy) => strategy.next(scope, reply, page),
        }
    }

    pub fn has_page_size(&self) -> bool {
        self.own_page_size().is_some_and(|(size, _)| !matches!(size, PageSize::Fixed(0)))
    }

    pub fn page_size(&self, scope: &Scope<'_>) -> Result<Option<u64>, Trouble> {
        let Some((size, parameters)) = self.own_page_size() else { return Ok(None) };
        size.value(&scope.parameters(parameters)).map(Some)
    }

    pub fn templates(&self) -> Vec<&str> {
        let size = self.own_page_size().and_then(|(size, _)| match size {
            PageSize::Fixed(_) => None,
            PageSize::Template(template) => Some(template.source()),
        });
        let Self::Cursor(cursor) = self else { return size.into_iter().collect() };
        let stop = cursor.stop_condition.as_ref().map(Condition::source);
        [Some(cursor.cursor_value.source()), stop, size].into_iter().flatten().collect()
    }

    fn own_page_size(&self) -> Option<(&PageSize, &Parameters)> {
        match self {
            Self::Page(strategy) => strategy.page_size.as_ref().map(|size| (size, &strategy.parameters)),
            Self::Offset(strategy) => strategy.page_size.as_ref().map(|size| (size, &strategy.parameters)),
            Self::Cursor(strategy) => strategy.page_size.as_ref().map(|size| (size, &strategy.parameters)),
        }
    }
}

/// A page that is empty, or shorter than was asked for, is the last.
fn is_last(extracted: u64, asked: Option<u64>) -> bool {
    extracted == 0 || asked.is_some_and(|asked| extracted < asked)
}

/// The current token as a number; `None` on a first page that was asked for without one.
fn number(current: Option<&Json>, strategy: &'static str) -> Result<Option<i64>, Trouble> {
    match current {
        None | Some(Json::Null) => Ok(None),
        Some(token) => match token.as_i64() {
            Some(number) => Ok(Some(number)),
            None => Err(Trouble::PageNumber { strategy, found: kind_of(token) }),
        },
    }
}

impl PageIncrement {
    fn next(&self, scope: &Scope<'_>, page: &PageFacts<'_>, current: Option<&Json>) -> Result<Option<Json>, Trouble> {
        let size = self.page_size.as_ref().map(|size| size.value(&scope.parameters(&self.parameters))).transpose()?;
        if is_last(page.extracted, size) {
            return Ok(None);
        }
        let current = number(current, "PageIncrement")?.unwrap_or(self.start_from_page);
        Ok(Some(Json::from(current.saturating_add(1))))
    }
}

impl OffsetIncrement {
    fn next(
        &self,
        scope: &Scope<'_>,
        reply: &Reply,
        page: &PageFacts<'_>,
        current: Option<&Json>,
    ) -> Result<Option<Json>, Trouble> {
        let asked = match (page.page_size, &self.page_size) {
            (Some(asked), _) => Some(asked),
            (None, Some(PageSize::Fixed(size))) => Some(*size),
            (None, Some(size)) => {
                let scope = scope.parameters(&self.parameters);
                with_response(reply, page, |response| size.asked(&scope.response(response)))?
            }
            (None, None) => None,
        };
        if is_last(page.extracted, asked) {
            return Ok(None);
        }
        let current = number(current, "OffsetIncrement")?.unwrap_or(0);
        let extracted = i64::try_from(page.extracted).unwrap_or(i64::MAX);
        Ok(Some(Json::from(current.saturating_add(extracted))))
    }
}

impl CursorPagination {
    fn next(&self, scope: &Scope<'_>, reply: &Reply, page: &PageFacts<'_>) -> Result<Option<Json>, Trouble> {
        let scope = scope.parameters(&self.parameters);
        let size = match page.page_size {
            Some(asked) => Some(asked),
            None => self.page_size.as_ref().map(|size| size.value(&scope)).transpose()?,
        };
        with_response(reply, page, |response| {
            let scope = scope
                .response(response)
                .page_headers(&reply.headers)
                .last_record(page.last_record.unwrap_or(&NOTHING))
                .last_page_size(page.selected)
                .page_size(size);
            if let Some(stop) = &self.stop_condition
                && stop.holds(&scope)?
            {
                return Ok(None);
            }
            Ok(Some(self.cursor_value.value(&scope)?).filter(is_truthy))
        })
    }
}

/// What templates of paging see as the response: what the decoder gave first, of a list its first item.
fn with_response<T>(reply: &Reply, page: &PageFacts<'_>, then: impl FnOnce(&Json) -> T) -> T {
    let decoded = page.decoded.or_else(|| match reply.json()? {
        Json::Array(items) => items.first(),
        whole => Some(whole),
    });
    match decoded {
        Some(decoded) => then(decoded),
        None => then(&Json::Object(Map::new())),
    }
}

impl Read for Strategy {
    fn read(node: &Node) -> Result<Self, Problem> {
        let (page_size, parameters) = (PageSize::read_in(node)?, node.parameters());
        Ok(match &*node.kind("")? {
            "PageIncrement" => Self::Page(PageIncrement {
                page_size,
                start_from_page: node.or("start_from_page", 0)?,
                inject_on_first_request: node.or("inject_on_first_request", false)?,
                parameters,
            }),
            "OffsetIncrement" => Self::Offset(OffsetIncrement {
                page_size,
                inject_on_first_request: node.or("inject_on_first_request", false)?,
                parameters,
            }),
            "CursorPagination" => Self::Cursor(CursorPagination {
                cursor_value: needed_template(node, "cursor_value")?,
                stop_condition: condition(node, "stop_condition")?,
                page_size,
                parameters,
            }),
            _ => return Err(node.unsupported()),
        })
        .and_then(|strategy| strategy.checked(node))
    }
}

impl Strategy {
    /// A stop condition that compares with a page size that there is none of would end every read after one page.
    fn checked(self, node: &Node) -> Result<Self, Problem> {
        if let Self::Cursor(CursorPagination { page_size: None, stop_condition, cursor_value, .. }) = &self {
            let sources = [stop_condition.as_ref().map(Condition::source), Some(cursor_value.source())];
            if sources.into_iter().flatten().any(names_page_size) {
                let message = "uses 'page_size' in a template, but has no 'page_size'".to_owned();
                return Err(node.problem(Fault::Wrong, message));
            }
        }
        Ok(self)
    }
}

/// Whether a template has `page_size` as a variable, not as a key or as a part of another name.
fn names_page_size(source: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    source.match_indices("page_size").any(|(at, name)| {
        let before = source[..at].chars().next_back();
        let after = source[at + name.len()..].chars().next();
        let is_part = |c: Option<char>| c.is_some_and(|c| is_name(c) || matches!(c, '\'' | '"'));
        !is_part(before) && before != Some('.') && !is_part(after)
    })
}
