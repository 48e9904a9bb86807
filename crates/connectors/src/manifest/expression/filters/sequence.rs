//! Lists and what can be gone through: ends, order, sums, parts.

use super::flag;
use super::select::{Getter, keyed};
use crate::manifest::expression::arguments::Given;
use crate::manifest::expression::compare::{equal, less, sorted};
use crate::manifest::expression::evaluate::Run;
use crate::manifest::expression::fault::{Eval, Fault};
use crate::manifest::expression::methods::{self, int_of};
use crate::manifest::expression::operators;
use crate::manifest::expression::print::write_str;
use crate::manifest::expression::syntax::Binary;
use crate::manifest::expression::value::Value;

/// The items of a value, paid for.
pub(super) fn items_of<'a>(run: &mut Run<'a>, value: &Value<'a>) -> Eval<Vec<Value<'a>>> {
    let items = value.items()?;
    run.budget.spend(items.len())?;
    Ok(items)
}

pub(super) fn length<'a>(_run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [] = arguments.bind_unnamed("length", 0)?;
    match value.length() {
        Some(length) => Ok(Value::Int(i128::try_from(length).unwrap_or(i128::MAX))),
        None => Err(Fault::wrong_type(format!("takes the length of a {}", value.type_name()))),
    }
}

pub(super) fn first<'a>(_run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [] = arguments.bind("first", [], 0)?;
    match &value {
        Value::Array(items) => Ok(items.first().map_or_else(Value::nothing, Value::from)),
        Value::Iterator(items) => Ok(items.borrow_mut().pop_front().unwrap_or_else(Value::nothing)),
        other => Ok(other.items()?.into_iter().next().unwrap_or_else(Value::nothing)),
    }
}

pub(super) fn last<'a>(run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [] = arguments.bind("last", [], 0)?;
    match &value {
        Value::Array(items) => Ok(items.last().map_or_else(Value::nothing, Value::from)),
        Value::Iterator(_) | Value::Set(_) => {
            Err(Fault::wrong_type("goes backwards through what has no end to begin at"))
        }
        other => Ok(items_of(run, other)?.pop().unwrap_or_else(Value::nothing)),
    }
}

pub(super) fn list<'a>(run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [] = arguments.bind("list", [], 0)?;
    items_of(run, &value).map(Value::list)
}

pub(super) fn items<'a>(run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [] = arguments.bind("items", [], 0)?;
    if value.is_undefined() {
        return Ok(Value::iterator(Vec::new()));
    }
    if !value.is_mapping() {
        return Err(Fault::wrong_type(format!("takes the items of a {}", value.type_name())));
    }
    let entries = methods::entries(&value)?;
    run.budget.spend(entries.len())?;
    let pairs: Vec<Value<'a>> = entries.into_iter().map(|(key, value)| Value::Tuple([key, value].into())).collect();
    Ok(Value::iterator(pairs))
}

pub(super) fn reverse<'a>(run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [] = arguments.bind("reverse", [], 0)?;
    if let Value::Text(text) = &value {
        run.budget.text(text.as_str().len())?;
        return Ok(Value::from(text.as_str().chars().rev().collect::<String>()));
    }
    let is_iterator = matches!(value, Value::Iterator(_));
    let mut items = items_of(run, &value).map_err(|_| Fault::value("reverses what has no items"))?;
    items.reverse();
    Ok(if is_iterator || value.is_undefined() { Value::list(items) } else { Value::iterator(items) })
}

pub(super) fn join<'a>(run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [separator, attribute] = arguments.bind("join", ["d", "attribute"], 0)?;
    let attribute = attribute.filter(|attribute| !matches!(attribute, Value::None));
    let mut items = items_of(run, &value)?;
    if attribute.is_some() {
        let getter = Getter::new(attribute.as_ref(), false, None)?;
        items = items.iter().map(|item| getter.get(run, item)).collect::<Eval<_>>()?;
    }
    let separator = separator.map(|separator| run.str(&separator)).transpose()?.unwrap_or_default();
    let mut text = String::new();
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            text.push_str(&separator);
        }
        let before = text.len();
        let mut printed = String::new();
        write_str(item, &mut printed, &mut run.budget)?;
        text.push_str(&printed);
        run.budget.text((text.len() - before).max(text.len() / 4096))?;
    }
    run.budget.text(text.len())?;
    Ok(Value::from(text))
}

/// The arguments that `sort`, `unique`, `min` and `max` share, in the order `sort` has them without `reverse`.
fn comparing<'a>(name: &str, arguments: Given<'a>) -> Eval<Getter<'a>> {
    let [case_sensitive, attribute] = arguments.bind(name, ["case_sensitive", "attribute"], 0)?;
    Getter::new(attribute.as_ref(), !flag(case_sensitive.as_ref()), None)
}

pub(super) fn sort<'a>(run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [reverse, case_sensitive, attribute] = arguments.bind("sort", ["reverse", "case_sensitive", "attribute"], 0)?;
    let getters = Getter::several(attribute.as_ref(), !flag(case_sensitive.as_ref()))?;
    let items = items_of(run, &value)?;
    let mut pairs = Vec::with_capacity(items.len());
    for item in items {
        let keys = getters.iter().map(|getter| getter.get(run, &item)).collect::<Eval<Vec<_>>>()?;
        pairs.push((Value::list(keys), item));
    }
    sorted(pairs, flag(reverse.as_ref()), &mut run.budget).map(Value::list)
}

pub(super) fn unique<'a>(run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let getter = comparing("unique", arguments)?;
    let (mut seen, mut kept): (Vec<Value<'a>>, Vec<Value<'a>>) = (Vec::new(), Vec::new());
    for item in items_of(run, &value)? {
        let key = getter.get(run, &item)?;
        crate::manifest::expression::mappings::hashable(&key)?;
        run.budget.spend(seen.len() / 8)?;
        if !seen.iter().any(|known| equal(known, &key)) {
            seen.push(key);
            kept.push(item);
        }
    }
    Ok(Value::iterator(kept))
}

pub(super) fn max<'a>(run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    best(run, value, comparing("max", arguments)?, true)
}

pub(super) fn min<'a>(run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    best(run, value, comparing("min", arguments)?, false)
}

fn best<'a>(run: &mut Run<'a>, value: Value<'a>, getter: Getter<'a>, greatest: bool) -> Eval<Value<'a>> {
    let items = items_of(run, &value)?;
    let mut best: Option<(Value<'a>, Value<'a>)> = None;
    for (key, item) in keyed(run, items, &getter)? {
        let better = match &best {
            None => true,
            Some((known, _)) if greatest => less(known, &key, &mut run.budget)?,
            Some((known, _)) => less(&key, known, &mut run.budget)?,
        };
        if better {
            best = Some((key, item));
        }
    }
    Ok(best.map_or_else(Value::nothing, |(_, item)| item))
}

pub(super) fn sum<'a>(run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [attribute, start] = arguments.bind("sum", ["attribute", "start"], 0)?;
    let attribute = attribute.filter(|attribute| !matches!(attribute, Value::None));
    let getter = Getter::new(attribute.as_ref(), false, None)?;
    let mut sum = start.unwrap_or(Value::Int(0));
    if sum.as_str().is_some() {
        return Err(Fault::wrong_type("sums texts"));
    }
    for item in items_of(run, &value)? {
        let item = getter.get(run, &item)?;
        sum = operators::binary(Binary::Add, &sum, &item, &mut run.budget)?;
    }
    Ok(sum)
}

pub(super) fn dictsort<'a>(run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [case_sensitive, by, reverse] = arguments.bind("dictsort", ["case_sensitive", "by", "reverse"], 0)?;
    let by_value = match by.as_ref().map_or(Some("key"), Value::as_str) {
        Some("key") => false,
        Some("value") => true,
        _ => return Err(Fault::value("sorts a mapping by neither key nor value")),
    };
    if !value.is_mapping() {
        return Err(match value {
            Value::Undefined(_) => value.undefined_fault(),
            other => Fault::value(format!("sorts a {} as a mapping", other.type_name())),
        });
    }
    let getter = Getter::new(None, !flag(case_sensitive.as_ref()), None)?;
    let mut pairs = Vec::new();
    for (key, value) in methods::entries(&value)? {
        let order = getter.get(run, if by_value { &value } else { &key })?;
        pairs.push((order, Value::Tuple([key, value].into())));
    }
    sorted(pairs, flag(reverse.as_ref()), &mut run.budget).map(Value::list)
}

pub(super) fn batch<'a>(run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [count, fill] = arguments.bind("batch", ["linecount", "fill_with"], 1)?;
    let count = int_of(&count.unwrap_or(Value::None))?;
    let count = usize::try_from(count).unwrap_or(0);
    let items = items_of(run, &value)?;
    if count == 0 {
        // Nothing ever fills a batch of no items: Python keeps them all in one after an empty one.
        return Err(Fault::unsupported("makes batches of no items"));
    }
    let mut batches: Vec<Vec<Value<'a>>> = items.chunks(count).map(<[Value<'a>]>::to_vec).collect();
    if let (Some(fill), Some(last)) = (fill.filter(|fill| !matches!(fill, Value::None)), batches.last_mut()) {
        run.budget.spend(count - last.len())?;
        last.resize(count, fill);
    }
    Ok(Value::iterator(batches.into_iter().map(Value::list).collect::<Vec<_>>()))
}

pub(super) fn slice<'a>(run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [count, fill] = arguments.bind("slice", ["slices", "fill_with"], 1)?;
    let count = usize::try_from(int_of(&count.unwrap_or(Value::None))?).unwrap_or(0);
    if count == 0 {
        return Err(Fault::value("cuts a list into no slices"));
    }
    run.budget.spend(count)?;
    let items = items_of(run, &value)?;
    let fill = fill.filter(|fill| !matches!(fill, Value::None));
    let (each, extra) = (items.len() / count, items.len() % count);
    let mut slices = Vec::with_capacity(count);
    let mut start = 0;
    for number in 0..count {
        let end = start + each + usize::from(number < extra);
        let mut part = items[start..end].to_vec();
        if number >= extra {
            part.extend(fill.clone());
        }
        slices.push(Value::list(part));
        start = end;
    }
    Ok(Value::iterator(slices))
}
