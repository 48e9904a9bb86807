//! Paths into JSON as the format writes them: lists of names, where `*`, `?` and `[…]` match as in file names, `**` stands
//! for any number of steps, and a number is an index of a list (from its end if negative).
//!
//! Finding clones nothing; [`Path::take`] moves what it finds out of the document and leaves null behind.

mod glob;
#[cfg(test)]
mod tests;
mod walk;

use serde_json::{Map, Value as Json};

use super::expression::{Failure, Template};
use super::node::{Node, Read};
use super::problem::Problem;
use super::scope::Scope;
use glob::Step;

/// Steps of a path: deeper than JSON is read, nothing can be found.
pub const STEPS_MAX: usize = 128;

/// A path whose steps are known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Path {
    steps: Vec<Step>,
}

/// More than one value is at a path that has to be the path of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ambiguous;

/// A value cannot be set, because what is on the way to it is no mapping and no list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocked;

impl Path {
    /// From names as written.
    pub fn of<T: AsRef<str>>(names: &[T]) -> Self {
        Self { steps: names.iter().map(|name| Step::named(name.as_ref())).collect() }
    }

    /// From evaluated templates: what is a number there is an index and never a name.
    pub fn evaluated(values: &[Json]) -> Self {
        Self { steps: values.iter().map(Step::evaluated).collect() }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether a step is `*`, so that all values that are found count, not the only one.
    #[must_use]
    pub fn is_spread(&self) -> bool {
        self.steps.iter().any(Step::is_star)
    }

    /// Whether a step is a pattern, so that the path may lead to several values.
    #[must_use]
    pub fn has_pattern(&self) -> bool {
        self.steps.iter().any(Step::is_pattern)
    }

    /// The name of the first step, if it is one name only.
    #[must_use]
    pub fn head(&self) -> Option<&str> {
        self.steps.first().and_then(Step::name)
    }

    /// Every value at the path, in the order of the document.
    #[must_use]
    pub fn all<'a>(&self, json: &'a Json) -> Vec<&'a Json> {
        walk::all(json, &self.steps)
    }

    /// The one value at the path.
    pub fn one<'a>(&self, json: &'a Json) -> Result<Option<&'a Json>, Ambiguous> {
        if let Some(found) = walk::straight(json, &self.steps) {
            return Ok(found);
        }
        let found = self.all(json);
        match found.len() {
            0 | 1 => Ok(found.first().copied()),
            _ => Err(Ambiguous),
        }
    }

    /// Moves every value at the path out of the document.
    pub fn take(&self, json: &mut Json) -> Vec<Json> {
        if self.steps.iter().any(Step::is_deep) {
            // One value may be inside another one there.
            return self.all(json).into_iter().cloned().collect();
        }
        let mut taken = Vec::new();
        walk::each_mut(json, &self.steps, &mut |found| taken.push(found.take()));
        taken
    }

    /// Moves the one value at the path out of the document.
    pub fn take_one(&self, json: &mut Json) -> Result<Option<Json>, Ambiguous> {
        if let Some(found) = walk::straight_mut(json, &self.steps) {
            return Ok(found.map(Json::take));
        }
        match self.one(json)? {
            Some(_) => Ok(self.take(json).pop()),
            None => Ok(None),
        }
    }

    /// The elements of every list at the path.
    #[must_use]
    pub fn list_items(&self, json: &Json) -> Vec<Json> {
        self.all(json).into_iter().filter_map(Json::as_array).flatten().cloned().collect()
    }

    /// As [`Self::list_items`], moved out of the lists, which stay.
    pub fn take_list_items(&self, json: &mut Json) -> Vec<Json> {
        if self.steps.iter().any(Step::is_deep) {
            return self.list_items(json);
        }
        let mut taken = Vec::new();
        walk::each_mut(json, &self.steps, &mut |found| {
            if let Json::Array(items) = found {
                taken.append(items);
            }
        });
        taken
    }

    /// Puts a value in place of every value at the path, and says how many there were.
    pub fn replace(&self, json: &mut Json, value: &Json) -> usize {
        let mut replaced = 0;
        walk::each_mut(json, &self.steps, &mut |found| {
            value.clone_into(found);
            replaced += 1;
        });
        replaced
    }

    /// Removes every value at the path. Of a list, only the last element goes; others become null, so that the rest keep
    /// their places. How many there were.
    pub fn remove(&self, json: &mut Json) -> usize {
        let mut count = 0;
        walk::remove(json, &self.steps, &mut count);
        count
    }

    /// Removes every list at the path. What comes after it in a list around it moves up.
    pub fn cut_lists(&self, json: &mut Json) {
        walk::cut_lists(json, &self.steps);
    }
}

/// Removes every value without contents of its own (no mapping, no list) that is selected, wherever it is.
pub fn remove_leaves(json: &mut Json, selected: &mut dyn FnMut(&Json) -> bool) {
    walk::remove_leaves(json, STEPS_MAX, selected);
}

/// Sets the value at a path of plain names, making the mappings and lists that are missing on the way.
pub fn set<T: AsRef<str>>(record: &mut Map<String, Json>, names: &[T], value: Json) -> Result<(), Blocked> {
    match names {
        [] => Err(Blocked),
        [name] => {
            // Without a look before: replacing keeps the name and its place.
            record.insert(name.as_ref().to_owned(), value);
            Ok(())
        }
        [name, rest @ ..] => {
            let inner = record.entry(name.as_ref()).or_insert_with(|| walk::container_for(rest));
            walk::set(inner, rest, value)
        }
    }
}

/// A path whose steps are templates.
#[derive(Clone, Debug)]
pub struct Pointer {
    steps: Vec<Template>,
    /// Where no step depends on anything.
    constant: Option<Path>,
}

impl Pointer {
    /// The path of no steps: the value itself.
    #[must_use]
    pub fn whole() -> Self {
        Self { steps: Vec::new(), constant: Some(Path::default()) }
    }

    /// The path, now.
    pub fn path(&self, scope: &Scope<'_>) -> Result<std::borrow::Cow<'_, Path>, Failure> {
        if let Some(path) = &self.constant {
            return Ok(std::borrow::Cow::Borrowed(path));
        }
        let values: Vec<Json> = self.steps.iter().map(|step| step.value(scope)).collect::<Result<_, _>>()?;
        Ok(std::borrow::Cow::Owned(Path::evaluated(&values)))
    }

    /// The path that does not depend on anything.
    #[must_use]
    pub fn constant(&self) -> Option<&Path> {
        self.constant.as_ref()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

impl Read for Pointer {
    fn read(node: &Node) -> Result<Self, Problem> {
        let steps = Vec::<Template>::read(node)?;
        if steps.len() > STEPS_MAX {
            return Err(node.wrong(format!("a path of at most {STEPS_MAX} steps")));
        }
        let constants: Option<Vec<Json>> = steps.iter().map(|step| step.constant().cloned()).collect();
        Ok(Self { steps, constant: constants.map(|values| Path::evaluated(&values)) })
    }
}

impl Read for Path {
    fn read(node: &Node) -> Result<Self, Problem> {
        let names = Vec::<String>::read(node)?;
        if names.len() > STEPS_MAX {
            return Err(node.wrong(format!("a path of at most {STEPS_MAX} steps")));
        }
        Ok(Self::of(&names))
    }
}
