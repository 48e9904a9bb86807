//! Calls: of methods, of the format's functions, and of macros that the template defines.

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

use super::Run;
use crate::manifest::expression::arguments::Given;
use crate::manifest::expression::fault::{Eval, Fault};
use crate::manifest::expression::methods;
use crate::manifest::expression::syntax::{Arguments, Definition, Expr, Global, Literal};
use crate::manifest::expression::value::{Callable, Dict, Text, Value};

impl<'a> Run<'a> {
    pub(super) fn call_expr(&mut self, callee: &'a Expr, arguments: &'a Arguments) -> Eval<Value<'a>> {
        let callee = match callee {
            Expr::Attribute(object, name) => {
                let object = self.expr(object)?;
                self.callee(object, Text::Borrowed(name))?
            }
            Expr::Item(object, key) if matches!(**key, Expr::Literal(Literal::Text(_))) => {
                let (object, key) = (self.expr(object)?, self.expr(key)?);
                self.item_callee(object, &key)?
            }
            other => self.expr(other)?,
        };
        if callee.is_undefined() {
            return Err(callee.undefined_fault());
        }
        let arguments = self.arguments(arguments)?;
        self.call(&callee, arguments)
    }

    fn item_callee(&mut self, object: Value<'a>, key: &Value<'a>) -> Eval<Value<'a>> {
        let found = self.item(&object, key)?;
        match (found, key) {
            (Value::Undefined(_), Value::Text(name)) if methods::exists(&object, name.as_str()) => {
                Ok(Value::callable(Callable::Method(object, name.clone())))
            }
            (found, _) => Ok(found),
        }
    }

    /// The arguments of a call, in the order they are written.
    pub(super) fn arguments(&mut self, arguments: &'a Arguments) -> Eval<Given<'a>> {
        let mut given = Given { positional: self.exprs(&arguments.positional)?, named: Vec::new(), pattern: None };
        for (name, expr) in &arguments.named {
            given.named.push((Cow::Borrowed(name), self.expr(expr)?));
        }
        if let Some(spread) = &arguments.spread {
            let spread = self.expr(spread)?.items()?;
            self.budget.spend(spread.len())?;
            given.positional.extend(spread);
        }
        if let Some(spread) = &arguments.spread_named {
            for (key, value) in methods::entries(&self.expr(spread)?)? {
                let name = key.as_str().ok_or_else(|| Fault::wrong_type("names an argument by what is no text"))?;
                given.named.push((Cow::Owned(name.to_owned()), value));
            }
        }
        Ok(given)
    }

    pub(crate) fn call(&mut self, callee: &Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
        self.budget.spend(2)?;
        match callee {
            Value::Callable(callable) => match &**callable {
                Callable::Global(global) => self.call_global(*global, arguments),
                Callable::Method(receiver, name) => methods::call(self, receiver, name.as_str(), arguments),
                Callable::Defined(definition, frame) | Callable::Caller(definition, frame) => {
                    self.call_defined(definition, *frame, arguments)
                }
                Callable::Cycler(..) => Err(Fault::wrong_type("calls a cycler, which has `next` for that")),
                Callable::Joiner(separator, used) => {
                    Ok(if used.replace(true) { Value::Text(separator.clone()) } else { Value::from("") })
                }
            },
            Value::Loop(state) => self.recurse(state, arguments),
            Value::Undefined(_) => Err(callee.undefined_fault()),
            other => Err(Fault::wrong_type(format!("calls a {}", other.type_name()))),
        }
    }

    fn call_global(&mut self, global: Global, arguments: Given<'a>) -> Eval<Value<'a>> {
        match global {
            Global::Macro(called) => called.call(self, arguments),
            Global::Dict => self.make_dict(arguments).map(|dict| Value::Dict(Rc::new(RefCell::new(dict)))),
            Global::Namespace => self.make_dict(arguments).map(|dict| Value::Namespace(Rc::new(RefCell::new(dict)))),
            Global::Cycler if arguments.positional.is_empty() => {
                Err(Fault::Other("template_value", "makes a cycler of nothing".to_owned()).into())
            }
            Global::Cycler => Ok(Value::callable(Callable::Cycler(arguments.positional.into(), RefCell::new(0)))),
            Global::Joiner => {
                let [separator] = arguments.bind("joiner", ["sep"], 0)?;
                let separator = match separator {
                    Some(Value::Text(separator)) => separator,
                    _ => Text::Borrowed(", "),
                };
                Ok(Value::callable(Callable::Joiner(separator, RefCell::new(false))))
            }
            Global::Lipsum => Err(Fault::unsupported("calls `lipsum`, which makes text by chance")),
        }
    }

    fn make_dict(&mut self, arguments: Given<'a>) -> Eval<Dict<'a>> {
        let mut dict = Dict::default();
        if arguments.positional.len() > 1 {
            return Err(Fault::wrong_type("makes a mapping of more than one value"));
        }
        for value in &arguments.positional {
            for (key, value) in methods::pairs(value)? {
                self.may_hold(None, &value)?;
                dict.insert(key, value, &mut self.budget)?;
            }
        }
        for (name, value) in arguments.named {
            self.may_hold(None, &value)?;
            dict.insert(Value::from(name.into_owned()), value, &mut self.budget)?;
        }
        Ok(dict)
    }

    fn call_defined(&mut self, definition: &'a Definition, frame: usize, arguments: Given<'a>) -> Eval<Value<'a>> {
        self.budget.enter()?;
        // The body sees the names around its definition, not those around its call.
        let base = self.frames.get(frame).copied().unwrap_or(self.names.len());
        let hidden_names = self.names.split_off(base);
        let hidden_frames = self.frames.split_off(frame.min(self.frames.len()));
        self.frames.push(base);
        let out = std::mem::take(&mut self.out);
        let result = self.bind_parameters(definition, arguments).and_then(|()| self.body(&definition.body));
        let text = std::mem::replace(&mut self.out, out);
        self.names.truncate(base);
        self.names.extend(hidden_names);
        self.frames.truncate(frame);
        self.frames.extend(hidden_frames);
        self.budget.leave();
        result.map(|()| Value::from(text))
    }

    fn bind_parameters(&mut self, definition: &'a Definition, mut arguments: Given<'a>) -> Eval<()> {
        let count = definition.parameters.len();
        let extra = arguments.positional.split_off(count.min(arguments.positional.len()));
        let mut positional = arguments.positional.into_iter();
        let without_default = count - definition.defaults.len();
        for (at, parameter) in definition.parameters.iter().enumerate() {
            let named = arguments.named.iter().position(|(name, _)| **name == **parameter);
            let value = match (positional.next(), named) {
                (Some(value), _) => value,
                (None, Some(named)) => arguments.named.remove(named).1,
                (None, None) if at >= without_default => self.expr(&definition.defaults[at - without_default])?,
                (None, None) => Value::missing(parameter),
            };
            self.names.push((parameter, value));
        }
        if definition.takes_caller {
            let named = arguments.named.iter().position(|(name, _)| name == "caller");
            let caller = named.map_or_else(|| Value::missing("caller"), |at| arguments.named.remove(at).1);
            self.names.push(("caller", caller));
        }
        if definition.takes_kwargs {
            let entries = arguments.named.drain(..).map(|(name, value)| (Value::from(name.into_owned()), value));
            let entries = entries.collect();
            self.names.push(("kwargs", Value::dict(entries)));
        }
        if definition.takes_varargs {
            self.names.push(("varargs", Value::Tuple(extra.into())));
        } else if !extra.is_empty() {
            return Err(Fault::wrong_type(format!("gives the macro {:?} too many arguments", definition.name)));
        }
        match arguments.named.first() {
            Some((name, _)) => Err(Fault::wrong_type(format!("gives the macro {:?} no {name:?}", definition.name))),
            None => Ok(()),
        }
    }
}
