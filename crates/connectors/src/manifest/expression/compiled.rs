//! A template after compiling: how it is evaluated, and what it needs to be given for that.

use super::evaluate::{Run, is_impure};
use super::failure::Failure;
use super::fault::{Eval, Fault};
use super::result::{Kinds, Rendered};
use super::syntax::{Body, Expr, Literal, Name, Node};
use super::value::{Text, Value};
use super::{lexer, names, parser};
use crate::manifest::scope::{Given, Scope, Variable};

/// What stands for a template that is empty or meets something undefined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fallback {
    /// Itself, evaluated again: empty stays empty, and undefined is then a failure.
    Itself,
    False,
    Null,
}

/// How a template is evaluated, the cheapest way that gives the same.
#[derive(Debug)]
enum Plan {
    /// It is only a text.
    Text(Box<str>),
    /// It is one expression that only follows keys from a variable.
    Path(Variable, Vec<Key>, Expr),
    /// It is one expression.
    Output(Expr),
    Body(Body),
}

#[derive(Debug)]
struct Key {
    name: Box<str>,
    /// Written with a dot, which looks for attributes first.
    dotted: bool,
}

#[derive(Debug)]
pub(crate) struct Compiled {
    source: Box<str>,
    plan: Plan,
    needs: Vec<Variable>,
    /// A name that nothing gives, which makes every evaluation fail.
    unknown: Option<Box<str>>,
    pure: bool,
}

impl Compiled {
    pub(crate) fn new(source: &str) -> Result<Self, Failure> {
        let syntax = |reason: String| Failure::new("template_syntax", source, reason);
        if source.contains("stream_state") {
            let reason = "uses `stream_state`, which the format no longer has: use `stream_interval`";
            return Err(Failure::new("template_stream_state", source, reason));
        }
        let normalised = lexer::normalised(source);
        if !normalised.contains("{{") && !normalised.contains("{%") && !normalised.contains("{#") {
            return Ok(Self { plan: Plan::Text(normalised.into()), ..Self::text(source) });
        }
        let body = parser::parse(&normalised).map_err(syntax)?;
        let (mut needs, mut unknown) = (Vec::new(), None);
        for name in names::needed(&body).map_err(syntax)? {
            match Variable::named(&name) {
                Some(variable) => needs.push(variable),
                None => unknown = Some(name),
            }
        }
        let pure = !calls_impure(&body);
        Ok(Self { source: source.into(), plan: plan(body), needs, unknown, pure })
    }

    /// A template without expressions.
    pub(crate) fn text(source: &str) -> Self {
        Self { source: source.into(), plan: Plan::Text(source.into()), needs: Vec::new(), unknown: None, pure: true }
    }

    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// Whether every evaluation gives the same.
    pub(crate) fn is_constant(&self) -> bool {
        self.pure && self.needs.is_empty() && self.unknown.is_none()
    }

    pub(crate) fn value<'s>(
        &'s self,
        scope: &'s Scope<'_>,
        kinds: Kinds,
        fallback: Fallback,
    ) -> Result<Value<'s>, Failure> {
        self.check_names(scope)?;
        let mut run = Run::new(scope);
        let rendered = match self.rendered(&mut run) {
            Err(fault) => match *fault {
                // The reference takes a wrong type for a sign that there was no expression at all.
                Fault::Type(_) => Rendered::Value(Value::from(&*self.source)),
                Fault::Undefined(_) if fallback != Fallback::Itself => Rendered::Value(Value::nothing()),
                other => return Err(self.failure(&other)),
            },
            Ok(rendered) => rendered,
        };
        if rendered.is_empty() {
            return Ok(match fallback {
                Fallback::Itself => Value::from(""),
                Fallback::False => Value::Bool(false),
                Fallback::Null => Value::None,
            });
        }
        rendered.settled(kinds, &mut run.budget).map_err(|fault| self.failure(&fault))
    }

    fn check_names(&self, scope: &Scope<'_>) -> Result<(), Failure> {
        let missing = self.needs.iter().find(|variable| scope.given(**variable).is_none());
        let unknown = self.unknown.as_deref().or_else(|| missing.map(|variable| variable.name()));
        match unknown {
            None => Ok(()),
            Some(name) => {
                let reason = format!("uses the variable `{name}`, which is not known in this place");
                Err(Failure::new("template_unknown_variable", &self.source, reason))
            }
        }
    }

    fn rendered<'s>(&'s self, run: &mut Run<'s>) -> Eval<Rendered<'s>> {
        match &self.plan {
            Plan::Text(text) => Ok(Rendered::Value(Value::from(&**text))),
            Plan::Path(variable, keys, expr) => match followed(run.scope, *variable, keys) {
                Some(value) => Ok(Rendered::Value(value)),
                None => output(run, expr),
            },
            Plan::Output(expr) => output(run, expr),
            Plan::Body(body) => run.render(body).map(Rendered::Text),
        }
    }

    pub(crate) fn failure(&self, fault: &Fault) -> Failure {
        let (code, reason) = match fault {
            Fault::Type(reason) => ("template_type", reason),
            Fault::Undefined(reason) => ("template_undefined", reason),
            Fault::Other(code, reason) => (*code, reason),
        };
        Failure::new(code, &self.source, reason.clone())
    }
}

/// One expression's value; what Python would print by its address cannot be left unprinted either.
fn output<'s>(run: &mut Run<'s>, expr: &'s Expr) -> Eval<Rendered<'s>> {
    let value = run.expr(expr)?;
    Ok(match value {
        Value::Iterator(_) | Value::Callable(_) => Rendered::Text(run.str(&value)?),
        value => Rendered::Value(value),
    })
}

fn plan(mut body: Body) -> Plan {
    if body.len() > 1 {
        return Plan::Body(body);
    }
    match body.pop() {
        None => Plan::Text("".into()),
        Some(Node::Text(text)) => Plan::Text(text),
        Some(Node::Output(expr)) => match path(&expr) {
            Some((variable, keys)) => Plan::Path(variable, keys, expr),
            None => Plan::Output(expr),
        },
        Some(node) => Plan::Body(vec![node]),
    }
}

/// The variable and keys of an expression that consists of nothing else.
fn path(expr: &Expr) -> Option<(Variable, Vec<Key>)> {
    let (inner, key) = match expr {
        Expr::Name(Name { variable, .. }) => return Some(((*variable)?, Vec::new())),
        Expr::Attribute(inner, name) => (inner, Key { name: name.clone(), dotted: true }),
        Expr::Item(inner, key) => match &**key {
            Expr::Literal(Literal::Text(name)) => (inner, Key { name: name.clone(), dotted: false }),
            _ => return None,
        },
        _ => return None,
    };
    let (variable, mut keys) = path(inner)?;
    keys.push(key);
    Some((variable, keys))
}

/// What stands at the end of a path through mappings; `None` wherever there is more to it than keys.
fn followed<'s>(scope: &'s Scope<'_>, variable: Variable, keys: &[Key]) -> Option<Value<'s>> {
    let (first, rest) = keys.split_first()?;
    if keys.iter().any(|key| key.dotted && key.name.starts_with('_')) {
        return None;
    }
    let json = match scope.given(variable)? {
        Given::Json(json) => json.as_object()?.get(&*first.name)?,
        Given::Object(object) => object.get(&*first.name)?,
        Given::Slice(_) if first.dotted && matches!(&*first.name, "partition" | "cursor_slice" | "extra_fields") => {
            return None;
        }
        Given::Slice(slice) => slice.get(&first.name)?,
        _ => return None,
    };
    let leaf = rest.iter().try_fold(json, |json, key| json.as_object()?.get(&*key.name))?;
    Some(match leaf {
        serde_json::Value::String(text) => Value::Text(Text::Borrowed(text)),
        other => Value::from(other),
    })
}

fn calls_impure(body: &Body) -> bool {
    let mut impure = false;
    names::each_expr(body, &mut |expr| {
        impure |= matches!(expr, Expr::Name(Name { global: Some(global), .. }) if is_impure(*global));
    });
    impure
}
