//! A command on its way to the writer and its answer on the way back.

use store::StoreError;
use tokio::sync::oneshot;

use crate::failure::Failure;
use crate::tx::Tx;

/// What a command weighs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    pub(crate) rows: usize,
    pub(crate) bytes: usize,
    /// Brings new data in: refused first when the disk or the queue fills, so that what is owed can still be settled.
    pub(crate) ingest: bool,
}

impl Work {
    pub(crate) const fn rows(rows: usize) -> Self {
        Self { rows, bytes: 0, ingest: false }
    }

    pub(crate) const fn ingest(rows: usize, bytes: usize) -> Self {
        Self { rows, bytes, ingest: true }
    }
}

/// In whose company a command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Company {
    /// With others in one transaction: any failure is everybody's, and all are run again alone.
    Group,
    /// In a transaction of its own: a part that fails is told apart from the others.
    Alone,
}

/// A command of any kind, as the writer sees it. It may be run twice: in a group, and then alone.
pub(crate) trait Job: Send {
    fn work(&self) -> Work;
    fn run(&mut self, tx: &mut Tx<'_, '_>, company: Company) -> Result<(), Failure>;
    /// Answers: what it gave if the commit is `Ok`, else why not.
    fn answer(self: Box<Self>, end: Result<(), StoreError>);
}

struct Call<T, F> {
    work: Work,
    run: F,
    gave: Option<T>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

/// Wraps a function of the transaction as a job, and gives where its answer will be.
pub(crate) fn job<T, F>(work: Work, run: F) -> (Box<dyn Job>, oneshot::Receiver<Result<T, StoreError>>)
where
    T: Send + 'static,
    F: FnMut(&mut Tx<'_, '_>, Company) -> Result<T, Failure> + Send + 'static,
{
    let (answer, receiver) = oneshot::channel();
    (Box::new(Call { work, run, gave: None, answer }), receiver)
}

impl<T, F> Job for Call<T, F>
where
    T: Send,
    F: FnMut(&mut Tx<'_, '_>, Company) -> Result<T, Failure> + Send,
{
    fn work(&self) -> Work {
        self.work
    }

    fn run(&mut self, tx: &mut Tx<'_, '_>, company: Company) -> Result<(), Failure> {
        self.gave = Some((self.run)(tx, company)?);
        Ok(())
    }

    fn answer(self: Box<Self>, end: Result<(), StoreError>) {
        let gave = self.gave;
        let answer = end.and_then(|()| gave.ok_or_else(|| StoreError::Io("a command was not run".to_owned())));
        // Whoever asked may have gone; what was committed stays.
        let _ = self.answer.send(answer);
    }
}
