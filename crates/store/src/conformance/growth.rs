//! A store that has grown: what lies in it, by number, so that each store's own bulk fill and the questions that are
//! asked of it speak of the same rows. It holds no code of a store.

use std::time::Duration;

use domain::Timestamp;
use uuid::Uuid;

/// When the first event was received, unless a test says otherwise.
const BEGIN: Timestamp = Timestamp::from_secs(1_800_000_000);
pub const SOURCES: u64 = 7;
/// Connections of each source; the last source has [`CONNECTIONS_MANY`].
pub const CONNECTIONS: u64 = 3;
/// More than a list reads side by side.
pub const CONNECTIONS_MANY: u64 = 100;
pub const DESTINATIONS: u64 = 10;
/// Events of one subject.
pub const EVENTS_PER_SUBJECT: u64 = 100;
/// Connections that were polled, each with a whole ring of calls in a large enough store.
pub const POLLED: u64 = 50;
pub const LISTENERS: u64 = 20;
/// Events for each row of what there is less of: requests that were kept, calls, runs, alerts and their messages,
/// what people did.
pub const EVENTS_PER_OTHER: u64 = 10;
/// Most of those that do not grow with the events: they are trimmed, or few by nature.
pub const OTHERS_MAX: u64 = 10_000;

/// Of a thousand deliveries in a row the first few are not delivered: which ones, and how many.
pub const PENDING: std::ops::Range<u64> = 0..2;
pub const RETRYING: std::ops::Range<u64> = 2..3;
pub const HELD: std::ops::Range<u64> = 3..5;
pub const FILTERED: std::ops::Range<u64> = 5..10;
pub const DEAD: std::ops::Range<u64> = 10..15;
pub const CANCELLED: std::ops::Range<u64> = 15..16;
/// Delivered by the replay of number 0.
pub const REPLAYED: std::ops::Range<u64> = 20..30;

/// How much there is.
#[derive(Clone, Copy, Debug)]
pub struct Growth {
    /// When the first event was received.
    pub begin: Timestamp,
    pub events: u64,
    /// The time over which they came, evenly.
    pub days: u32,
    pub payload_bytes: u32,
}

/// What an id is of: it is part of the id.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub enum Kind {
    Event = 1,
    Delivery = 2,
    Request = 3,
    Run = 4,
    Attempt = 5,
    Replay = 6,
    Alert = 7,
}

impl Growth {
    /// What `make test` looks at: small enough to fill in seconds, large enough that a scan is told from a look-up.
    #[must_use]
    pub const fn tested() -> Self {
        Self { begin: BEGIN, events: 100_000, days: 3, payload_bytes: 300 }
    }

    /// What `make soak` looks at, unless it is told otherwise.
    #[must_use]
    pub const fn soaked(events: u64) -> Self {
        Self { begin: BEGIN, events, days: 30, payload_bytes: 300 }
    }

    /// Microseconds from one event to the next.
    #[must_use]
    pub const fn step_us(&self) -> u64 {
        let step = self.days as u64 * 24 * 60 * 60 * 1_000_000 / self.events;
        if step == 0 { 1 } else { step }
    }

    #[must_use]
    pub fn at(&self, number: u64) -> Timestamp {
        self.begin + Duration::from_micros(number * self.step_us())
    }

    #[must_use]
    pub fn id(&self, kind: Kind, number: u64) -> Uuid {
        let millis = u128::try_from(self.at(number).as_millis()).unwrap_or(0);
        Uuid::from_u128(millis << 80 | u128::from(0x7000_8000 | kind as u32) << 48 | u128::from(number))
    }

    #[must_use]
    pub fn subjects(&self) -> u64 {
        (self.events / EVENTS_PER_SUBJECT).max(1)
    }

    /// How many calls, runs and alerts there are, each.
    #[must_use]
    pub fn others(&self) -> u64 {
        (self.events / EVENTS_PER_OTHER).clamp(1, OTHERS_MAX)
    }

    /// The text of a bulk fill with its numbers filled in, for the events from one number to another.
    ///
    /// # Panics
    /// If a place was left open: the fill would be of something else.
    #[must_use]
    pub fn fill(&self, template: &str, from: u64, to: u64) -> String {
        let shares = [
            ("pending", PENDING),
            ("retrying", RETRYING),
            ("held", HELD),
            ("filtered", FILTERED),
            ("dead", DEAD),
            ("cancelled", CANCELLED),
            ("replayed", REPLAYED),
        ];
        let mut text = template.to_owned();
        for (name, share) in shares {
            text = text.replace(&format!("@{name}@"), &format!("BETWEEN {} AND {}", share.start, share.end - 1));
        }
        let numbers = [
            ("from", from),
            ("to", to),
            ("last", self.events - 1),
            ("begin_us", u64::try_from(self.begin.as_micros()).unwrap_or(0)),
            ("step_us", self.step_us()),
            ("payload_bytes", u64::from(self.payload_bytes)),
            ("subjects", self.subjects()),
            ("others", self.others()),
            ("sources", SOURCES),
            ("connections", CONNECTIONS),
            ("connections_many", CONNECTIONS_MANY),
            ("destinations", DESTINATIONS),
            ("polled", POLLED),
            ("listeners", LISTENERS),
            ("per_other", EVENTS_PER_OTHER),
        ];
        for (name, number) in numbers {
            text = text.replace(&format!("@{name}@"), &number.to_string());
        }
        assert!(!text.contains('@'), "a place was left open: {text}");
        text
    }
}

/// The connection of the event of a number, as the fills have it.
#[must_use]
pub const fn connection_of(number: u64) -> u64 {
    let nth = number / SOURCES;
    if number % SOURCES == SOURCES - 1 { nth % CONNECTIONS_MANY } else { nth % CONNECTIONS }
}
