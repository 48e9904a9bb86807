//! Filters that look into every item: by attribute, by test, by another filter.

use super::sequence::items_of;
use super::{Filter, flag};
use crate::manifest::expression::arguments::Given;
use crate::manifest::expression::checks::Check;
use crate::manifest::expression::compare::{equal, sorted};
use crate::manifest::expression::evaluate::Run;
use crate::manifest::expression::fault::{Eval, Fault};
use crate::manifest::expression::methods;
use crate::manifest::expression::value::Value;

/// Looks up an attribute of an item: parts between dots, whole numbers as indices.
#[derive(Debug, Clone)]
pub(super) struct Getter<'a> {
    parts: Vec<Value<'a>>,
    ignore_case: bool,
    default: Option<Value<'a>>,
}

impl<'a> Getter<'a> {
    pub(super) fn new(attribute: Option<&Value<'a>>, ignore_case: bool, default: Option<Value<'a>>) -> Eval<Self> {
        let parts = match attribute {
            None | Some(Value::None) => Vec::new(),
            Some(Value::Text(text)) => parts(text.as_str()),
            Some(other) => vec![other.clone()],
        };
        Ok(Self { parts, ignore_case, default })
    }

    /// One for each attribute between commas.
    pub(super) fn several(attribute: Option<&Value<'a>>, ignore_case: bool) -> Eval<Vec<Self>> {
        match attribute {
            Some(Value::Text(text)) => text
                .as_str()
                .split(',')
                .map(|part| Self::new(Some(&Value::from(part.to_owned())), ignore_case, None))
                .collect(),
            other => Ok(vec![Self::new(other, ignore_case, None)?]),
        }
    }

    pub(super) fn get(&self, run: &mut Run<'a>, item: &Value<'a>) -> Eval<Value<'a>> {
        let mut found = item.clone();
        for part in &self.parts {
            found = run.item(&found, part)?;
            if let (true, Some(default)) = (found.is_undefined(), &self.default) {
                found = default.clone();
            }
        }
        Ok(match &found {
            Value::Text(text) if self.ignore_case => Value::from(text.as_str().to_lowercase()),
            _ => found,
        })
    }
}

fn parts<'a>(attribute: &str) -> Vec<Value<'a>> {
    attribute
        .split('.')
        .map(|part| {
            let number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            let number = number.then(|| part.parse().ok()).flatten();
            number.map_or_else(|| Value::from(part.to_owned()), Value::Int)
        })
        .collect()
}

/// Every item with what it is compared by.
pub(super) fn keyed<'a>(
    run: &mut Run<'a>,
    items: Vec<Value<'a>>,
    getter: &Getter<'a>,
) -> Eval<Vec<(Value<'a>, Value<'a>)>> {
    items.into_iter().map(|item| Ok((getter.get(run, &item)?, item))).collect()
}

pub(super) fn attr<'a>(run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [name] = arguments.bind("attr", ["name"], 1)?;
    let Some(Value::Text(name)) = name else { return Err(Fault::wrong_type("names an attribute by no text")) };
    if value.is_undefined() {
        return Err(value.undefined_fault());
    }
    let there = methods::property(&value, name.as_str()).is_some() || methods::exists(&value, name.as_str());
    if there { run.attribute(&value, name) } else { Ok(Value::nothing()) }
}

pub(super) fn map<'a>(run: &mut Run<'a>, value: Value<'a>, mut arguments: Given<'a>) -> Eval<Value<'a>> {
    if !value.truth() {
        return Ok(Value::iterator(Vec::new()));
    }
    let attribute = arguments.named.iter().position(|(name, _)| name == "attribute");
    let mapped: Vec<Value<'a>> = match attribute {
        Some(at) if arguments.positional.is_empty() => {
            let attribute = arguments.named.remove(at).1;
            let default = arguments.named.iter().position(|(name, _)| name == "default");
            let default = default.map(|at| arguments.named.remove(at).1);
            let default = default.filter(|default| !matches!(default, Value::None));
            if let Some((name, _)) = arguments.named.first() {
                return Err(Fault::value(format!("maps with {name:?}, which there is not")));
            }
            let getter = Getter::new(Some(&attribute), false, default)?;
            items_of(run, &value)?.iter().map(|item| getter.get(run, item)).collect::<Eval<_>>()?
        }
        _ => {
            if arguments.positional.is_empty() {
                return Err(Fault::value("maps by neither a filter nor an attribute"));
            }
            let name = arguments.positional.remove(0);
            let items = items_of(run, &value)?;
            let filter = filter_of(&name)?;
            arguments.pattern = None;
            items.into_iter().map(|item| filter.apply(run, item, arguments.clone())).collect::<Eval<_>>()?
        }
    };
    Ok(Value::iterator(mapped))
}

fn filter_of(name: &Value<'_>) -> Eval<Filter> {
    name.as_str().and_then(Filter::named).ok_or_else(|| Fault::value("maps by a filter that there is not"))
}

/// What an item is judged by: a test, or its truth.
enum Judge<'a> {
    Truth,
    Check(Check, Given<'a>),
}

fn judge<'a>(arguments: Given<'a>) -> Eval<Judge<'a>> {
    let mut arguments = arguments;
    if arguments.positional.is_empty() {
        return Ok(Judge::Truth);
    }
    let name = arguments.positional.remove(0);
    let check = name.as_str().and_then(Check::named);
    let check = check.ok_or_else(|| Fault::value("selects by a test that there is not"))?;
    Ok(Judge::Check(check, arguments))
}

fn selected<'a>(
    run: &mut Run<'a>,
    value: &Value<'a>,
    mut arguments: Given<'a>,
    by_attribute: bool,
    keep: bool,
) -> Eval<Value<'a>> {
    if !value.truth() {
        return Ok(Value::iterator(Vec::new()));
    }
    let getter = if by_attribute {
        if arguments.positional.is_empty() {
            return Err(Fault::value("selects by an attribute that is not named"));
        }
        Getter::new(Some(&arguments.positional.remove(0)), false, None)?
    } else {
        Getter::new(None, false, None)?
    };
    let items = items_of(run, value)?;
    let judge = judge(arguments)?;
    let mut kept = Vec::new();
    for item in items {
        let found = getter.get(run, &item)?;
        let holds = match &judge {
            Judge::Truth => found.truth(),
            Judge::Check(check, arguments) => check.holds(&found, arguments.clone(), &mut run.budget)?,
        };
        if holds == keep {
            kept.push(item);
        }
    }
    Ok(Value::iterator(kept))
}

pub(super) fn select<'a>(run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    selected(run, &value, arguments, false, true)
}

pub(super) fn reject<'a>(run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    selected(run, &value, arguments, false, false)
}

pub(super) fn selectattr<'a>(run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    selected(run, &value, arguments, true, true)
}

pub(super) fn rejectattr<'a>(run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    selected(run, &value, arguments, true, false)
}

pub(super) fn groupby<'a>(run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [attribute, default, case_sensitive] =
        arguments.bind("groupby", ["attribute", "default", "case_sensitive"], 1)?;
    let default = default.filter(|default| !matches!(default, Value::None));
    let getter = Getter::new(attribute.as_ref(), !flag(case_sensitive.as_ref()), default)?;
    let exact = Getter { ignore_case: false, ..getter.clone() };
    let items = items_of(run, &value)?;
    let keyed = keyed(run, items, &getter)?;
    let mut groups: Vec<(Value<'a>, Vec<Value<'a>>)> = Vec::new();
    for item in sorted(keyed, false, &mut run.budget)? {
        let key = getter.get(run, &item)?;
        match groups.last_mut() {
            Some((known, group)) if equal(known, &key) => group.push(item),
            _ => groups.push((key, vec![item])),
        }
    }
    let mut grouped = Vec::with_capacity(groups.len());
    for (_, group) in groups {
        // A group is named as its first item spells it.
        let name = exact.get(run, &group[0])?;
        grouped.push(Value::Tuple([name, Value::list(group)].into()));
    }
    Ok(Value::list(grouped))
}
