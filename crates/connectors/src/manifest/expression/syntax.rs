//! The tree of a parsed template. Names are resolved as far as they can be before anything is evaluated.

use super::checks::Check;
use super::filters::Filter;
use super::macros::Macro;
use super::pattern::PatternCell;
use crate::manifest::scope::Variable;

/// A run of text, outputs and statements.
pub(crate) type Body = Vec<Node>;

#[derive(Debug, Clone)]
pub(crate) enum Node {
    Text(Box<str>),
    Output(Expr),
    If {
        arms: Vec<(Expr, Body)>,
        otherwise: Body,
    },
    For(Box<For>),
    Set(Target, Expr),
    /// `{% set name | filter %}…{% endset %}`; the filters are applied to [`Expr::Captured`].
    SetBlock {
        target: Target,
        filter: Option<Expr>,
        body: Body,
    },
    /// `{% filter … %}…{% endfilter %}`.
    FilterBlock {
        filter: Expr,
        body: Body,
    },
    With {
        values: Vec<(Target, Expr)>,
        body: Body,
    },
    /// A block that only opens a scope of names.
    Scope(Body),
    Define(Box<Definition>),
    /// `{% call(…) name(…) %}…{% endcall %}`: the body is handed to the macro as `caller`.
    CallBlock {
        call: Expr,
        caller: Box<Definition>,
    },
    /// Another template is asked for: there is none, which the reference tells as a wrong type. The names
    /// are those that it would set.
    OtherTemplate(Vec<Box<str>>),
}

#[derive(Debug, Clone)]
pub(crate) struct For {
    pub target: Target,
    pub over: Expr,
    pub test: Option<Expr>,
    pub body: Body,
    pub otherwise: Body,
    pub recursive: bool,
}

/// A macro that a template defines.
#[derive(Debug, Clone)]
pub(crate) struct Definition {
    pub name: Box<str>,
    pub parameters: Vec<Box<str>>,
    /// Of the last parameters, as many as there are.
    pub defaults: Vec<Expr>,
    pub body: Body,
    /// Which of `caller`, `varargs` and `kwargs` the body asks for.
    pub takes_caller: bool,
    pub takes_varargs: bool,
    pub takes_kwargs: bool,
}

#[derive(Debug, Clone)]
pub(crate) enum Target {
    Name(Box<str>),
    Tuple(Vec<Target>),
    /// `namespace.field`.
    Field(Name, Box<str>),
}

#[derive(Debug, Clone)]
pub(crate) struct Name {
    pub name: Box<str>,
    pub variable: Option<Variable>,
    pub global: Option<Global>,
}

impl Name {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.into(), variable: Variable::named(name), global: Global::named(name) }
    }
}

/// What a template may call without being given it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Global {
    Macro(Macro),
    Dict,
    Namespace,
    Cycler,
    Joiner,
    Lipsum,
}

impl Global {
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "dict" => Self::Dict,
            "namespace" => Self::Namespace,
            "cycler" => Self::Cycler,
            "joiner" => Self::Joiner,
            "lipsum" => Self::Lipsum,
            other => Self::Macro(Macro::named(other)?),
        })
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Literal {
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(Box<str>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    FloorDivide,
    Remainder,
    Power,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    NotIn,
}

#[derive(Debug, Clone)]
pub(crate) enum Expr {
    Literal(Literal),
    Name(Name),
    /// What a block rendered, inside of that block's filters.
    Captured,
    Attribute(Box<Expr>, Box<str>),
    Item(Box<Expr>, Box<Expr>),
    Slice(Box<[Option<Expr>; 3]>),
    Call(Box<Expr>, Arguments),
    Filter(Box<Expr>, Named<Filter>, Arguments),
    Test(Box<Expr>, Named<Check>, Arguments),
    Not(Box<Expr>),
    Negative(Box<Expr>),
    Positive(Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Binary(Binary, Box<Expr>, Box<Expr>),
    Concat(Vec<Expr>),
    Compare(Box<Expr>, Vec<(Comparison, Expr)>),
    Conditional(Box<Conditional>),
    Tuple(Vec<Expr>),
    List(Vec<Expr>),
    Dict(Vec<(Expr, Expr)>),
}

#[derive(Debug, Clone)]
pub(crate) struct Conditional {
    pub test: Expr,
    pub then: Expr,
    pub otherwise: Option<Expr>,
}

/// A filter or test by its name. Inside of conditions an unknown one fails only when it is reached.
#[derive(Debug, Clone)]
pub(crate) struct Named<T> {
    pub name: Box<str>,
    pub known: Option<T>,
    /// A constant regular expression of the call, compiled on first use.
    pub pattern: PatternCell,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Arguments {
    pub positional: Vec<Expr>,
    pub named: Vec<(Box<str>, Expr)>,
    pub spread: Option<Box<Expr>>,
    pub spread_named: Option<Box<Expr>>,
}
