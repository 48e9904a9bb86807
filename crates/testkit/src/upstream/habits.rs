//! How a shop behaves, whatever happens in it: what its lists are like, what it allows, and how often it fails.

use std::time::Duration;

use super::truth::Object;
use crate::simulation::Dice;

/// Everything about a shop but its story.
#[derive(Clone, Debug, PartialEq)]
pub struct Habits {
    /// Names of the accounts; the key of `acme` is `key-acme`.
    pub accounts: Vec<String>,
    pub page_size: usize,
    pub paging: Paging,
    pub bound: Bound,
    /// Of the times that its records show: two changes within it have one version.
    pub precision: Duration,
    /// How far its clock is from ours, in microseconds; negative: behind.
    pub skew_micros: i64,
    /// How it tells that an order is gone.
    pub deletes: Deletes,
    /// What asking for a deleted record is answered: 404 or 410.
    pub gone: u16,
    /// Answers with an ETag, and with 304 to the one who has it.
    pub conditional: bool,
    /// What it answers with 304 does not count for its limit.
    pub free_unmodified: bool,
    pub limit: Option<Limit>,
    pub faults: Faults,
    pub hooks: HookHabits,
    pub subscriptions: SubscriptionHabits,
}

/// How the next page is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paging {
    /// A token in the body.
    Token,
    /// A `Link` header.
    Link,
}

/// Whether a record of exactly the time asked for is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    Inclusive,
    Exclusive,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletes {
    /// It stays in the lists, with `deleted_at`.
    Tombstone,
    /// It vanishes, and `/deleted/orders` says so.
    Feed,
    /// It vanishes.
    Absence,
}

/// Requests that are allowed in any span of a length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    pub requests: usize,
    pub per: Duration,
    /// All accounts together; else each for itself.
    pub shared: bool,
}

/// Of a hundred answers, how many go wrong in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// 500.
    pub errors: u64,
    /// 429 although nothing was exceeded: somebody else used it up.
    pub busy: u64,
    /// 200, and JSON that ends half-way.
    pub truncated: u64,
    /// 200, and an error where the data should be.
    pub apologies: u64,
    /// The connection breaks within the body.
    pub cut: u64,
    /// Nothing comes at all.
    pub silent: u64,
    /// The answer comes from a replica that is behind.
    pub lagging: u64,
    /// By at most this.
    pub lag_max: Duration,
}

/// Of a hundred webhooks, how many fare how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HookHabits {
    pub lost: u64,
    pub doubled: u64,
    pub delayed: u64,
    pub delay_max: Duration,
    /// There are some of customers too, which have no version: what comes late cannot be told from what is new.
    pub customers: bool,
    /// They say which record changed, and nothing else of it.
    pub thin: bool,
    /// Of a hundred changes of an order, how many are told under a second topic too.
    pub second_topic: u64,
    /// Tries of one webhook that is not acknowledged.
    pub tries_max: u32,
    pub retry_after: Duration,
}

/// How it is subscribed to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionHabits {
    pub secret: SecretWay,
    /// A subscription that nobody prolongs ends after this.
    pub expire_after: Option<Duration>,
    /// Each object has to be subscribed to by itself.
    pub by_object: bool,
}

/// Who makes the secret that signs, and how its subscriber has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecretWay {
    /// The shop, which says it in the answer.
    #[default]
    Answered,
    /// Whoever subscribes.
    Given,
    /// The shop, which says it to whoever asks.
    Asked,
    /// The shop, once for the app that asks: its owner reads it there, and no answer has it.
    App,
}

/// The secret of the app, where there is one.
pub const APP_SECRET: &str = "whsec_YXBwLXNlY3JldC1vZi10aGUtc2NyaXB0ZWQtc2hvcA==";

impl Default for Habits {
    /// A shop that does everything well.
    fn default() -> Self {
        Self {
            accounts: vec!["acme".to_owned()],
            page_size: 10,
            paging: Paging::Token,
            bound: Bound::Inclusive,
            precision: Duration::from_micros(1),
            skew_micros: 0,
            deletes: Deletes::Tombstone,
            gone: 404,
            conditional: true,
            free_unmodified: false,
            limit: None,
            faults: Faults::default(),
            hooks: HookHabits::default(),
            subscriptions: SubscriptionHabits::default(),
        }
    }
}

impl Default for HookHabits {
    fn default() -> Self {
        Self {
            lost: 0,
            doubled: 0,
            delayed: 0,
            delay_max: Duration::from_secs(60),
            customers: false,
            thin: false,
            second_topic: 0,
            tries_max: 8,
            retry_after: Duration::from_secs(20),
        }
    }
}

impl Habits {
    /// A shop as a seed has it: anything, together.
    #[must_use]
    pub fn of_seed(seed: u64) -> Self {
        let mut dice = Dice::new(seed ^ 0x5110);
        let accounts =
            ["acme", "blue"][..1 + usize::from(dice.percent(30))].iter().map(|&name| name.to_owned()).collect();
        let precisions = [Duration::from_micros(1), Duration::from_millis(1), Duration::from_secs(1)];
        Self {
            accounts,
            page_size: 2 + dice.below(8) as usize,
            paging: [Paging::Token, Paging::Link][dice.below(2) as usize],
            bound: [Bound::Inclusive, Bound::Exclusive][dice.below(2) as usize],
            precision: precisions[dice.below(3) as usize],
            skew_micros: if dice.percent(50) { 0 } else { signed(dice.below(4_000_000)) },
            deletes: [Deletes::Tombstone, Deletes::Feed, Deletes::Absence][dice.below(3) as usize],
            gone: [404, 410][dice.below(2) as usize],
            conditional: dice.percent(50),
            free_unmodified: Dice::new(seed ^ 0x0304).percent(50),
            limit: dice.percent(60).then(|| Limit {
                requests: 40 + dice.below(80) as usize,
                per: Duration::from_secs(60),
                shared: dice.percent(50),
            }),
            faults: Faults::of_dice(&mut dice),
            hooks: HookHabits::of_dice(&mut dice),
            subscriptions: SubscriptionHabits::default(),
        }
    }
}

/// A number below `range`, shifted to lie evenly around zero.
fn signed(below: u64) -> i64 {
    i64::try_from(below).unwrap_or(0) - 2_000_000
}

impl Faults {
    fn of_dice(dice: &mut Dice) -> Self {
        if dice.percent(30) {
            return Self::default();
        }
        let lag_max = Duration::from_millis(dice.below(4_000));
        Self {
            errors: dice.below(8),
            busy: dice.below(4),
            truncated: dice.below(5),
            apologies: dice.below(5),
            cut: dice.below(5),
            silent: dice.below(3),
            lagging: dice.below(60),
            lag_max,
        }
    }
}

impl HookHabits {
    /// Whether there are any of this object.
    pub(super) fn tells(&self, object: Object) -> bool {
        object == Object::Orders || self.customers
    }

    /// As they are once the shop is healed.
    pub(super) fn faultless(self) -> Self {
        Self { lost: 0, doubled: 0, delayed: 0, ..self }
    }

    fn of_dice(dice: &mut Dice) -> Self {
        Self {
            lost: dice.below(40),
            doubled: dice.below(40),
            delayed: dice.below(60),
            delay_max: Duration::from_secs(1 + dice.below(90)),
            thin: dice.percent(30),
            second_topic: dice.below(40),
            ..Self::default()
        }
    }
}
