//! Evaluates a parsed template against a scope. One [`Run`] is one evaluation: its names, its output and its budget.

mod calls;
mod lookup;

mod statements;

pub(crate) use lookup::mapping_property;

use super::budget::{Budget, NESTING_MAX};
use super::compare;
use super::fault::{Eval, Fault};
use super::operators;
use super::syntax::{Comparison, Expr, Global, Literal, Name, Named};
use super::value::{Callable, Mapping, Text, Value};
use crate::manifest::scope::Scope;

/// The code of an unknown filter or test that is only reached at run time.
const UNKNOWN_FILTER: &str = "template_unknown_filter";

pub(crate) struct Run<'a> {
    pub(crate) scope: &'a Scope<'a>,
    pub(crate) budget: Budget,
    /// The names that the template set, innermost last.
    names: Vec<(&'a str, Value<'a>)>,
    /// Where each scope of names inside of the template's own begins.
    frames: Vec<usize>,
    out: String,
    /// What a block rendered, while its filters run.
    captured: Vec<Value<'a>>,
    /// How many random values were drawn.
    pub(crate) draws: u64,
}

impl<'a> Run<'a> {
    pub(crate) fn new(scope: &'a Scope<'a>) -> Self {
        Self {
            scope,
            budget: Budget::new(),
            names: Vec::new(),
            frames: Vec::new(),
            out: String::new(),
            captured: Vec::new(),
            draws: 0,
        }
    }

    pub(crate) fn expr(&mut self, expr: &'a Expr) -> Eval<Value<'a>> {
        self.budget.descend()?;
        let value = self.evaluated(expr);
        self.budget.ascend();
        value
    }

    fn evaluated(&mut self, expr: &'a Expr) -> Eval<Value<'a>> {
        match expr {
            Expr::Literal(literal) => Ok(literal_value(literal)),
            Expr::Name(name) => Ok(self.name(name)),
            Expr::Captured => Ok(self.captured.last().cloned().unwrap_or(Value::None)),
            Expr::Attribute(object, name) => {
                let object = self.expr(object)?;
                self.attribute(&object, Text::Borrowed(name))
            }
            Expr::Item(object, key) => self.item_expr(object, key),
            Expr::Slice(_) => Err(Fault::wrong_type("uses a slice as a value")),
            Expr::Call(callee, arguments) => self.call_expr(callee, arguments),
            Expr::Filter(value, named, arguments) => {
                let value = self.expr(value)?;
                let filter = known(named, "filter")?;
                let constant = matches!(arguments.positional.first(), Some(Expr::Literal(Literal::Text(_))));
                let mut arguments = self.arguments(arguments)?;
                arguments.pattern = constant.then_some(&named.pattern);
                filter.apply(self, value, arguments)
            }
            Expr::Test(value, named, arguments) => {
                let value = self.expr(value)?;
                let check = known(named, "test")?;
                let arguments = self.arguments(arguments)?;
                check.holds(&value, arguments, &mut self.budget).map(Value::Bool)
            }
            Expr::Not(inner) => Ok(Value::Bool(!self.expr(inner)?.truth())),
            Expr::Negative(inner) => operators::negative(&self.expr(inner)?),
            Expr::Positive(inner) => operators::positive(&self.expr(inner)?),
            Expr::And(left, right) => {
                let left = self.expr(left)?;
                if left.truth() { self.expr(right) } else { Ok(left) }
            }
            Expr::Or(left, right) => {
                let left = self.expr(left)?;
                if left.truth() { Ok(left) } else { self.expr(right) }
            }
            Expr::Binary(operator, left, right) => {
                let (left, right) = (self.expr(left)?, self.expr(right)?);
                operators::binary(*operator, &left, &right, &mut self.budget)
            }
            Expr::Compare(first, rest) => self.comparison(first, rest),
            Expr::Conditional(conditional) => {
                if self.expr(&conditional.test)?.truth() {
                    return self.expr(&conditional.then);
                }
                conditional.otherwise.as_ref().map_or_else(|| Ok(Value::nothing()), |otherwise| self.expr(otherwise))
            }
            Expr::Concat(parts) => {
                let parts = self.exprs(parts)?;
                operators::concat(&parts, &mut self.budget)
            }
            Expr::Tuple(items) => Ok(Value::Tuple(self.held(items)?.into())),
            Expr::List(items) => Ok(Value::list(self.held(items)?)),
            Expr::Dict(entries) => self.dict(entries),
        }
    }

    fn exprs(&mut self, exprs: &'a [Expr]) -> Eval<Vec<Value<'a>>> {
        exprs.iter().map(|expr| self.expr(expr)).collect()
    }

    /// The values of a literal list: what they nest is bounded.
    fn held(&mut self, exprs: &'a [Expr]) -> Eval<Vec<Value<'a>>> {
        let items = self.exprs(exprs)?;
        items.iter().try_for_each(|item| self.may_hold(None, item))?;
        Ok(items)
    }

    fn dict(&mut self, entries: &'a [(Expr, Expr)]) -> Eval<Value<'a>> {
        let mut dict = super::value::Dict::default();
        for (key, value) in entries {
            let (key, value) = (self.expr(key)?, self.expr(value)?);
            self.may_hold(None, &value)?;
            dict.insert(key, value, &mut self.budget)?;
        }
        Ok(Value::dict(dict.entries))
    }

    fn comparison(&mut self, first: &'a Expr, rest: &'a [(Comparison, Expr)]) -> Eval<Value<'a>> {
        let mut left = self.expr(first)?;
        for (comparison, right) in rest {
            let right = self.expr(right)?;
            if !self.holds(*comparison, &left, &right)? {
                return Ok(Value::Bool(false));
            }
            left = right;
        }
        Ok(Value::Bool(true))
    }

    fn holds(&mut self, comparison: Comparison, left: &Value<'a>, right: &Value<'a>) -> Eval<bool> {
        let budget = &mut self.budget;
        Ok(match comparison {
            Comparison::Equal => compare::equal(left, right),
            Comparison::NotEqual => !compare::equal(left, right),
            Comparison::In => compare::contains(right, left, budget)?,
            Comparison::NotIn => !compare::contains(right, left, budget)?,
            Comparison::Less => compare::order(left, right, budget)?.is_some_and(std::cmp::Ordering::is_lt),
            Comparison::LessOrEqual => compare::order(left, right, budget)?.is_some_and(std::cmp::Ordering::is_le),
            Comparison::Greater => compare::order(left, right, budget)?.is_some_and(std::cmp::Ordering::is_gt),
            Comparison::GreaterOrEqual => compare::order(left, right, budget)?.is_some_and(std::cmp::Ordering::is_ge),
        })
    }

    fn name(&self, name: &'a Name) -> Value<'a> {
        if let Some((_, value)) = self.names.iter().rev().find(|(known, _)| *known == &*name.name) {
            return value.clone();
        }
        if let Some(given) = name.variable.and_then(|variable| self.scope.given(variable)) {
            return Value::given(given);
        }
        match name.global {
            Some(global) => Value::callable(Callable::Global(global)),
            None if &*name.name == "self" => Value::Mapping(Mapping::Empty),
            None => Value::missing(&name.name),
        }
    }

    /// Refuses to put a value where it would nest too deep, or inside of itself.
    pub(crate) fn may_hold(&mut self, holder: Option<&Value<'a>>, value: &Value<'a>) -> Eval<()> {
        nesting(holder, value, 0, &mut self.budget)
    }

    pub(crate) fn str(&mut self, value: &Value<'a>) -> Eval<String> {
        super::print::to_str(value, &mut self.budget)
    }
}

fn nesting<'a>(holder: Option<&Value<'a>>, value: &Value<'a>, depth: usize, budget: &mut Budget) -> Eval<()> {
    let same = match (holder, value) {
        (Some(Value::List(holder)), Value::List(value)) => std::rc::Rc::ptr_eq(holder, value),
        (Some(Value::Dict(holder) | Value::Namespace(holder)), Value::Dict(value) | Value::Namespace(value)) => {
            std::rc::Rc::ptr_eq(holder, value)
        }
        _ => false,
    };
    if same || depth > NESTING_MAX {
        return Err(Fault::limit(format!("nests values deeper than {NESTING_MAX} levels")));
    }
    let mut inner = |item: &Value<'a>| {
        budget.spend(1)?;
        nesting(holder, item, depth + 1, budget)
    };
    match value {
        Value::List(items) => items.borrow().iter().try_for_each(inner),
        Value::Tuple(items) | Value::Set(items) | Value::View(_, items) => items.iter().try_for_each(inner),
        Value::Iterator(items) => items.borrow().iter().try_for_each(inner),
        Value::Dict(dict) | Value::Namespace(dict) => {
            dict.borrow().entries.iter().try_for_each(|(_, item)| inner(item))
        }
        Value::Callable(callable) => match &**callable {
            Callable::Method(receiver, _) => inner(receiver),
            Callable::Cycler(items, _) => items.iter().try_for_each(inner),
            _ => Ok(()),
        },
        Value::Loop(state) => state.items.iter().try_for_each(inner),
        _ => Ok(()),
    }
}

fn literal_value(literal: &Literal) -> Value<'_> {
    match literal {
        Literal::None => Value::None,
        Literal::Bool(value) => Value::Bool(*value),
        Literal::Int(value) => Value::Int(*value),
        Literal::Float(value) => Value::Float(*value),
        Literal::Text(text) => Value::from(&**text),
    }
}

fn known<T: Copy>(named: &Named<T>, what: &str) -> Eval<T> {
    named.known.ok_or_else(|| {
        Box::new(Fault::Other(UNKNOWN_FILTER, format!("uses the {what} `{}`, which is not in the format", named.name)))
    })
}

/// Whether two evaluations of it may differ though nothing given differs.
pub(crate) fn is_impure(global: Global) -> bool {
    match global {
        Global::Macro(called) => called.impure,
        Global::Lipsum => true,
        Global::Dict | Global::Namespace | Global::Cycler | Global::Joiner => false,
    }
}
