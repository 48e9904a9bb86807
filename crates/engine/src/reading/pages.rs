//! The pages of one window, one after another: asked for, selected, and begun anew or asked for in smaller portions where
//! the source wants it. What a page gave is handed on before the next one is asked for.

use std::sync::Arc;

use connectors::manifest::cursor::OpenSlice;
use connectors::manifest::page::{PageFacts, PageToken, Reducer, Resets, Watch};
use connectors::manifest::request::Additions;
use connectors::manifest::select::Selected;
use connectors::manifest::slice::Slice;
use connectors::manifest::wire::Reply;
use serde_json::Value as Json;

use super::ask::Unheard;
use super::body::{Items, embedded};
use super::client::{Answer, Question, Stop, no_status};
use super::conditions::Conditions;
use super::failure::ReadFailure;
use super::portions::Portions;
use super::run::Run;
use super::seen::{Said, Seen};
use super::stream::{Pager, ReadStream};

/// Where the reading stands.
enum Next {
    First,
    Page(PageToken),
    /// The rest of a page whose body is decoded as a stream.
    Rest(Box<Current>),
    Done,
}

/// A page that is being read.
struct Current {
    token: Option<PageToken>,
    reply: Reply,
    items: Items,
    extracted: u64,
    selected: u64,
    last_record: Option<Json>,
}

/// The pages of one window of a slice.
pub(super) struct Pages<'r> {
    pub(super) run: &'r Run<'r>,
    pub(super) stream: &'r ReadStream,
    pub(super) pager: &'r Pager,
    /// What was said of the job whose result this is, if it is one's.
    said: Option<Arc<Said>>,
    /// What is asked for: the open slice, or a part of it.
    pub(super) slice: Arc<Slice>,
    next: Next,
    watch: Watch,
    reducer: Option<Reducer<'r>>,
    resets: Resets,
    pub(super) portions: Portions,
}

impl<'r> Pages<'r> {
    pub fn new(
        run: &'r Run<'r>,
        stream: &'r ReadStream,
        pager: &'r Pager,
        slice: Arc<Slice>,
        said: Option<Arc<Said>>,
    ) -> Result<Self, ReadFailure> {
        // Only where it may be reduced: its template may look at a reply, which there is none of yet.
        let page_size = match &pager.reduction {
            Some(_) => {
                let config = run.client.config();
                pager.paginator.page_size(&Seen::of(&slice, said.as_deref()).scope(&config, run.client.now()))?
            }
            None => None,
        };
        Ok(Self {
            run,
            stream,
            pager,
            said,
            slice,
            next: Next::First,
            watch: Watch::new(),
            reducer: pager.reduction.as_ref().map(|reduction| reduction.begin(page_size)),
            resets: pager.reset.map(|reset| reset.begin()).unwrap_or_default(),
            portions: Portions::default(),
        })
    }

    /// Begins behind pages that were read before.
    pub fn begin_at(&mut self, token: PageToken) {
        self.next = Next::Page(token);
    }

    /// The token of the next page, between two pages.
    pub fn token(&self) -> Option<&PageToken> {
        match &self.next {
            Next::Page(token) => Some(token),
            Next::First | Next::Rest(_) | Next::Done => None,
        }
    }

    /// The next records, at most a page of them; `None` after the last page.
    pub async fn next(&mut self, open: &mut OpenSlice) -> Result<Option<Vec<Json>>, Stop> {
        loop {
            let token = match std::mem::replace(&mut self.next, Next::Done) {
                Next::Done => return Ok(None),
                Next::First => self.pager.paginator.first(),
                Next::Page(token) => Some(token),
                Next::Rest(current) => {
                    if let Some(records) = self.go_on(*current, open).await? {
                        return Ok(Some(records));
                    }
                    continue;
                }
            };
            match self.ask(token.clone(), open).await {
                Ok(None) => return Ok(None),
                Ok(Some(current)) => {
                    self.reducer.iter_mut().for_each(Reducer::accepted);
                    self.next = Next::Rest(Box::new(current));
                }
                Err(Stop::ResetPagination) => self.begin_anew(open)?,
                Err(Stop::ReducePageSize) => {
                    let reducer = self.reducer.as_mut().ok_or_else(|| Stop::ReducePageSize.into_failure())?;
                    let wait = reducer.reduce()?;
                    self.run.client.clock.sleep(wait).await;
                    self.next = token.map_or(Next::First, Next::Page);
                }
                Err(stop) => return Err(stop),
            }
        }
    }

    /// Asks for a page. `None` if there is none: an error that is to be ignored.
    async fn ask(&mut self, token: Option<PageToken>, open: &OpenSlice) -> Result<Option<Current>, Stop> {
        let current =
            |reply, items| Current { token: None, reply, items, extracted: 0, selected: 0, last_record: None };
        if let (None, Some(child)) = (&token, self.slice.child_response()) {
            self.watch_page(false);
            let mut reply = embedded(child);
            let items = self.pager.form.take(&mut reply, None)?;
            return Ok(Some(current(reply, items)));
        }
        if let Some(properties) = self.pager.requester.properties() {
            self.watch_page(false);
            let Some((reply, records)) = self.ask_in_portions(properties, token.as_ref(), open).await? else {
                return Ok(None);
            };
            let extracted = records.len() as u64;
            return Ok(Some(Current { token, extracted, ..current(reply, Items::selected(records)) }));
        }
        self.watch_page(self.says_everything());
        let Answer { mut reply, spool } = self.send(token.as_ref(), &self.slice).await?;
        // What still holds was taken before, to its end.
        if !reply.is_ok() || self.conditions().is_some_and(Conditions::is_unmodified) {
            return Ok(None);
        }
        if let Some(conditions) = self.conditions().filter(|_| reply.json().is_none()) {
            conditions.spoil();
        }
        let items = self.pager.form.take(&mut reply, spool)?;
        Ok(Some(Current { token, ..current(reply, items) }))
    }

    pub(super) async fn send(&self, token: Option<&PageToken>, slice: &Arc<Slice>) -> Result<Answer, Stop> {
        let additions = self.additions(token, slice)?;
        let question = Question {
            stream: &self.stream.name,
            occasion: &self.run.occasion,
            requester: &self.pager.requester,
            additions: &additions,
            seen: Seen::of(slice, self.said.as_deref()),
            cached: self.pager.is_cached.then_some(&*self.stream.name),
            spooled: self.pager.form.is_streamed(),
            unheard: Unheard::AskAgain,
            conditions: self.conditions(),
            is_answer: no_status,
        };
        let answer = self.run.client.ask(question).await?;
        if !answer.reply.is_ok() && !self.says_that_none_are(token, answer.reply.status) {
            self.run.tell_passed_over(ignored(&answer.reply)).await?;
        }
        Ok(answer)
    }

    /// Whether an ignored error says all the same what is listed there: a partition that is gone has no records, and
    /// behind the last of numbered pages there are none.
    fn says_that_none_are(&self, token: Option<&PageToken>, status: u16) -> bool {
        // The first of numbered pages may be asked for by its number.
        let is_first = token.is_none_or(|token| self.pager.paginator.first().as_ref() == Some(token));
        match status {
            404 | 410 if is_first => !self.slice.partition().is_empty(),
            404 => self.pager.paginator.counts(),
            _ => false,
        }
    }

    fn conditions(&self) -> Option<&Conditions> {
        self.stream.circumstances.conditions.as_deref()
    }

    fn watch_page(&self, fits: bool) {
        if let Some(conditions) = self.conditions() {
            conditions.begin_page(fits);
        }
    }

    /// Whether the answer to one request is all there is to know: nothing else is asked for because of it.
    fn says_everything(&self) -> bool {
        let (pager, stream) = (self.pager, self.stream);
        let is_one = self.said.is_none() && stream.parents.is_empty() && stream.lists.is_none();
        is_one && pager.form.is_json() && !pager.is_cached
    }

    /// Whether a record is new, as the cursor has it.
    fn wants(&self, open: &OpenSlice, record: &Json, now: jiff::Timestamp) -> bool {
        let is_wanted = open.wants(record, now);
        if let Some(conditions) = self.conditions().filter(|_| !is_wanted && open.is_past(record)) {
            conditions.pass();
        }
        is_wanted
    }

    fn additions(&self, token: Option<&PageToken>, slice: &Arc<Slice>) -> Result<Additions, ReadFailure> {
        let config = self.run.client.config();
        let scope = Seen::of(slice, self.said.as_deref()).scope(&config, self.run.client.now());
        let mut additions = Additions::new().allowing(&self.run.allowed_hosts);
        let size = self.reducer.as_ref().and_then(Reducer::size);
        self.pager.paginator.add(token, size, &scope, &mut additions)?;
        if token.is_none() || !self.pager.skips_slicer_on_pages {
            self.stream.add_slice(slice, &scope, &mut additions)?;
        }
        Ok(additions)
    }

    /// The next records of the page, or, at its end, the decision about the next one.
    async fn go_on(&mut self, mut current: Current, open: &mut OpenSlice) -> Result<Option<Vec<Json>>, Stop> {
        let Some(mut items) = current.items.next().await? else {
            self.next = self.after(&current, None, open)?;
            return Ok(None);
        };
        let selected = if current.items.are_selected() {
            Selected { records: std::mem::take(&mut items), ..Selected::default() }
        } else {
            self.select(&mut items, current.token.as_ref(), &self.slice, open).await?
        };
        current.extracted += selected.extracted;
        let mut records = selected.records;
        current.selected += records.len() as u64;
        records.iter().for_each(|_| self.resets.observe());
        // The last record is looked at before it is handed on: the next page may begin behind it.
        current.last_record = records.last().cloned().or(current.last_record);
        if self.pager.is_data_feed {
            let now = self.run.client.now();
            records.retain(|record| self.wants(open, record, now));
        }
        if let Some(conditions) = self.conditions() {
            conditions.take(selected.extracted, records.len() as u64);
        }
        records.iter().for_each(|record| open.observe(record));
        if current.items.is_last() {
            let left = items.into_iter().next();
            self.next = self.after(&current, left.as_ref(), open)?;
        } else {
            self.next = Next::Rest(Box::new(current));
        }
        if selected.cut_short > 0 {
            self.conditions().into_iter().for_each(Conditions::spoil);
            let message = format!("{} lists inside of records were cut short by the source", selected.cut_short);
            self.run.tell_passed_over(message.clone()).await?;
            self.run.note(message).await?;
        }
        Ok((!records.is_empty()).then_some(records))
    }

    pub(super) async fn select(
        &self,
        items: &mut [Json],
        token: Option<&PageToken>,
        slice: &Slice,
        open: &OpenSlice,
    ) -> Result<Selected, Stop> {
        let (config, now) = (self.run.client.config(), self.run.client.now());
        let nothing = Json::Null;
        let token = token.map_or(&nothing, PageToken::as_json);
        let mut selected = {
            let scope = Seen::of(slice, self.said.as_deref()).scope(&config, now).next_page_token(token);
            let keep = &mut |record: &Json| self.wants(open, record, now);
            self.pager.selector.records_if(items, &scope, &self.stream.schema, keep).map_err(ReadFailure::from)?
        };
        for parent in std::mem::take(&mut selected.incomplete) {
            let fetched = self.stream.fetch_rest(self.run, slice, &parent).await?;
            let scope = Seen::of(slice, self.said.as_deref()).scope(&config, now).next_page_token(token);
            let keep = &mut |record: &Json| open.wants(record, now);
            let more = self.pager.selector.complete(parent, fetched, &scope, &self.stream.schema, keep);
            let more = more.map_err(ReadFailure::from)?;
            selected.records.extend(more.records);
            selected.extracted += more.extracted;
        }
        Ok(selected)
    }

    /// Whether the same body may one day have a page behind it: one that only its headers tell of.
    fn may_grow(&self, extracted: u64) -> bool {
        let paginator = &self.pager.paginator;
        if extracted == 0 || !paginator.templates().iter().any(|template| template.contains("headers")) {
            return false;
        }
        let config = self.run.client.config();
        let scope = Seen::of(&self.slice, self.said.as_deref()).scope(&config, self.run.client.now());
        let size = paginator.page_size(&scope).ok().flatten().filter(|_| paginator.sends_page_size());
        size.is_none_or(|size| extracted >= size)
    }

    /// What comes after a page that was read whole. `left` is what is left of its decoded body.
    fn after(&mut self, current: &Current, left: Option<&Json>, open: &OpenSlice) -> Result<Next, Stop> {
        if let Some(conditions) = self.conditions().filter(|_| self.may_grow(current.extracted)) {
            conditions.spoil();
        }
        if self.resets.is_due() {
            self.begin_anew(open)?;
            return Ok(std::mem::replace(&mut self.next, Next::Done));
        }
        let (config, now) = (self.run.client.config(), self.run.client.now());
        if self.pager.is_data_feed
            && let Some(last) = &current.last_record
            && !open.wants(last, now)
        {
            return Ok(Next::Done);
        }
        let scope = Seen::of(&self.slice, self.said.as_deref()).scope(&config, now);
        let facts = PageFacts {
            extracted: current.extracted,
            selected: current.selected,
            last_record: current.last_record.as_ref(),
            decoded: current.items.decoded(left, self.pager.form.is_spared),
            page_size: self.reducer.as_ref().and_then(Reducer::size),
        };
        let next = self.pager.paginator.next(&scope, &current.reply, facts, current.token.as_ref(), &mut self.watch)?;
        Ok(next.map_or(Next::Done, Next::Page))
    }

    /// The same slice again, or what the cursor has not seen of it.
    fn begin_anew(&mut self, open: &OpenSlice) -> Result<(), Stop> {
        let slice = match self.pager.reset {
            Some(reset) if reset.splits_by_cursor => open.rest().map_err(ReadFailure::from)?,
            _ => (*self.slice).clone(),
        };
        self.resets.reset(slice == *self.slice)?;
        self.slice = Arc::new(slice);
        self.watch = Watch::new();
        self.next = Next::First;
        Ok(())
    }
}

/// What is told of an error that the manifest ignores.
pub(super) fn ignored(reply: &Reply) -> String {
    format!("{} answered with status {}, which the manifest ignores", reply.plain_url(), reply.status)
}
