//! Taking in a value, and saying what was new about it.

use serde_json::{Map, Value};

use super::change::{Change, Changed, Found};
use super::{DEPTH_MAX, EXAMPLE_MAX, Field, ITEMS_MAX, Kind, NAME_MAX, PLACES_MAX, Shape, TRUSTED_AFTER};

/// An object with fewer different keys is never a map.
const MAP_KEYS_MIN: usize = 24;
/// A key that fewer than one in so many objects have is data rather than a name.
const RARE_SHARE: u64 = 20;
/// How unlikely it must be by what was learned that a field is missing by chance: one in about 10⁹, as a natural
/// logarithm.
const LOST_SURPRISE: f64 = 20.7;
/// However sure it is: events of one kind come in bursts, and a burst may have its own habits.
const LOST_AFTER: u64 = 20;

impl Shape {
    /// Takes in a value; gives what was new about it. A shape that has seen little finds nothing new.
    pub fn learn(&mut self, value: &Value) -> Vec<Found> {
        let mut news = News { found: Vec::new(), room: PLACES_MAX.saturating_sub(self.places()) };
        self.take(value, &Path::ROOT, &mut news);
        news.found
    }

    fn take(&mut self, value: &Value, path: &Path<'_>, news: &mut News) {
        let (kind, before) = (Kind::of(value), self.seen());
        if before >= TRUSTED_AFTER && !self.knows(kind) {
            let before = self.kinds.keys().copied().collect();
            news.tell(path, Changed::KindAdded { kind, before }, Some(value));
        }
        let of_kind = self.count(kind);
        *self.kinds.entry(kind).or_default() += 1;
        match value {
            Value::String(text) => {
                if let Some(changed) = self.texts.learn(text, of_kind) {
                    news.tell(path, changed, Some(value));
                }
            }
            Value::Array(items) => self.take_items(items, path, news),
            Value::Object(members) => self.take_members(members, of_kind, path, news),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// A whole number is nothing new where fractions come.
    fn knows(&self, kind: Kind) -> bool {
        self.count(kind) > 0 || (kind == Kind::Integer && self.count(Kind::Number) > 0)
    }

    fn take_items(&mut self, items: &[Value], path: &Path<'_>, news: &mut News) {
        if items.is_empty() {
            return;
        }
        if path.depth >= DEPTH_MAX || (self.items.is_none() && !news.has_room()) {
            self.partial = true;
            return;
        }
        let shape = self.items.get_or_insert_default();
        let path = path.to("*");
        items.iter().take(ITEMS_MAX).for_each(|item| shape.take(item, &path, news));
    }

    /// `before`: objects that were here before this one.
    fn take_members(&mut self, members: &Map<String, Value>, before: u64, path: &Path<'_>, news: &mut News) {
        if path.depth >= DEPTH_MAX {
            self.partial = true;
            return;
        }
        if let Some(entries) = &mut self.entries {
            let path = path.to("*");
            return members.values().for_each(|value| entries.take(value, &path, news));
        }
        let from = news.found.len();
        for (name, value) in members {
            self.take_member(name, value, before, path, news);
        }
        for (name, field) in self.fields.iter_mut().filter(|(name, _)| !members.contains_key(*name)) {
            if let Some(changed) = field.miss() {
                news.tell(&path.to(name), changed, None);
            }
        }
        if self.is_map(before + 1) {
            self.become_map();
            // That its keys are data is known only now: none of them was news.
            news.found.truncate(from);
        }
    }

    fn take_member(&mut self, name: &str, value: &Value, before: u64, path: &Path<'_>, news: &mut News) {
        if !self.fields.contains_key(name) {
            if name.len() > NAME_MAX || !news.has_room() {
                self.partial = true;
                return;
            }
            self.fields.insert(name.to_owned(), Field { optional: before > 0, ..Field::default() });
            if before >= TRUSTED_AFTER {
                news.tell(&path.to(name), Changed::FieldAdded { kind: Kind::of(value) }, Some(value));
            }
        }
        let Some(field) = self.fields.get_mut(name) else { return };
        let path = path.to(name);
        if field.meet() {
            news.tell(&path, Changed::FieldBack, Some(value));
        }
        field.shape.take(value, &path, news);
    }

    /// Many keys, most of which few objects have: they are data.
    fn is_map(&self, objects: u64) -> bool {
        let rare = |field: &&Field| field.present.saturating_mul(RARE_SHARE) <= objects;
        let one_of_a_kind = |field: &&Field| field.present <= 1;
        let keys = self.fields.len();
        keys > MAP_KEYS_MIN
            && (self.fields.values().filter(rare).count() * 2 > keys
                || (objects < TRUSTED_AFTER
                    && objects > 1
                    && self.fields.values().filter(one_of_a_kind).count() * 4 > keys * 3))
    }

    fn become_map(&mut self) {
        let mut entries = Self::default();
        for (_, field) in std::mem::take(&mut self.fields) {
            entries.merge(field.shape);
        }
        self.entries = Some(Box::new(entries));
    }

    /// What both had in common.
    fn merge(&mut self, other: Self) {
        for (kind, times) in other.kinds {
            *self.kinds.entry(kind).or_default() += times;
        }
        self.texts.merge(other.texts);
        merge_inner(&mut self.items, other.items);
        merge_inner(&mut self.entries, other.entries);
        self.partial |= other.partial;
        for (name, field) in std::mem::take(&mut self.fields) {
            let known = other.fields.contains_key(&name);
            self.fields.insert(name, Field { optional: field.optional || !known, ..field });
        }
        for (name, field) in other.fields {
            match self.fields.get_mut(&name) {
                Some(known) => known.merge(field),
                None => drop(self.fields.insert(name, Field { optional: true, ..field })),
            }
        }
    }
}

fn merge_inner(own: &mut Option<Box<Shape>>, other: Option<Box<Shape>>) {
    if let Some(other) = other {
        own.get_or_insert_default().merge(*other);
    }
}

impl Field {
    /// An object has it. Gives whether it was told gone.
    fn meet(&mut self) -> bool {
        self.present += 1;
        self.chances += 1;
        self.missing = 0;
        std::mem::take(&mut self.lost)
    }

    /// An object has it not.
    fn miss(&mut self) -> Option<Changed> {
        let was_trusted = self.present >= TRUSTED_AFTER;
        self.chances += 1;
        self.missing += 1;
        if self.lost || !was_trusted {
            self.optional = true;
            return None;
        }
        if self.missing >= LOST_AFTER && self.surprise() >= LOST_SURPRISE {
            self.lost = true;
            return Some(Changed::FieldLost);
        }
        (!std::mem::replace(&mut self.optional, true)).then_some(Changed::FieldOptional)
    }

    /// How unlikely it is that it was missing so often in a row by chance, as a negative natural logarithm.
    #[expect(clippy::cast_precision_loss, reason = "counts of values are far below 2^52")]
    fn surprise(&self) -> f64 {
        let before = (self.chances - self.missing) as f64;
        // One absence more than was seen: what never happened may still happen.
        let share_missing = (before - self.present as f64 + 1.0) / (before + 1.0);
        -share_missing.ln() * self.missing as f64
    }

    fn merge(&mut self, other: Self) {
        self.shape.merge(other.shape);
        self.present += other.present;
        self.chances += other.chances;
        self.optional |= other.optional;
        self.missing = self.missing.min(other.missing);
        self.lost &= other.lost;
    }
}

/// What was found new about one value, and how many more places may be remembered.
struct News {
    found: Vec<Found>,
    room: usize,
}

impl News {
    /// `value`: what is new there, unless something is gone.
    fn tell(&mut self, path: &Path<'_>, what: Changed, value: Option<&Value>) {
        let example = value.map(beginning).unwrap_or_default();
        self.found.push(Found { change: Change { at: path.pointer(), what }, example });
    }

    fn has_room(&mut self) -> bool {
        let has_room = self.room > 0;
        self.room = self.room.saturating_sub(1);
        has_room
    }
}

/// The first [`EXAMPLE_MAX`] bytes of a value as JSON, or less where a character ends there.
fn beginning(value: &Value) -> String {
    let mut text = value.to_string();
    if text.len() > EXAMPLE_MAX {
        text.truncate(text.floor_char_boundary(EXAMPLE_MAX));
        text.push('…');
    }
    text
}

/// Where in a value we are.
struct Path<'a> {
    above: Option<&'a Path<'a>>,
    name: &'a str,
    depth: usize,
}

impl<'a> Path<'a> {
    const ROOT: Path<'static> = Path { above: None, name: "", depth: 0 };

    fn to(&'a self, name: &'a str) -> Path<'a> {
        Path { above: Some(self), name, depth: self.depth + 1 }
    }

    fn pointer(&self) -> String {
        let Some(above) = self.above else { return String::new() };
        let name = self.name.replace('~', "~0").replace('/', "~1");
        format!("{}/{name}", above.pointer())
    }
}

#[cfg(test)]
mod tests;
