//! Methods of mappings. Those that change one work only on a mapping that the template made: what was given stays as it
//! is, and to change it is refused.

use crate::manifest::expression::arguments::Given;
use crate::manifest::expression::evaluate::Run;
use crate::manifest::expression::fault::{Eval, Fault};
use crate::manifest::expression::value::{Value, View};

pub(super) const NAMES: [&str; 11] =
    ["get", "items", "keys", "values", "copy", "pop", "popitem", "update", "setdefault", "clear", "fromkeys"];

pub(super) fn call<'a>(run: &mut Run<'a>, object: &Value<'a>, name: &str, arguments: Given<'a>) -> Eval<Value<'a>> {
    match name {
        "get" => get(run, object, arguments),
        "items" | "keys" | "values" => {
            let [] = arguments.bind_unnamed(name, 0)?;
            run.budget.spend(object.length().unwrap_or_default())?;
            let view = match name {
                "items" => View::Items,
                "keys" => View::Keys,
                _ => View::Values,
            };
            super::view(object, view)
        }
        "copy" => {
            let [] = arguments.bind_unnamed(name, 0)?;
            run.budget.spend(object.length().unwrap_or_default())?;
            Ok(Value::dict(super::entries(object)?))
        }
        "fromkeys" => Err(Fault::unsupported("calls `fromkeys`")),
        _ => change(run, object, name, arguments),
    }
}

fn get<'a>(run: &mut Run<'a>, object: &Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    // Only a slice's own `get` has names for its arguments.
    let named = matches!(object, Value::Mapping(crate::manifest::expression::value::Mapping::Slice(_)));
    let [key, default] =
        if named { arguments.bind("get", ["key", "default"], 1)? } else { arguments.bind_unnamed("get", 1)? };
    let key = key.unwrap_or(Value::None);
    crate::manifest::expression::mappings::hashable(&key)?;
    Ok(run.element(object, &key)?.or(default).unwrap_or(Value::None))
}

fn change<'a>(run: &mut Run<'a>, object: &Value<'a>, name: &str, arguments: Given<'a>) -> Eval<Value<'a>> {
    let Value::Dict(dict) = object else {
        return Err(Fault::unsupported(format!("calls `{name}` on what was given to it, which it may not change")));
    };
    match name {
        "update" => {
            let named = arguments.named;
            let mut entries = Vec::new();
            for value in &arguments.positional {
                entries.extend(super::pairs(value)?);
            }
            entries.extend(named.into_iter().map(|(name, value)| (Value::from(name.into_owned()), value)));
            for (key, value) in entries {
                run.may_hold(Some(object), &value)?;
                dict.borrow_mut().insert(key, value, &mut run.budget)?;
            }
            Ok(Value::None)
        }
        "pop" => {
            let [key, default] = arguments.bind_unnamed(name, 1)?;
            let key = key.unwrap_or(Value::None);
            let found = dict.borrow_mut().remove(&key, &mut run.budget)?;
            found.or(default).ok_or_else(|| Fault::value("pops a key that is not there"))
        }
        "popitem" => {
            let [] = arguments.bind_unnamed(name, 0)?;
            let last = dict.borrow_mut().entries.pop();
            let (key, value) = last.ok_or_else(|| Fault::value("pops from an empty mapping"))?;
            Ok(Value::Tuple([key, value].into()))
        }
        "setdefault" => {
            let [key, default] = arguments.bind_unnamed(name, 1)?;
            let (key, default) = (key.unwrap_or(Value::None), default.unwrap_or(Value::None));
            if let Some(found) = dict.borrow().get(&key, &mut run.budget)? {
                return Ok(found);
            }
            run.may_hold(Some(object), &default)?;
            dict.borrow_mut().insert(key, default.clone(), &mut run.budget)?;
            Ok(default)
        }
        _ => {
            let [] = arguments.bind_unnamed(name, 0)?;
            dict.borrow_mut().entries.clear();
            Ok(Value::None)
        }
    }
}
