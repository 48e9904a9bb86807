//! Methods of lists and tuples. Those that change a list work only on one that the template made.

use crate::manifest::expression::arguments::Given;
use crate::manifest::expression::compare::{equal, sorted};
use crate::manifest::expression::evaluate::Run;
use crate::manifest::expression::fault::{Eval, Fault};
use crate::manifest::expression::value::Value;

pub(super) const NAMES: [&str; 11] =
    ["append", "extend", "insert", "pop", "remove", "reverse", "sort", "index", "count", "copy", "clear"];

pub(super) fn call<'a>(run: &mut Run<'a>, object: &Value<'a>, name: &str, arguments: Given<'a>) -> Eval<Value<'a>> {
    let items = object.items()?;
    run.budget.spend(items.len() / 8 + 1)?;
    match name {
        "count" => {
            let [wanted] = arguments.bind_unnamed(name, 1)?;
            let wanted = wanted.unwrap_or(Value::None);
            let count = items.iter().filter(|item| equal(item, &wanted)).count();
            Ok(Value::Int(i128::try_from(count).unwrap_or(i128::MAX)))
        }
        "index" => index(&items, arguments),
        "copy" => {
            let [] = arguments.bind_unnamed(name, 0)?;
            Ok(Value::list(items))
        }
        _ => change(run, object, name, arguments),
    }
}

fn index<'a>(items: &[Value<'a>], arguments: Given<'a>) -> Eval<Value<'a>> {
    let [wanted, start, end] = arguments.bind_unnamed("index", 1)?;
    let wanted = wanted.unwrap_or(Value::None);
    let length = i128::try_from(items.len()).unwrap_or(i128::MAX);
    let bound = |value: Option<&Value<'a>>, default: i128| -> Eval<i128> {
        let value = super::maybe_int(value)?.unwrap_or(default);
        Ok(if value < 0 { (value + length).max(0) } else { value })
    };
    let (start, end) = (bound(start.as_ref(), 0)?, bound(end.as_ref(), length)?);
    let found = items.iter().zip(0_i128..).find(|(item, at)| (start..end).contains(at) && equal(item, &wanted));
    found.map(|(_, at)| Value::Int(at)).ok_or_else(|| Fault::value("looks for the index of what is not in a list"))
}

fn change<'a>(run: &mut Run<'a>, object: &Value<'a>, name: &str, arguments: Given<'a>) -> Eval<Value<'a>> {
    let Value::List(list) = object else {
        return Err(Fault::unsupported(format!("calls `{name}` on what was given to it, which it may not change")));
    };
    match name {
        "append" => {
            let [item] = arguments.bind_unnamed(name, 1)?;
            let item = item.unwrap_or(Value::None);
            run.may_hold(Some(object), &item)?;
            list.borrow_mut().push(item);
        }
        "extend" => {
            let [items] = arguments.bind_unnamed(name, 1)?;
            let items = items.unwrap_or(Value::None).items()?;
            run.budget.spend(items.len())?;
            items.iter().try_for_each(|item| run.may_hold(Some(object), item))?;
            list.borrow_mut().extend(items);
        }
        "insert" => {
            let [at, item] = arguments.bind_unnamed(name, 2)?;
            let (at, item) = (super::int_of(&at.unwrap_or(Value::None))?, item.unwrap_or(Value::None));
            run.may_hold(Some(object), &item)?;
            let at = position(at, list.borrow().len());
            list.borrow_mut().insert(at, item);
        }
        "pop" => return pop(list, arguments),
        "remove" => {
            let [wanted] = arguments.bind_unnamed(name, 1)?;
            let wanted = wanted.unwrap_or(Value::None);
            let at = list.borrow().iter().position(|item| equal(item, &wanted));
            list.borrow_mut().remove(at.ok_or_else(|| Fault::value("removes what is not in a list"))?);
        }
        "reverse" => {
            let [] = arguments.bind_unnamed(name, 0)?;
            list.borrow_mut().reverse();
        }
        "sort" => sort(run, list, arguments)?,
        _ => {
            let [] = arguments.bind_unnamed(name, 0)?;
            list.borrow_mut().clear();
        }
    }
    Ok(Value::None)
}

fn position(at: i128, length: usize) -> usize {
    let length_wide = i128::try_from(length).unwrap_or(i128::MAX);
    let at = if at < 0 { (at + length_wide).max(0) } else { at.min(length_wide) };
    usize::try_from(at).unwrap_or(length)
}

type Shared<'a> = std::rc::Rc<std::cell::RefCell<Vec<Value<'a>>>>;

fn pop<'a>(list: &Shared<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [at] = arguments.bind_unnamed("pop", 0)?;
    let at = at.map(|at| super::int_of(&at)).transpose()?.unwrap_or(-1);
    let length = i128::try_from(list.borrow().len()).unwrap_or(i128::MAX);
    let at = if at < 0 { at + length } else { at };
    match usize::try_from(at) {
        Ok(at) if at < list.borrow().len() => Ok(list.borrow_mut().remove(at)),
        _ => Err(Fault::value("pops from outside of a list")),
    }
}

fn sort<'a>(run: &mut Run<'a>, list: &Shared<'a>, mut arguments: Given<'a>) -> Eval<()> {
    let reverse = arguments.named.iter().position(|(name, _)| name == "reverse");
    let reverse = reverse.map(|at| arguments.named.remove(at).1).is_some_and(|value| value.truth());
    if arguments.named.iter().any(|(name, value)| name == "key" && !matches!(value, Value::None)) {
        return Err(Fault::unsupported("sorts a list by a key of its own"));
    }
    arguments.named.retain(|(name, _)| name != "key");
    let [] = arguments.bind_unnamed("sort", 0)?;
    let keyed = list.borrow().iter().map(|item| (item.clone(), item.clone())).collect();
    let items = sorted(keyed, reverse, &mut run.budget)?;
    *list.borrow_mut() = items;
    Ok(())
}
