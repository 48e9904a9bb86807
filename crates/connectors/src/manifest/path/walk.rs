//! Walking a document along the steps of a path. The depth is bounded by that of the document, which was bounded when it
//! was read.

use serde_json::{Map, Value as Json};

use super::glob::Step;
use super::{Blocked, STEPS_MAX};

/// Longest list that setting an element makes: a path is written in a manifest, so a longer one is a mistake.
const LIST_ITEMS_MAX: usize = 10_000;

/// The value at a path that leads to one value at most. `None` if it might lead to more.
pub(super) fn straight<'a>(json: &'a Json, steps: &[Step]) -> Option<Option<&'a Json>> {
    let mut at = Some(json);
    for step in steps {
        if !matches!(step, Step::Name(..) | Step::Index(_) | Step::Nothing) {
            return None;
        }
        at = at.and_then(|json| match (json, step) {
            (Json::Object(fields), Step::Name(name, _)) => fields.get(&**name),
            (Json::Array(items), step) => step.index(items.len()).and_then(|index| items.get(index)),
            _ => None,
        });
    }
    Some(at)
}

pub(super) fn straight_mut<'a>(json: &'a mut Json, steps: &[Step]) -> Option<Option<&'a mut Json>> {
    let mut at = Some(json);
    for step in steps {
        if !matches!(step, Step::Name(..) | Step::Index(_) | Step::Nothing) {
            return None;
        }
        at = at.and_then(|json| match (json, step) {
            (Json::Object(fields), Step::Name(name, _)) => fields.get_mut(&**name),
            (Json::Array(items), step) => step.index(items.len()).and_then(|index| items.get_mut(index)),
            _ => None,
        });
    }
    Some(at)
}

pub(super) fn all<'a>(json: &'a Json, steps: &[Step]) -> Vec<&'a Json> {
    let mut found = Vec::new();
    if steps.iter().any(Step::is_deep) {
        deep(json, &mut Vec::new(), steps, &mut found);
    } else if !steps.is_empty() {
        shallow(json, steps, &mut found);
    }
    found
}

/// Where every value is as deep as there are steps.
fn shallow<'a>(json: &'a Json, steps: &[Step], found: &mut Vec<&'a Json>) {
    let [step, rest @ ..] = steps else {
        found.push(json);
        return;
    };
    match json {
        Json::Object(fields) => match step.name() {
            Some(name) => fields.get(name).into_iter().for_each(|value| shallow(value, rest, found)),
            None => {
                let matching = fields.iter().filter(|(key, _)| step.matches_key(key));
                matching.for_each(|(_, value)| shallow(value, rest, found));
            }
        },
        Json::Array(items) => {
            let matching = items.iter().enumerate().filter(|(index, _)| step.matches_index(*index, items.len()));
            matching.for_each(|(_, value)| shallow(value, rest, found));
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

pub(super) fn each_mut(json: &mut Json, steps: &[Step], each: &mut dyn FnMut(&mut Json)) {
    let [step, rest @ ..] = steps else {
        each(json);
        return;
    };
    match json {
        Json::Object(fields) => match step.name() {
            Some(name) => fields.get_mut(name).into_iter().for_each(|value| each_mut(value, rest, each)),
            None => {
                let matching = fields.iter_mut().filter(|(key, _)| step.matches_key(key));
                matching.for_each(|(_, value)| each_mut(value, rest, each));
            }
        },
        Json::Array(items) => {
            let length = items.len();
            let matching = items.iter_mut().enumerate().filter(|(index, _)| step.matches_index(*index, length));
            matching.for_each(|(_, value)| each_mut(value, rest, each));
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

/// A key or an index with the length of its list.
#[derive(Clone, Copy)]
enum Place<'a> {
    Key(&'a str),
    Index(usize, usize),
}

impl Place<'_> {
    fn is_matched(self, step: &Step) -> bool {
        match self {
            Self::Key(key) => step.matches_key(key),
            Self::Index(index, length) => step.matches_index(index, length),
        }
    }
}

/// Whether a place in the document is one that the path leads to. The path has one step that stands for any number.
fn leads(places: &[Place<'_>], steps: &[Step]) -> bool {
    let Some(at) = steps.iter().position(Step::is_deep) else {
        return places.len() == steps.len() && places.iter().zip(steps).all(|(place, step)| place.is_matched(step));
    };
    let (before, after) = (&steps[..at], &steps[at + 1..]);
    if after.iter().any(Step::is_deep) || places.len() < before.len() + after.len() {
        return false;
    }
    let (head, tail) = (&places[..before.len()], &places[places.len() - after.len()..]);
    head.iter().zip(before).chain(tail.iter().zip(after)).all(|(place, step)| place.is_matched(step))
}

/// Every place of the document: first all that is directly in a value, then what is in each of these.
fn deep<'a>(json: &'a Json, places: &mut Vec<Place<'a>>, steps: &[Step], found: &mut Vec<&'a Json>) {
    if places.len() == STEPS_MAX {
        return;
    }
    let children: Vec<(Place<'a>, &'a Json)> = match json {
        Json::Object(fields) => fields.iter().map(|(key, value)| (Place::Key(key), value)).collect(),
        Json::Array(items) => {
            items.iter().enumerate().map(|(index, value)| (Place::Index(index, items.len()), value)).collect()
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => return,
    };
    for (place, value) in &children {
        places.push(*place);
        if leads(places, steps) {
            found.push(value);
        }
        places.pop();
    }
    for (place, value) in children {
        places.push(place);
        deep(value, places, steps, found);
        places.pop();
    }
}

pub(super) fn remove(json: &mut Json, steps: &[Step], count: &mut usize) {
    match steps {
        [] => {}
        _ if steps.iter().any(Step::is_deep) => remove_deep(json, &mut Vec::new(), steps, count),
        [last] => match (&mut *json, last.name()) {
            (Json::Object(fields), Some(name)) => *count += usize::from(fields.shift_remove(name).is_some()),
            _ => *count += remove_here(json, &mut |place, _| place.is_matched(last)),
        },
        [step, rest @ ..] => each_mut(json, std::slice::from_ref(step), &mut |inner| remove(inner, rest, count)),
    }
}

pub(super) fn cut_lists(json: &mut Json, steps: &[Step]) {
    match (steps, json) {
        ([], _) => {}
        ([last], Json::Object(fields)) => fields.retain(|key, value| !(value.is_array() && last.matches_key(key))),
        ([last], Json::Array(items)) => {
            let (mut index, length) = (0, items.len());
            items.retain(|value| {
                index += 1;
                !(value.is_array() && last.matches_index(index - 1, length))
            });
        }
        ([step, rest @ ..], json) => each_mut(json, std::slice::from_ref(step), &mut |inner| cut_lists(inner, rest)),
    }
}

/// Removes what is directly in a value and selected. How many there were.
fn remove_here(json: &mut Json, selected: &mut dyn FnMut(Place<'_>, &Json) -> bool) -> usize {
    match json {
        Json::Object(fields) => {
            let before = fields.len();
            fields.retain(|key, value| !selected(Place::Key(key), value));
            before - fields.len()
        }
        Json::Array(items) => {
            let length = items.len();
            let mut count = 0;
            for index in 0..length {
                if !selected(Place::Index(index, length), &items[index]) {
                    continue;
                }
                count += 1;
                match index + 1 == length {
                    true => drop(items.pop()),
                    false => items[index] = Json::Null,
                }
            }
            count
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => 0,
    }
}

pub(super) fn remove_leaves(json: &mut Json, levels: usize, selected: &mut dyn FnMut(&Json) -> bool) {
    let Some(levels) = levels.checked_sub(1) else { return };
    remove_here(json, &mut |_, value| !value.is_object() && !value.is_array() && selected(value));
    match json {
        Json::Object(fields) => fields.values_mut().for_each(|value| remove_leaves(value, levels, selected)),
        Json::Array(items) => items.iter_mut().for_each(|value| remove_leaves(value, levels, selected)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

/// A key or an index, owned, because the document changes under the walk.
enum Owned {
    Key(String),
    Index(usize, usize),
}

fn remove_deep(json: &mut Json, places: &mut Vec<Owned>, steps: &[Step], count: &mut usize) {
    if places.len() == STEPS_MAX {
        return;
    }
    let above: Vec<Place<'_>> = places
        .iter()
        .map(|place| match place {
            Owned::Key(key) => Place::Key(key),
            Owned::Index(index, length) => Place::Index(*index, *length),
        })
        .collect();
    // Indices count from the end of the list as it was.
    let length = json.as_array().map_or(0, Vec::len);
    *count += remove_here(json, &mut |place, _| {
        let mut way = above.clone();
        way.push(place);
        leads(&way, steps)
    });
    let mut enter = |place, value: &mut Json| {
        places.push(place);
        remove_deep(value, places, steps, count);
        places.pop();
    };
    match json {
        Json::Object(fields) => fields.iter_mut().for_each(|(key, value)| enter(Owned::Key(key.clone()), value)),
        Json::Array(items) => {
            items.iter_mut().enumerate().for_each(|(index, value)| enter(Owned::Index(index, length), value));
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

/// What is made where nothing is: a list if the next step is an index.
pub(super) fn container_for<T: AsRef<str>>(rest: &[T]) -> Json {
    match rest.first() {
        Some(next) if as_index(next.as_ref()).is_some() => Json::Array(Vec::new()),
        _ => Json::Object(Map::new()),
    }
}

fn as_index(name: &str) -> Option<usize> {
    name.bytes().all(|byte| byte.is_ascii_digit()).then(|| name.parse().ok()).flatten()
}

pub(super) fn set<T: AsRef<str>>(json: &mut Json, names: &[T], value: Json) -> Result<(), Blocked> {
    let [name, rest @ ..] = names else {
        *json = value;
        return Ok(());
    };
    let inner = match json {
        Json::Object(fields) => fields.entry(name.as_ref()).or_insert_with(|| container_for(rest)),
        Json::Array(items) => {
            let index = as_index(name.as_ref()).filter(|index| *index < LIST_ITEMS_MAX).ok_or(Blocked)?;
            if index >= items.len() {
                items.resize(index + 1, Json::Null);
                items[index] = container_for(rest);
            }
            &mut items[index]
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => return Err(Blocked),
    };
    set(inner, rest, value)
}
