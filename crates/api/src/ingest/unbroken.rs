//! Work that a caller who hangs up must not break off: between a commit and handing on what it owes, nothing may be
//! dropped.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

/// Runs in place for as long as somebody waits for it, and to its end by itself if nobody does any more. Cheaper
/// than a task of its own for every request.
pub struct Unbroken<F>(Option<Pin<Box<F>>>)
where
    F: Future<Output: Send> + Send + 'static;

impl<F> Unbroken<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    pub fn new(work: F) -> Self {
        Self(Some(Box::pin(work)))
    }
}

impl<F> Future for Unbroken<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        // Out while it runs: if it panics it is gone, and not run again.
        let Some(mut work) = self.0.take() else { return Poll::Pending };
        let poll = work.as_mut().poll(context);
        if poll.is_pending() {
            self.0 = Some(work);
        }
        poll
    }
}

impl<F> Drop for Unbroken<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    fn drop(&mut self) {
        // Without a runtime the process is ending, and what is not committed is the sender's again.
        if let (Some(work), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(work);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::sync::{mpsc, oneshot};

    use super::*;

    #[tokio::test]
    async fn work_goes_on_to_its_end_after_its_caller_is_gone() {
        let (commit, committed) = oneshot::channel::<()>();
        let (tell, mut told) = mpsc::unbounded_channel();
        let mut work = Unbroken::new(async move {
            committed.await.expect("a commit");
            tell.send("handed on").expect("somebody listens");
        });
        assert!((&mut work).now_or_never().is_none());
        drop(work);
        commit.send(()).expect("it still waits");
        assert_eq!(told.recv().await, Some("handed on"));
    }

    #[tokio::test]
    async fn work_that_ended_or_panicked_is_not_run_again() {
        let (tell, mut told) = mpsc::unbounded_channel();
        let sender = tell.clone();
        Unbroken::new(async move { sender.send(1).expect("somebody listens") }).await;
        let broken = Unbroken::new(async move {
            tell.send(2).expect("somebody listens");
            panic!("on purpose");
        });
        let caught = std::panic::AssertUnwindSafe(broken).catch_unwind().await;
        assert!(caught.is_err());
        assert_eq!((told.recv().await, told.recv().await, told.recv().await), (Some(1), Some(2), None));
    }
}
