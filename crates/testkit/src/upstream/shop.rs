//! The shop itself: lets its story happen up to the moment at which somebody looks, and remembers all of it. No sockets,
//! no clock: the same story, questions and times lead to the same answers.

use std::time::Duration;

use domain::Timestamp;

use super::habits::Habits;
use super::hooks::{Emission, Hook, Hooks, Subscription};
use super::ledger::Ledger;
use super::script::{Act, Deed, Script};
use super::truth::{Object, ShopClock, Truth};
use crate::simulation::Dice;

pub struct Shop {
    pub(super) habits: Habits,
    script: Script,
    opened_at: Timestamp,
    /// How much of the script has happened.
    told: usize,
    pub(super) truth: Truth,
    pub(super) ledger: Ledger,
    pub(super) hooks: Hooks,
    pub(super) dice: Dice,
    pub(super) healed: bool,
    pub(super) refuses_subscriptions: bool,
    pub(super) loses_next_creation: bool,
    pub(super) closed: bool,
    pub(super) doubled: Vec<String>,
}

impl Shop {
    #[must_use]
    pub fn new(seed: u64, habits: Habits, script: Script, opened_at: Timestamp) -> Self {
        Self {
            habits,
            script,
            opened_at,
            told: 0,
            truth: Truth::default(),
            ledger: Ledger::default(),
            hooks: Hooks::default(),
            dice: Dice::new(seed ^ 0x0057_0BE5),
            healed: false,
            refuses_subscriptions: false,
            loses_next_creation: false,
            closed: false,
            doubled: Vec::new(),
        }
    }

    #[must_use]
    pub fn habits(&self) -> &Habits {
        &self.habits
    }

    #[must_use]
    pub fn truth(&self) -> &Truth {
        &self.truth
    }

    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    #[must_use]
    pub fn emissions(&self) -> &[Emission] {
        &self.hooks.emissions
    }

    #[must_use]
    pub fn subscriptions(&self) -> &[Subscription] {
        &self.hooks.subscriptions
    }

    /// The key that opens an account.
    #[must_use]
    pub fn key_of(account: &str) -> String {
        format!("key-{account}")
    }

    /// From now on nothing goes wrong: no fault, no webhook lost, late or twice.
    pub fn heal(&mut self) {
        self.healed = true;
    }

    /// Whoever asks from now on is another process than the one before: it may not know what that one was told.
    pub fn next_life(&mut self) {
        self.ledger.next_life();
    }

    /// Whoever receives webhooks is gone: none of those under way will be answered.
    pub fn hooks_broken_off(&mut self, now: Timestamp) {
        self.hooks.broken_off(&self.habits.hooks, now);
    }

    /// Whether the whole story was told.
    #[must_use]
    pub fn is_told(&self) -> bool {
        self.told == self.script.deeds().len()
    }

    /// Whether the whole story was told, and every webhook of it has come to its end.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.is_told() && self.hooks.is_quiet()
    }

    /// Subscribes somebody who never asked through the API, as its owner does by hand.
    pub fn listen(&mut self, account: usize, url: &str, secret: &str) {
        self.hooks.subscribe(account, url, Some(secret.to_owned()));
    }

    /// Subscriptions that were asked for although there was one for the same account and address.
    #[must_use]
    pub fn doubled(&self) -> &[String] {
        &self.doubled
    }

    /// From now on nobody may subscribe, or everybody again.
    pub fn refuse_subscriptions(&mut self, refuses: bool) {
        self.refuses_subscriptions = refuses;
    }

    /// The next subscription is made, and whoever asked for it never hears of it.
    pub fn lose_next_creation(&mut self) {
        self.loses_next_creation = true;
    }

    /// From now on it answers nothing but that it is closed, or opens again.
    pub fn close(&mut self, closed: bool) {
        self.closed = closed;
    }

    /// The shop stops sending by all subscriptions of an account.
    pub fn disable_subscriptions(&mut self, account: usize) {
        self.hooks.disable(account);
    }

    /// Somebody removes one subscription.
    pub fn drop_subscription(&mut self, account: usize, id: &str) {
        self.hooks.unsubscribe(account, id);
    }

    /// Somebody removes all subscriptions of an account.
    pub fn drop_subscriptions(&mut self, account: usize) {
        self.hooks.drop_all(account);
    }

    /// Something happens now that the story did not foresee.
    pub fn act(&mut self, account: usize, object: Object, id: u64, act: Act, now: Timestamp) {
        self.happens(&Deed { after: Duration::ZERO, account, object, id, act }, now);
    }

    /// Lets everything happen that is due by now.
    pub fn advance(&mut self, now: Timestamp) {
        self.hooks.expire(now);
        while let Some(deed) = self.script.deeds().get(self.told).cloned() {
            let at = self.opened_at + deed.after;
            if at > now {
                break;
            }
            self.told += 1;
            self.happens(&deed, at);
        }
    }

    /// When there is something to do next although nobody asks: a deed that may be told, or a webhook to send.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        let deed = self.script.deeds().get(self.told).map(|deed| self.opened_at + deed.after);
        [deed, self.hooks.next_due()].into_iter().flatten().min()
    }

    /// The webhooks that are to be sent now.
    pub fn due(&mut self, now: Timestamp) -> Vec<Hook> {
        self.advance(now);
        self.hooks.due(now)
    }

    /// What sending a webhook came to; `None`: there was no answer.
    pub fn told(&mut self, hook: usize, status: Option<u16>, now: Timestamp) {
        self.hooks.told(hook, status, &self.habits.hooks, now);
    }

    /// The answer to a visit has reached the one who asked.
    pub fn went(&mut self, visit: usize, now: Timestamp) {
        self.ledger.went(visit, now);
    }

    fn happens(&mut self, deed: &Deed, at: Timestamp) {
        let clock = ShopClock { skew_micros: self.habits.skew_micros, precision: self.habits.precision };
        let state = match deed.act {
            Act::Create(state) | Act::Change(state) => Some(state),
            Act::Delete => None,
            Act::DisableHooks => return self.hooks.disable(deed.account),
            Act::DropHooks => return self.hooks.drop_all(deed.account),
        };
        let Some(change) = self.truth.happened(at, (deed.account, deed.object, deed.id), state, clock) else { return };
        if !self.habits.hooks.tells(change.object) {
            return;
        }
        let habits = if self.healed { self.habits.hooks.faultless() } else { self.habits.hooks };
        let topic = format!("{}.{}", change.object.singular(), change.action.as_str());
        self.hooks.tell(change, &topic, &habits, &mut self.dice);
        if change.object == Object::Orders && !change.is_deleted() && self.dice.percent(habits.second_topic) {
            self.hooks.tell(change, SECOND_TOPIC, &habits, &mut self.dice);
        }
    }
}

/// What is told besides of some changes: a fact of its own, about the same version.
pub(super) const SECOND_TOPIC: &str = "order.noticed";
