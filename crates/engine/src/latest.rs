//! The latest of something for many who wait for the next: they are woken in the order in which they began to wait. The
//! runtime's own channel of this kind draws that order by lot, and then a simulation would not follow from its seed.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use tokio::sync::Notify;

/// Nobody is left who could say anything new.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nobody is left who could say anything new")]
pub struct Ended;

struct Told<T> {
    value: T,
    version: u64,
}

struct Shared<T> {
    told: RwLock<Told<T>>,
    changed: Notify,
    ended: AtomicBool,
}

impl<T> Shared<T> {
    fn read(&self) -> RwLockReadGuard<'_, Told<T>> {
        self.told.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut T) -> bool) -> bool {
        let mut told = self.told.write().unwrap_or_else(PoisonError::into_inner);
        let is_new = change(&mut told.value);
        told.version += u64::from(is_new);
        drop(told);
        if is_new {
            self.changed.notify_waiters();
        }
        is_new
    }
}

/// A channel that begins with `value`, which counts as seen.
pub fn channel<T>(value: T) -> (Sender<T>, Receiver<T>) {
    let told = RwLock::new(Told { value, version: 0 });
    let shared = Arc::new(Shared { told, changed: Notify::new(), ended: AtomicBool::new(false) });
    (Sender { shared: Arc::clone(&shared) }, Receiver { shared, seen: 0 })
}

/// Says what is so now. There is one, and when it is dropped nothing new can come.
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Sender<T> {
    /// Gives what was so before.
    pub fn send_replace(&self, mut value: T) -> T {
        self.shared.change(|told| {
            std::mem::swap(told, &mut value);
            true
        });
        value
    }

    pub fn send_modify(&self, modify: impl FnOnce(&mut T)) {
        self.shared.change(|told| {
            modify(told);
            true
        });
    }

    /// Wakes those who wait only if `modify` says that it changed something; gives what it said.
    pub fn send_if_modified(&self, modify: impl FnOnce(&mut T) -> bool) -> bool {
        self.shared.change(modify)
    }

    /// What is so now. Nothing new can be said while it is held.
    #[must_use]
    pub fn borrow(&self) -> Latest<'_, T> {
        Latest(self.shared.read())
    }

    /// What is so now counts as seen.
    #[must_use]
    pub fn subscribe(&self) -> Receiver<T> {
        Receiver { shared: Arc::clone(&self.shared), seen: self.shared.read().version }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        self.shared.changed.notify_waiters();
    }
}

/// Sees what is so now, and waits for what comes next. A clone has seen what its original had.
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    seen: u64,
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), seen: self.seen }
    }
}

impl<T> Receiver<T> {
    /// What is so now. Nothing new can be said while it is held: drop it before anything waits.
    #[must_use]
    pub fn borrow(&self) -> Latest<'_, T> {
        Latest(self.shared.read())
    }

    /// What is so now, which counts as seen from here on.
    #[must_use]
    pub fn borrow_and_update(&mut self) -> Latest<'_, T> {
        let told = self.shared.read();
        self.seen = told.version;
        Latest(told)
    }

    /// Lets what is so now count as seen.
    pub fn mark_unchanged(&mut self) {
        self.seen = self.shared.read().version;
    }

    /// Lets what is so now count as not seen yet.
    pub fn mark_changed(&mut self) {
        self.seen = self.shared.read().version.wrapping_sub(1);
    }

    /// Waits until there is something that was not seen yet, which then counts as seen. Cancelled, it has seen nothing.
    ///
    /// # Errors
    /// [`Ended`]: there is nothing new, and never will be.
    pub async fn changed(&mut self) -> Result<(), Ended> {
        self.wait_until(|_, is_new| is_new).await
    }

    /// Waits until `holds` of what is so, which it may be already, and which then counts as seen.
    ///
    /// # Errors
    /// [`Ended`]: it does not, and never will.
    pub async fn wait_for(&mut self, mut holds: impl FnMut(&T) -> bool) -> Result<(), Ended> {
        self.wait_until(|value, _| holds(value)).await
    }

    async fn wait_until(&mut self, mut enough: impl FnMut(&T, bool) -> bool) -> Result<(), Ended> {
        loop {
            // Begun before looking, so that what is said between the look and the wait is not missed.
            let next = self.shared.changed.notified();
            let ended = self.shared.ended.load(Ordering::Acquire);
            {
                let told = self.shared.read();
                if enough(&told.value, told.version != self.seen) {
                    self.seen = told.version;
                    return Ok(());
                }
            }
            if ended {
                return Err(Ended);
            }
            next.await;
        }
    }
}

/// What is so now, for as long as this is held.
pub struct Latest<'r, T>(RwLockReadGuard<'r, Told<T>>);

impl<T> Deref for Latest<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn those_who_wait_are_woken_in_the_order_in_which_they_began() {
        let (sender, receiver) = channel(0);
        let woken = Arc::new(Mutex::new(Vec::new()));
        let mut waiting = tokio::task::JoinSet::new();
        for number in 0..32 {
            let (mut receiver, woken) = (receiver.clone(), Arc::clone(&woken));
            waiting.spawn(async move {
                receiver.changed().await.expect("something is said");
                woken.lock().expect("no test panics here").push(number);
            });
        }
        tokio::task::yield_now().await;
        sender.send_modify(|value| *value += 1);
        waiting.join_all().await;
        assert_eq!(*woken.lock().expect("no test panics here"), (0..32).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn what_is_said_is_seen_once_and_the_latest_of_it() {
        let (sender, mut receiver) = channel("first");
        assert_eq!(receiver.changed().now_or_never(), None, "what it begins with counts as seen");
        assert_eq!(sender.send_replace("second"), "first");
        assert_eq!(sender.send_replace("third"), "second");
        assert_eq!(receiver.changed().now_or_never(), Some(Ok(())));
        assert_eq!(*receiver.borrow(), "third");
        assert_eq!(receiver.changed().now_or_never(), None, "it was seen");
        assert_eq!(sender.subscribe().changed().now_or_never(), None, "whoever comes later has seen it");
        receiver.mark_changed();
        assert_eq!(receiver.changed().now_or_never(), Some(Ok(())));
        assert!(!sender.send_if_modified(|_| false));
        assert_eq!(receiver.changed().now_or_never(), None, "nothing was changed");
        sender.send_modify(|value| *value = "fourth");
        assert_eq!(*receiver.borrow_and_update(), "fourth");
        assert_eq!(receiver.changed().now_or_never(), None, "it was looked at");
    }

    #[tokio::test]
    async fn the_last_word_is_heard_before_the_end() {
        let (sender, mut receiver) = channel(0);
        sender.send_replace(1);
        drop(sender);
        assert_eq!(receiver.wait_for(|value| *value == 1).now_or_never(), Some(Ok(())));
        assert_eq!(receiver.changed().now_or_never(), Some(Err(Ended)));
        assert_eq!(receiver.wait_for(|value| *value == 2).now_or_never(), Some(Err(Ended)));
    }

    #[tokio::test]
    async fn whoever_waits_hears_of_the_end() {
        let (sender, mut receiver) = channel(0);
        let waiting = tokio::spawn(async move { receiver.changed().await });
        tokio::task::yield_now().await;
        drop(sender);
        assert_eq!(waiting.await.expect("no panic"), Err(Ended));
    }
}
