//! Statements: conditions, loops, assignments and the blocks with scopes of their own.

use std::cell::RefCell;
use std::rc::Rc;

use super::Run;
use crate::manifest::expression::arguments::Given;
use crate::manifest::expression::fault::{Eval, Fault};
use crate::manifest::expression::print::write_str;
use crate::manifest::expression::syntax::{Body, Expr, For, Node, Target};
use crate::manifest::expression::value::{Callable, Loop, Value};

impl<'a> Run<'a> {
    /// Renders a whole template.
    pub(crate) fn render(&mut self, body: &'a Body) -> Eval<String> {
        self.body(body)?;
        Ok(std::mem::take(&mut self.out))
    }

    pub(super) fn body(&mut self, body: &'a Body) -> Eval<()> {
        body.iter().try_for_each(|node| self.node(node))
    }

    fn node(&mut self, node: &'a Node) -> Eval<()> {
        self.budget.descend()?;
        let done = self.run_node(node);
        self.budget.ascend();
        done
    }

    fn run_node(&mut self, node: &'a Node) -> Eval<()> {
        match node {
            Node::Text(text) => {
                self.out.push_str(text);
                self.budget.text(self.out.len().min(text.len()))?;
                self.check_output()
            }
            Node::Output(expr) => {
                let value = self.expr(expr)?;
                write_str(&value, &mut self.out, &mut self.budget)?;
                self.check_output()
            }
            Node::If { arms, otherwise } => {
                for (test, body) in arms {
                    if self.expr(test)?.truth() {
                        return self.body(body);
                    }
                }
                self.body(otherwise)
            }
            Node::For(node) => {
                let items = self.expr(&node.over)?;
                self.run_loop(node, &items, 0)
            }
            Node::Set(target, expr) => {
                let value = self.expr(expr)?;
                self.assign(target, value)
            }
            Node::SetBlock { target, filter, body } => {
                let text = self.captured(body)?;
                let value = self.filtered(filter.as_ref(), text)?;
                self.assign(target, value)
            }
            Node::FilterBlock { filter, body } => {
                let text = self.captured(body)?;
                let value = self.filtered(Some(filter), text)?;
                write_str(&value, &mut self.out, &mut self.budget)
            }
            Node::With { values, body } => self.with(values, body),
            Node::Scope(body) => self.in_frame(|run| run.body(body)),
            Node::Define(definition) => {
                let frame = self.frames.len();
                let value = Value::callable(Callable::Defined(definition, frame));
                self.set(&definition.name, value);
                Ok(())
            }
            Node::CallBlock { call, caller } => {
                let caller = Value::callable(Callable::Caller(caller, self.frames.len()));
                let value = self.call_with_caller(call, caller)?;
                write_str(&value, &mut self.out, &mut self.budget)
            }
            Node::OtherTemplate(_) => Err(Fault::wrong_type("asks for another template, and there is none")),
        }
    }

    fn check_output(&mut self) -> Eval<()> {
        if self.out.len() > crate::manifest::expression::budget::TEXT_BYTES_MAX {
            return self.budget.text(self.out.len());
        }
        Ok(())
    }

    fn call_with_caller(&mut self, call: &'a Expr, caller: Value<'a>) -> Eval<Value<'a>> {
        let Expr::Call(callee, arguments) = call else { return self.expr(call) };
        let callee = self.expr(callee)?;
        let mut arguments: Given<'a> = self.arguments(arguments)?;
        arguments.named.push(("caller".into(), caller));
        self.call(&callee, arguments)
    }

    /// Runs `inner` in a scope of names of its own.
    fn in_frame<T>(&mut self, inner: impl FnOnce(&mut Self) -> Eval<T>) -> Eval<T> {
        self.frames.push(self.names.len());
        let result = inner(self);
        let start = self.frames.pop().unwrap_or_default();
        self.names.truncate(start);
        result
    }

    fn captured(&mut self, body: &'a Body) -> Eval<Value<'a>> {
        let out = std::mem::take(&mut self.out);
        let result = self.in_frame(|run| run.body(body));
        let text = std::mem::replace(&mut self.out, out);
        result.map(|()| Value::from(text))
    }

    fn filtered(&mut self, filter: Option<&'a Expr>, text: Value<'a>) -> Eval<Value<'a>> {
        let Some(filter) = filter else { return Ok(text) };
        self.captured.push(text);
        let value = self.expr(filter);
        self.captured.pop();
        value
    }

    fn with(&mut self, values: &'a [(Target, Expr)], body: &'a Body) -> Eval<()> {
        // Every value is computed among the names outside.
        let computed = values.iter().map(|(_, expr)| self.expr(expr)).collect::<Eval<Vec<_>>>()?;
        self.in_frame(|run| {
            for ((target, _), value) in values.iter().zip(computed) {
                run.assign(target, value)?;
            }
            run.body(body)
        })
    }

    fn set(&mut self, name: &'a str, value: Value<'a>) {
        let start = self.frames.last().copied().unwrap_or_default();
        match self.names[start..].iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.names.push((name, value)),
        }
    }

    fn assign(&mut self, target: &'a Target, value: Value<'a>) -> Eval<()> {
        match target {
            Target::Name(name) => {
                self.set(name, value);
                Ok(())
            }
            Target::Tuple(targets) => {
                if value.is_undefined() {
                    return Err(unpack_fault(0, targets.len()));
                }
                let items = value.items()?;
                if items.len() != targets.len() {
                    return Err(unpack_fault(items.len(), targets.len()));
                }
                targets.iter().zip(items).try_for_each(|(target, item)| self.assign(target, item))
            }
            Target::Field(name, field) => match self.name(name) {
                namespace @ Value::Namespace(_) => {
                    self.may_hold(Some(&namespace), &value)?;
                    let Value::Namespace(dict) = namespace else { return Ok(()) };
                    let key = Value::from(&**field);
                    dict.borrow_mut().insert(key, value, &mut self.budget)
                }
                _ => Err(Box::new(Fault::Other("template_value", "sets a field of what is no namespace".to_owned()))),
            },
        }
    }

    fn run_loop(&mut self, node: &'a For, over: &Value<'a>, depth: usize) -> Eval<()> {
        let mut items = over.items()?;
        self.budget.spend(items.len())?;
        if let Some(test) = &node.test {
            let mut kept = Vec::new();
            for item in items {
                let holds = self.in_frame(|run| {
                    run.assign(&node.target, item.clone())?;
                    Ok(run.expr(test)?.truth())
                })?;
                if holds {
                    kept.push(item);
                }
            }
            items = kept;
        }
        if items.is_empty() {
            return self.in_frame(|run| run.body(&node.otherwise));
        }
        let items: Rc<[Value<'a>]> = items.into();
        let changed = Rc::new(RefCell::new(None));
        for index in 0..items.len() {
            let state = Loop {
                index,
                items: Rc::clone(&items),
                depth,
                changed: Rc::clone(&changed),
                node: node.recursive.then_some(node),
            };
            self.in_frame(|run| {
                run.set("loop", Value::Loop(Rc::new(state)));
                run.assign(&node.target, items[index].clone())?;
                run.body(&node.body)
            })?;
        }
        Ok(())
    }

    /// `loop(items)` inside of a recursive loop: the loop's text for those items.
    pub(super) fn recurse(&mut self, state: &Rc<Loop<'a>>, arguments: Given<'a>) -> Eval<Value<'a>> {
        let Some(node) = state.node else { return Err(Fault::wrong_type("calls a loop that is not recursive")) };
        let [items] = arguments.bind("loop", ["iterable"], 1)?;
        self.budget.enter()?;
        let out = std::mem::take(&mut self.out);
        let result = self.run_loop(node, &items.unwrap_or(Value::None), state.depth + 1);
        let text = std::mem::replace(&mut self.out, out);
        self.budget.leave();
        result.map(|()| Value::from(text))
    }
}

fn unpack_fault(found: usize, wanted: usize) -> Box<Fault> {
    Fault::value(format!("unpacks {found} values into {wanted} names"))
}
