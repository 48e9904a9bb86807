//! Paging: which page is first, which is next, what asks for it, and when it is over. Watches over paging that goes
//! nowhere, because a source that answers the same page for ever must not be read for ever.

pub mod reduce;
pub mod reset;
pub mod split;
mod strategy;
mod watch;

use std::fmt;

use serde_json::{Value as Json, json};

use super::failure::message::is_truthy;
use super::node::{Node, Read};
use super::problem::{Fault, Problem};
use super::request::address;
use super::request::text::python_text;
use super::request::{Additions, RequestOption};
use super::scope::Scope;
use super::trouble::Trouble;
use super::wire::Reply;
use strategy::Strategy;

pub use reduce::{PageSizeReduction, Reducer};
pub use reset::{PaginationReset, Resets};
pub use split::RequestWindowSplitting;
pub use watch::Watch;

/// Which page a request is for: what the source or the paginator calls it.
#[derive(Clone, PartialEq)]
pub struct PageToken {
    /// `{"next_page_token": …}`, as templates see it.
    seen: Json,
    /// The token is the path or the URL of the page.
    is_path: bool,
    /// The host that gave it.
    came_from: Option<String>,
}

impl PageToken {
    /// A token from outside, such as one that was kept to resume.
    #[must_use]
    pub fn new(token: Json) -> Self {
        Self { seen: json!({ "next_page_token": token }), is_path: false, came_from: None }
    }

    /// The token itself.
    #[must_use]
    pub fn value(&self) -> &Json {
        &self.seen["next_page_token"]
    }

    /// What templates see as `next_page_token`.
    #[must_use]
    pub const fn as_json(&self) -> &Json {
        &self.seen
    }

    /// The path or URL to read, if the token is one.
    #[must_use]
    pub fn path(&self) -> Option<String> {
        (self.is_path && is_truthy(self.value())).then(|| python_text(self.value()))
    }

    /// The host that the token points to, if it is a URL, be it without its scheme.
    pub(super) fn host(&self) -> Option<String> {
        let text = self.value().as_str()?.trim();
        let with_scheme = format!("https:{text}");
        let url = if text.starts_with("//") { &with_scheme } else { text };
        Some(address::host(url)?.to_ascii_lowercase())
    }

    /// As it can be kept. It may carry credentials: keep it where the source's own are.
    #[must_use]
    pub fn kept(&self) -> Json {
        json!({ "token": self.value(), "path": self.is_path, "from": self.came_from })
    }

    /// What [`kept`](Self::kept) gave.
    #[must_use]
    pub fn from_kept(kept: &Json) -> Option<Self> {
        let came_from = kept.get("from")?.as_str().map(str::to_owned);
        Some(Self { is_path: kept.get("path")?.as_bool()?, came_from, ..Self::new(kept.get("token")?.clone()) })
    }

    pub(super) fn came_from(&self) -> Option<&str> {
        self.came_from.as_deref()
    }
}

impl fmt::Debug for PageToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A page's URL may carry credentials.
        f.debug_struct("PageToken").field("is_path", &self.is_path).finish_non_exhaustive()
    }
}

/// What is known of the page that was just read.
#[derive(Clone, Copy, Debug)]
pub struct PageFacts<'a> {
    /// Records in the page, before any filter.
    pub extracted: u64,
    /// Records that passed the record filter.
    pub selected: u64,
    /// The last of those.
    pub last_record: Option<&'a Json>,
    /// What the decoder made of the body, where that is not the JSON that it is: the first value of it.
    pub decoded: Option<&'a Json>,
    /// The page size that was asked for, where it differs from the paginator's own.
    pub page_size: Option<u64>,
}

/// How a stream's pages follow each other.
#[derive(Clone, Debug, Default)]
pub enum Paginator {
    #[default]
    None,
    Default(Box<DefaultPaginator>),
}

/// A strategy, and where its page size and its token go.
#[derive(Clone, Debug)]
pub struct DefaultPaginator {
    strategy: Strategy,
    size_option: Option<RequestOption>,
    token_option: TokenOption,
}

#[derive(Clone, Debug)]
enum TokenOption {
    /// The token is used by templates only.
    None,
    Option(RequestOption),
    /// The token is the path or the URL of the page.
    Path,
}

impl Paginator {
    /// The token of the first page, if even that needs one.
    #[must_use]
    pub fn first(&self) -> Option<PageToken> {
        match self {
            Self::None => None,
            Self::Default(paginator) => paginator.strategy.first().map(|token| paginator.token(token, None)),
        }
    }

    /// The token of the page after this one; `None` if this was the last. The scope knows the slice.
    ///
    /// # Errors
    /// If a template does not evaluate, or paging goes nowhere.
    pub fn next(
        &self,
        scope: &Scope<'_>,
        reply: &Reply,
        page: PageFacts<'_>,
        current: Option<&PageToken>,
        watch: &mut Watch,
    ) -> Result<Option<PageToken>, Trouble> {
        let Self::Default(paginator) = self else { return Ok(None) };
        let Some(token) = paginator.strategy.next(scope, reply, &page, current.map(PageToken::value))? else {
            return Ok(None);
        };
        if !is_truthy(&token) {
            return Ok(None);
        }
        watch.see(&token, reply, &page)?;
        Ok(Some(paginator.token(token, address::host(&reply.url).map(str::to_ascii_lowercase))))
    }

    /// What asks for this page: its token and its size.
    pub fn add(
        &self,
        current: Option<&PageToken>,
        page_size: Option<u64>,
        scope: &Scope<'_>,
        additions: &mut Additions,
    ) -> Result<(), Trouble> {
        if let Some(token) = current {
            additions.page(token);
        }
        let Self::Default(paginator) = self else { return Ok(()) };
        if let (TokenOption::Option(option), Some(token)) = (&paginator.token_option, current)
            && !token.value().is_null()
        {
            additions.add(option, token.value().clone(), scope)?;
        }
        let Some(option) = &paginator.size_option else { return Ok(()) };
        let size = match page_size {
            Some(size) => Some(size),
            None => self.page_size(scope)?,
        };
        match size.filter(|size| *size > 0) {
            Some(size) => additions.add(option, Json::from(size), scope),
            None => Ok(()),
        }
    }

    /// Records that are asked for per page.
    pub fn page_size(&self, scope: &Scope<'_>) -> Result<Option<u64>, Trouble> {
        match self {
            Self::None => Ok(None),
            Self::Default(paginator) => paginator.strategy.page_size(scope),
        }
    }

    /// The texts of its templates, for those who ask what they look at.
    #[must_use]
    pub fn templates(&self) -> Vec<&str> {
        match self {
            Self::None => Vec::new(),
            Self::Default(paginator) => paginator.strategy.templates(),
        }
    }

    /// Whether the page size goes into the requests: only then it can be reduced.
    #[must_use]
    pub fn sends_page_size(&self) -> bool {
        matches!(self, Self::Default(paginator) if paginator.size_option.is_some())
    }

    /// Whether its tokens count what is before a page: then they lead elsewhere once something of that is gone.
    #[must_use]
    pub fn counts(&self) -> bool {
        matches!(self, Self::Default(paginator) if !matches!(paginator.strategy, Strategy::Cursor(_)))
    }

    /// Why pages of this paginator cannot be reduced, if so.
    #[must_use]
    pub fn irreducible(&self) -> Option<&'static str> {
        let Self::Default(paginator) = self else { return Some("needs a DefaultPaginator") };
        if paginator.size_option.is_none() {
            return Some("needs a 'page_size_option' on the paginator");
        }
        if matches!(paginator.token_option, TokenOption::Path) {
            return Some("cannot be used with RequestPath, whose URLs carry the page size already");
        }
        if matches!(paginator.strategy, Strategy::Page(_)) {
            return Some("cannot be used with PageIncrement: pages of another size begin elsewhere");
        }
        None
    }
}

impl DefaultPaginator {
    fn token(&self, token: Json, came_from: Option<String>) -> PageToken {
        PageToken { is_path: matches!(self.token_option, TokenOption::Path), came_from, ..PageToken::new(token) }
    }
}

impl Read for Paginator {
    fn read(node: &Node) -> Result<Self, Problem> {
        match &*node.kind("NoPagination")? {
            "NoPagination" => Ok(Self::None),
            "DefaultPaginator" => DefaultPaginator::read(node).map(Box::new).map(Self::Default),
            _ => Err(node.unsupported()),
        }
    }
}

impl Read for DefaultPaginator {
    fn read(node: &Node) -> Result<Self, Problem> {
        let strategy: Strategy = node.need("pagination_strategy")?;
        let size_option: Option<RequestOption> = node.maybe("page_size_option")?;
        if size_option.is_some() && !strategy.has_page_size() {
            let message = "has a 'page_size_option', but its strategy has no 'page_size'".to_owned();
            return Err(node.problem(Fault::Wrong, message));
        }
        let token_option = match node.get("page_token_option") {
            None => TokenOption::None,
            Some(option) => match &*option.kind("RequestOption")? {
                "RequestPath" => TokenOption::Path,
                "RequestOption" => TokenOption::Option(RequestOption::read(&option)?),
                _ => return Err(option.unsupported()),
            },
        };
        Ok(Self { strategy, size_option, token_option })
    }
}

#[cfg(test)]
mod tests;
