//! Names to addresses. What comes out is judged by the dialler; nothing here is trusted or remembered.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use tokio::sync::Semaphore;

/// How many lookups run at once. Each holds a thread for as long as the name server is silent, so destinations
/// with dead name servers must not take the whole blocking pool.
const LOOKUPS_MAX: usize = 64;

/// The addresses of a name, or why there are none, in words.
pub type Answer = Result<Vec<IpAddr>, String>;

/// Where names are looked up. A test can give another answer each time.
pub trait Resolver: Send + Sync + 'static {
    fn resolve(&self, name: &str) -> BoxFuture<'static, Answer>;
}

type Flight = Shared<BoxFuture<'static, Answer>>;

/// The operating system's resolver. Dials of one name at the same time share one lookup; none is kept.
#[derive(Clone)]
pub struct SystemResolver {
    permits: Arc<Semaphore>,
    flights: Arc<Mutex<HashMap<Box<str>, Flight>>>,
}

impl SystemResolver {
    #[must_use]
    pub fn new() -> Self {
        Self { permits: Arc::new(Semaphore::new(LOOKUPS_MAX)), flights: Arc::default() }
    }

    /// Runs as a task of its own: a dial that gives up leaves the lookup to finish and to clear its entry.
    fn start(&self, name: Box<str>) -> Flight {
        let (permits, flights) = (Arc::clone(&self.permits), Arc::clone(&self.flights));
        let task = tokio::spawn(async move {
            let answer = look_up(permits, name.clone()).await;
            flights.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
            answer
        });
        task.map(|joined| joined.unwrap_or_else(|error| Err(error.to_string()))).boxed().shared()
    }
}

impl Default for SystemResolver {
    fn default() -> Self {
        Self::new()
    }
}

impl Resolver for SystemResolver {
    fn resolve(&self, name: &str) -> BoxFuture<'static, Answer> {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        let flight = match flights.get(name) {
            Some(flight) => flight.clone(),
            None => {
                let flight = self.start(name.into());
                flights.insert(name.into(), flight.clone());
                flight
            }
        };
        flight.boxed()
    }
}

async fn look_up(permits: Arc<Semaphore>, name: Box<str>) -> Answer {
    let permit = permits.acquire_owned().await.map_err(|error| error.to_string())?;
    let asked = tokio::task::spawn_blocking(move || {
        let answer = (&*name, 0).to_socket_addrs().map(|found| found.map(|address| address.ip()).collect());
        drop(permit);
        answer
    });
    asked.await.map_err(io::Error::other).and_then(|answer| answer).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_of_this_machine_is_found_and_lookups_leave_nothing_behind() {
        let resolver = SystemResolver::new();
        let (first, second) = tokio::join!(resolver.resolve("localhost"), resolver.resolve("localhost"));
        assert!(first.as_ref().is_ok_and(|found| found.iter().all(IpAddr::is_loopback)), "{first:?}");
        assert_eq!(first, second);
        assert!(resolver.flights.lock().expect("no panic").is_empty());
    }

    #[tokio::test]
    async fn a_name_that_cannot_exist_is_an_error_in_words() {
        // Refused before any name server is asked.
        let answer = SystemResolver::new().resolve("a\0b").await;
        assert!(answer.is_err_and(|words| !words.is_empty()));
    }
}
