//! Attributes and items. A dot looks for what Python's type has and then for a key; brackets the other way round.

use super::Run;
use crate::manifest::expression::fault::{Eval, Fault};
use crate::manifest::expression::methods;
use crate::manifest::expression::syntax::Expr;
use crate::manifest::expression::value::{Callable, Mapping, Missing, Text, Value};

impl<'a> Run<'a> {
    /// `object.name`. A mapping's own key comes before a method of that name, which unlike in the reference can then be
    /// reached only by calling it: there it would print an address in memory.
    pub(crate) fn attribute(&mut self, object: &Value<'a>, name: Text<'a>) -> Eval<Value<'a>> {
        if object.is_undefined() {
            return Err(object.undefined_fault());
        }
        if let Some(value) = methods::property(object, name.as_str()) {
            return Ok(value);
        }
        if is_internal(name.as_str()) {
            return Ok(Value::Undefined(Missing { name: borrowed(&name), forbidden: true }));
        }
        if let Some(value) = self.key(object, name.as_str())? {
            return Ok(value);
        }
        if methods::exists(object, name.as_str()) {
            return Ok(Value::callable(Callable::Method(object.clone(), name)));
        }
        Ok(Value::Undefined(Missing { name: borrowed(&name), forbidden: false }))
    }

    /// What `object.name` is where it is called: a method of the type, or whatever stands under the key.
    pub(super) fn callee(&mut self, object: Value<'a>, name: Text<'a>) -> Eval<Value<'a>> {
        if methods::exists(&object, name.as_str()) {
            return Ok(Value::callable(Callable::Method(object, name)));
        }
        self.attribute(&object, name)
    }

    pub(super) fn item_expr(&mut self, object_expr: &'a Expr, key: &'a Expr) -> Eval<Value<'a>> {
        let object = self.expr(object_expr)?;
        if let Expr::Slice(parts) = key {
            let mut bounds = [const { None }; 3];
            for (bound, part) in bounds.iter_mut().zip(parts.iter()) {
                *bound = part.as_ref().map(|part| self.expr(part)).transpose()?;
            }
            // Of constants the reference makes the slice beforehand, in a way that takes a wrong type for nothing.
            let constant = is_constant(object_expr) && parts.iter().flatten().all(is_constant);
            return match self.slice(&object, bounds) {
                Err(fault) if constant && matches!(*fault, Fault::Type(_)) => Ok(Value::nothing()),
                sliced => sliced,
            };
        }
        let key = self.expr(key)?;
        self.item(&object, &key)
    }

    /// `object[key]`.
    pub(crate) fn item(&mut self, object: &Value<'a>, key: &Value<'a>) -> Eval<Value<'a>> {
        if object.is_undefined() {
            return Err(object.undefined_fault());
        }
        if let Some(value) = self.element(object, key)? {
            return Ok(value);
        }
        let Value::Text(name) = key else { return Ok(Value::nothing()) };
        if let Some(value) = methods::property(object, name.as_str()) {
            return Ok(value);
        }
        Ok(Value::Undefined(Missing { name: borrowed(name), forbidden: is_internal(name.as_str()) }))
    }

    /// The element itself; `None` if there is none or the object has no elements of that kind.
    pub(crate) fn element(&mut self, object: &Value<'a>, key: &Value<'a>) -> Eval<Option<Value<'a>>> {
        match (object, key) {
            (_, Value::Text(name)) => self.key(object, name.as_str()),
            (Value::Dict(dict) | Value::Namespace(dict), key) => {
                let found = dict.borrow().get(key, &mut self.budget);
                Ok(found.unwrap_or_default())
            }
            (Value::Mapping(_), _) => Ok(None),
            (object, key) => match key.as_int() {
                Some(index) => Ok(at(object, index)),
                None => Ok(None),
            },
        }
    }

    fn key(&mut self, object: &Value<'a>, name: &str) -> Eval<Option<Value<'a>>> {
        match object {
            Value::Mapping(mapping) => Ok(mapping.get(name)),
            Value::Dict(dict) | Value::Namespace(dict) => {
                self.budget.spend(dict.borrow().entries.len() / 8)?;
                let dict = dict.borrow();
                let found = dict.entries.iter().find(|(key, _)| key.as_str() == Some(name));
                Ok(found.map(|(_, value)| value.clone()))
            }
            _ => Ok(None),
        }
    }

    /// `object[start:stop:step]`.
    fn slice(&mut self, object: &Value<'a>, bounds: [Option<Value<'a>>; 3]) -> Eval<Value<'a>> {
        if object.is_undefined() {
            return Err(object.undefined_fault());
        }
        let mut parts = [None; 3];
        for (part, bound) in parts.iter_mut().zip(&bounds) {
            *part = match bound {
                None | Some(Value::None) => None,
                Some(value) => Some(value.as_int().ok_or_else(|| Fault::wrong_type("slices at what is no integer"))?),
            };
        }
        let sliceable = matches!(object, Value::Text(_) | Value::Tuple(_)) || object.is_list();
        if !sliceable {
            return Err(Fault::wrong_type(format!("slices a {}", object.type_name())));
        }
        let items = match object {
            Value::Text(text) => return self.slice_text(text.as_str(), parts),
            object => object.items()?,
        };
        let indices = slice_indices(items.len(), parts)?;
        self.budget.spend(items.len())?;
        let sliced: Vec<Value<'a>> = indices.into_iter().map(|index| items[index].clone()).collect();
        Ok(if matches!(object, Value::Tuple(_)) { Value::Tuple(sliced.into()) } else { Value::list(sliced) })
    }

    fn slice_text(&mut self, text: &str, parts: [Option<i128>; 3]) -> Eval<Value<'a>> {
        self.budget.text(text.len())?;
        let characters: Vec<char> = text.chars().collect();
        let indices = slice_indices(characters.len(), parts)?;
        Ok(Value::from(indices.into_iter().map(|index| characters[index]).collect::<String>()))
    }
}

/// Whether the value is written out in the template.
fn is_constant(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(_) => true,
        Expr::List(items) | Expr::Tuple(items) => items.iter().all(is_constant),
        Expr::Dict(entries) => entries.iter().all(|(key, value)| is_constant(key) && is_constant(value)),
        Expr::Negative(inner) => is_constant(inner),
        _ => false,
    }
}

/// Only what a template's own text names can be kept for a message.
fn borrowed<'a>(name: &Text<'a>) -> Option<&'a str> {
    match name {
        Text::Borrowed(name) => Some(name),
        Text::Shared(_) => None,
    }
}

fn is_internal(name: &str) -> bool {
    name.starts_with("__") && name.ends_with("__")
}

fn at<'a>(object: &Value<'a>, index: i128) -> Option<Value<'a>> {
    let position = |length: usize| {
        let length = i128::try_from(length).ok()?;
        let index = if index < 0 { index + length } else { index };
        usize::try_from(index).ok()
    };
    match object {
        Value::Text(text) => {
            let text = text.as_str();
            let at = if index < 0 { position(text.chars().count())? } else { usize::try_from(index).ok()? };
            text.chars().nth(at).map(|c| Value::text(c.encode_utf8(&mut [0; 4]) as &str))
        }
        Value::Array(items) => items.get(position(items.len())?).map(Value::from),
        Value::List(items) => items.borrow().get(position(items.borrow().len())?).cloned(),
        Value::Tuple(items) => items.get(position(items.len())?).cloned(),
        Value::Bytes(bytes) => bytes.get(position(bytes.len())?).map(|byte| Value::Int((*byte).into())),
        _ => None,
    }
}

/// The indices that a slice takes, in its order.
fn slice_indices(length: usize, [start, stop, step]: [Option<i128>; 3]) -> Eval<Vec<usize>> {
    let step = step.unwrap_or(1);
    if step == 0 {
        return Err(Fault::value("slices in steps of zero"));
    }
    let length = i128::try_from(length).unwrap_or(i128::MAX);
    let (low, high) = if step > 0 { (0, length) } else { (-1, length - 1) };
    let clamp = |bound: i128| (if bound < 0 { bound.saturating_add(length) } else { bound }).clamp(low, high);
    let mut at = start.map_or(if step > 0 { low } else { high }, clamp);
    let stop = stop.map_or(if step > 0 { high } else { low }, clamp);
    let mut indices = Vec::new();
    while if step > 0 { at < stop } else { at > stop } {
        indices.extend(usize::try_from(at));
        at = at.saturating_add(step);
    }
    Ok(indices)
}

/// The attributes of what only some mappings are.
pub(crate) fn mapping_property<'a>(mapping: Mapping<'a>, name: &str) -> Option<Value<'a>> {
    match (mapping, name) {
        (Mapping::Slice(slice), "partition" | "_partition") => Some(Value::Mapping(Mapping::Object(slice.partition))),
        (Mapping::Slice(slice), "cursor_slice") => Some(Value::Mapping(Mapping::Object(slice.cursor))),
        (Mapping::Slice(slice), "extra_fields") => Some(Value::Mapping(Mapping::Object(slice.extra_fields))),
        (Mapping::Record(record), "data") => Some(Value::Mapping(Mapping::Object(record))),
        _ => None,
    }
}
