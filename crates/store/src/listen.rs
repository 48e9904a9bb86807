//! Listeners: named places in the order of acceptance, for programs that fetch events instead of being sent them.
//!
//! A listener owes nobody a delivery: it is one row that moves, however many events wait behind it.

use std::time::Duration;

use domain::{ListenerName, Tenant, Timestamp};

use crate::Verb;
use crate::read::{EventFilter, Position};

/// A listener that nobody listened to for so long is forgotten: half as long as events are kept by default, so that a
/// holiday loses nothing and the names of the past do not pile up. Pruning sees to it.
pub const IDLE_MAX: Duration = Duration::from_secs(14 * 24 * 60 * 60);

#[derive(Clone, Debug, PartialEq)]
pub struct Listener {
    pub tenant: Tenant,
    pub name: ListenerName,
    /// What it hears of.
    pub filter: EventFilter,
    /// What was handled: it goes on after this one.
    pub position: Position,
    /// Counts who took it over: only the newest may move it.
    pub generation: u64,
    pub created_at: Timestamp,
    /// When it was last listened to.
    pub seen_at: Timestamp,
}

pub trait Listen: Send + Sync + 'static {
    /// Makes a listener, or takes one over: what it hears of is replaced, where it stands stays, and its generation
    /// grows. Gives it as it is now.
    fn open_listener(&self, listener: Listener) -> Verb<'_, Listener>;

    /// By their names.
    fn listeners(&self, tenant: Tenant) -> Verb<'_, Vec<Listener>>;

    fn listener(&self, tenant: Tenant, name: ListenerName) -> Verb<'_, Option<Listener>>;

    /// Says that it is listened to, and moves it where a position is given. Gives whether that generation still has
    /// it: otherwise nothing is changed.
    fn move_listener(
        &self,
        tenant: Tenant,
        name: ListenerName,
        generation: u64,
        position: Option<Position>,
        now: Timestamp,
    ) -> Verb<'_, bool>;

    /// Gives whether there was one.
    fn forget_listener(&self, tenant: Tenant, name: ListenerName) -> Verb<'_, bool>;
}
