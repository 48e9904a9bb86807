//! One copy from beginning to end: what it may begin on, page after page with a mark of how far it got, and the
//! comparison of both stores at its end. Killed anywhere, it goes on from its mark.

use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use domain::Timestamp;
use futures_util::future::{join, try_join};
use serde::{Deserialize, Serialize};

use super::row::{Cell, Row, Tally};
use super::table::Table;
use super::{Batch, COPIED_AS, CopyingStore, Key, Numbers, PAGE_ROWS, Page, UNFINISHED};
use crate::StoreError;
use crate::people::ReplaySelection;

/// Why a copy does not begin, or is not whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CopyError {
    #[error("the store to copy to is not empty: it has {0}")]
    NotEmpty(&'static str),
    /// Its mark names another copy than the one that was begun of this source.
    #[error("the store to copy to holds an unfinished copy of {from}, which is another store or was in use since then")]
    OtherCopy { from: String },
    #[error("the store to copy is itself an unfinished copy of {from}")]
    SourceUnfinished { from: String },
    /// A gateway started on it while this process stood still.
    #[error("the store to copy was in use while it was copied")]
    SourceUsed,
    #[error("{table}: what is there now is not what was copied")]
    Differs { table: &'static str },
    #[error("the mark of the copy cannot be read: {0}")]
    Mark(String),
    /// Whether it was the source's or the target's, its text says.
    #[error("{0}")]
    Store(#[from] StoreError),
}

impl CopyError {
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotEmpty(_) => "copy_target_not_empty",
            Self::OtherCopy { .. } => "copy_of_another_store",
            Self::SourceUnfinished { .. } => "store_copy_unfinished",
            Self::SourceUsed => "copy_source_used",
            Self::Differs { .. } => "copy_differs",
            Self::Mark(_) => "copy_mark_unreadable",
            Self::Store(error) => error.code(),
        }
    }
}

/// What the target keeps while a copy is not whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Drawn when the copy began; the source keeps it too until it is served again.
    pub copy: String,
    /// Where it comes from, for people; no password.
    pub from: String,
    pub begun_at: Timestamp,
    /// The table that is under way; `None`: all rows are there, and are to be compared.
    pub table: Option<Table>,
    pub after: Option<Key>,
    /// Rows of that table that are there.
    pub rows: u64,
}

impl Mark {
    #[must_use]
    pub fn new(copy: String, from: String, begun_at: Timestamp) -> Self {
        Self { copy, from, begun_at, table: Table::ALL.first().copied(), after: None, rows: 0 }
    }

    /// What a store says of a copy to it that is not whole.
    pub fn read(setting: Option<&Bytes>) -> Result<Option<Self>, CopyError> {
        let Some(bytes) = setting.filter(|bytes| !bytes.is_empty()) else { return Ok(None) };
        serde_json::from_slice(bytes).map(Some).map_err(|error| CopyError::Mark(error.to_string()))
    }

    fn write(&self) -> Result<Bytes, CopyError> {
        serde_json::to_vec(self).map(Bytes::from).map_err(|error| CopyError::Mark(error.to_string()))
    }

    /// The page is in: goes on behind it, or with the next table.
    fn step(&mut self, table: Table, rows: u64, next: Option<&Key>) {
        self.after = next.cloned();
        self.rows += rows;
        if next.is_none() {
            self.table = Table::ALL.iter().copied().find(|other| *other > table);
            self.rows = 0;
        }
    }
}

/// What happens, for whoever watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    Copied { table: Table, rows: u64 },
    Compared { table: Table, rows: u64 },
}

/// Hears what happens, and breaks off when it has enough: the copy goes on from there another time.
pub type Watcher<'w> = dyn FnMut(Progress) -> ControlFlow<()> + Send + 'w;

/// A table as it is in both stores.
#[derive(Clone, Debug)]
pub struct Compared {
    pub table: Table,
    pub from: Tally,
    pub to: Tally,
}

impl Compared {
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.from.rows == self.to.rows && self.from.digest() == self.to.digest()
    }
}

/// A copy that may go on.
pub struct Carrier<'s> {
    from: &'s dyn CopyingStore,
    to: &'s dyn CopyingStore,
    numbers: Arc<Numbers>,
    target_whole: bool,
    pub mark: Mark,
    /// Most rows of a page.
    pub page_rows: usize,
}

impl<'s> Carrier<'s> {
    /// Begins a copy, or goes on with the one that was begun of this very source. Nobody may use either store
    /// meanwhile: whoever calls this sees to that.
    pub async fn begin(
        from: &'s dyn CopyingStore,
        to: &'s dyn CopyingStore,
        fresh: Mark,
    ) -> Result<(Self, bool), CopyError> {
        if let Some(mark) = Mark::read(from.setting(UNFINISHED.into()).await?.as_ref())? {
            return Err(CopyError::SourceUnfinished { from: mark.from });
        }
        let (mark, resumed) = match Mark::read(to.setting(UNFINISHED.into()).await?.as_ref())? {
            Some(mark) => {
                let begun = from.setting(COPIED_AS.into()).await?.unwrap_or_default();
                if begun != mark.copy.as_bytes() {
                    return Err(CopyError::OtherCopy { from: mark.from });
                }
                (mark, true)
            }
            None => {
                must_be_empty(to).await?;
                from.put_setting(COPIED_AS.into(), Bytes::from(fresh.copy.clone())).await?;
                to.put_setting(UNFINISHED.into(), fresh.write()?).await?;
                (fresh, false)
            }
        };
        let (numbers, own) = try_join(from.numbers(), to.numbers()).await?;
        Ok((
            Self { from, to, numbers: Arc::new(numbers), target_whole: own.whole, mark, page_rows: PAGE_ROWS },
            resumed,
        ))
    }

    /// Copies what is not copied yet, until whoever watches has enough; gives whether it is all there. The next page is
    /// read while one is written.
    pub async fn carry(&mut self, tell: &mut Watcher<'_>) -> Result<bool, CopyError> {
        while let Some(table) = self.mark.table {
            let mut page = self.from.give_rows(table, self.mark.after.clone(), self.page_rows).await?;
            loop {
                let Page { rows, next } = page;
                let count = rows.len() as u64;
                self.mark.step(table, count, next.as_ref());
                let rows = rows.into_iter().map(|row| self.translated(table, row)).collect();
                let batch = Batch { table, rows, mark: self.mark.write()? };
                let reading = async {
                    match &next {
                        Some(next) => self.from.give_rows(table, Some(next.clone()), self.page_rows).await,
                        None => Ok(Page::default()),
                    }
                };
                let (taken, read) = join(self.to.take_rows(batch, Arc::clone(&self.numbers)), reading).await;
                taken?;
                if tell(Progress::Copied { table, rows: count }).is_break() {
                    return Ok(false);
                }
                if next.is_none() {
                    break;
                }
                page = read?;
            }
        }
        self.to.settle_in(Arc::clone(&self.numbers)).await?;
        Ok(true)
    }

    /// Reads both stores from beginning to end; `None` if whoever watches has enough.
    pub async fn compare(&self, tell: &mut Watcher<'_>) -> Result<Option<Vec<Compared>>, CopyError> {
        let mut compared = Vec::new();
        for table in Table::ALL.iter().copied() {
            let (mut from, mut to) = (self.reading(self.from, table), self.reading(self.to, table));
            while !(from.ended && to.ended) {
                let before = from.tally.rows;
                try_join(from.step(|row| self.translated(table, row)), to.step(|row| row)).await?;
                if tell(Progress::Compared { table, rows: from.tally.rows - before }).is_break() {
                    return Ok(None);
                }
            }
            compared.push(Compared { table, from: from.tally, to: to.tally });
        }
        Ok(Some(compared))
    }

    /// The copy is whole: its target may be served from here on.
    pub async fn finish(self, compared: &[Compared]) -> Result<(), CopyError> {
        let begun = self.from.setting(COPIED_AS.into()).await?.unwrap_or_default();
        if begun != self.mark.copy.as_bytes() {
            return Err(CopyError::SourceUsed);
        }
        if let Some(differs) = compared.iter().find(|one| !one.is_same()) {
            return Err(CopyError::Differs { table: differs.table.name() });
        }
        self.to.put_setting(UNFINISHED.into(), Bytes::new()).await?;
        Ok(self.from.put_setting(COPIED_AS.into(), Bytes::new()).await?)
    }

    fn reading(&self, store: &'s dyn CopyingStore, table: Table) -> Reading<'s> {
        let (after, ended, tally) = (None, false, Tally::default());
        Reading { store, table, most: self.page_rows, after, ended, tally }
    }

    /// A row as the target has it: event numbers, and the positions that are made of them, are renumbered where those
    /// of several tenants would meet.
    fn translated(&self, table: Table, mut row: Row) -> Row {
        let number_in = |tenant: &Cell, number: i64| {
            self.numbers.number_in(self.target_whole, tenant.text().unwrap_or_default(), number)
        };
        match table {
            Table::Events => {
                if let (Some(at), Some(number)) = (table.at("seq"), table.at("seq").and_then(|at| row[at].int())) {
                    row[at] = Cell::Int(number_in(&row[0], number));
                }
            }
            Table::Replays => {
                let by_filter = table.at("selection").and_then(|at| row[at].text()).is_some_and(goes_by_number);
                let position = table.at("position").filter(|_| by_filter);
                if let Some((at, number)) = position.and_then(|at| Some((at, row[at].text()?.parse().ok()?))) {
                    row[at] = Cell::Text(number_in(&row[0], number).to_string());
                }
            }
            Table::Listeners => {
                let position = table.at("position");
                if let Some((at, number)) = position.and_then(|at| Some((at, row[at].text()?.parse().ok()?))) {
                    row[at] = Cell::Text(number_in(&row[0], number).to_string());
                }
            }
            _ => {}
        }
        row
    }
}

/// Whether a replay's position is an event's number, and not a place in its own list.
fn goes_by_number(selection: &str) -> bool {
    matches!(serde_json::from_str(selection), Ok(ReplaySelection::Filter(_)))
}

async fn must_be_empty(store: &dyn CopyingStore) -> Result<(), CopyError> {
    for table in Table::ALL.iter().copied() {
        if !store.give_rows(table, None, 1).await?.rows.is_empty() {
            return Err(CopyError::NotEmpty(table.name()));
        }
    }
    Ok(())
}

/// One store's rows of a table, on their way through a tally.
struct Reading<'s> {
    store: &'s dyn CopyingStore,
    table: Table,
    most: usize,
    after: Option<Key>,
    ended: bool,
    tally: Tally,
}

impl Reading<'_> {
    async fn step(&mut self, translated: impl Fn(Row) -> Row) -> Result<(), StoreError> {
        if self.ended {
            return Ok(());
        }
        let page = self.store.give_rows(self.table, self.after.take(), self.most).await?;
        for row in page.rows {
            self.tally.add(self.table, &translated(row));
        }
        self.ended = page.next.is_none();
        self.after = page.next;
        Ok(())
    }
}
