//! The values that expressions work with: Python's, as far as templates can tell. What comes from outside is borrowed.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use http::HeaderMap;
use serde_json::{Map, Value as Json};

use super::dates::{Moment, Period};
use super::fault::{Eval, Fault};
use super::syntax::{Definition, Global};
use crate::manifest::scope::{Given, SliceView};

/// A value. Lists and dicts that a template makes are shared and can be changed by it; what was given never is.
#[derive(Debug, Clone)]
pub(crate) enum Value<'a> {
    Undefined(Missing<'a>),
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(Text<'a>),
    /// A list from outside.
    Array(&'a [Json]),
    /// A mapping from outside.
    Mapping(Mapping<'a>),
    List(Rc<RefCell<Vec<Value<'a>>>>),
    Tuple(Rc<[Value<'a>]>),
    Dict(Rc<RefCell<Dict<'a>>>),
    Set(Rc<[Value<'a>]>),
    /// The keys, values or items of a mapping.
    View(View, Rc<[Value<'a>]>),
    /// What can be gone through once.
    Iterator(Rc<RefCell<VecDeque<Value<'a>>>>),
    Moment(Moment),
    /// Days since 1970-01-01.
    Date(i64),
    /// Microseconds of a day, with its zone's moment where it has one.
    Time(i64),
    /// Microseconds.
    Delta(i128),
    Period(Period),
    Bytes(Rc<[u8]>),
    Ellipsis,
    Callable(Rc<Callable<'a>>),
    Namespace(Rc<RefCell<Dict<'a>>>),
    Loop(Rc<Loop<'a>>),
}

/// Something that is not there, and what is known of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Missing<'a> {
    pub name: Option<&'a str>,
    /// An attribute that templates may not reach; using it is forbidden rather than undefined.
    pub forbidden: bool,
}

#[derive(Debug, Clone)]
pub(crate) enum Text<'a> {
    Borrowed(&'a str),
    Shared(Rc<str>),
}

impl Text<'_> {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Shared(text) => text,
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Mapping<'a> {
    Object(&'a Map<String, Json>),
    Record(&'a Map<String, Json>),
    Slice(SliceView<'a>),
    Headers { fields: &'a HeaderMap, links: bool },
    Empty,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    Keys,
    Values,
    Items,
}

/// A mapping that a template made, in the order of its keys' arrival.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dict<'a> {
    pub entries: Vec<(Value<'a>, Value<'a>)>,
}

#[derive(Debug, Clone)]
pub(crate) enum Callable<'a> {
    Global(Global),
    Method(Value<'a>, Text<'a>),
    /// A macro of the template, with the names that it was defined among.
    Defined(&'a Definition, usize),
    /// The body of a `call` block.
    Caller(&'a Definition, usize),
    Cycler(Rc<[Value<'a>]>, RefCell<usize>),
    Joiner(Text<'a>, RefCell<bool>),
}

/// The state of a loop as its body sees it.
#[derive(Debug, Clone)]
pub(crate) struct Loop<'a> {
    pub index: usize,
    pub items: Rc<[Value<'a>]>,
    pub depth: usize,
    pub changed: Rc<RefCell<Option<Vec<Value<'a>>>>>,
    /// The loop itself, where it may be called to recurse.
    pub node: Option<&'a super::syntax::For>,
}

impl<'a> Value<'a> {
    pub(crate) fn text(text: impl Into<Rc<str>>) -> Self {
        Self::Text(Text::Shared(text.into()))
    }

    pub(crate) fn list(items: Vec<Value<'a>>) -> Self {
        Self::List(Rc::new(RefCell::new(items)))
    }

    pub(crate) fn dict(entries: Vec<(Value<'a>, Value<'a>)>) -> Self {
        Self::Dict(Rc::new(RefCell::new(Dict { entries })))
    }

    pub(crate) fn iterator(items: impl Into<VecDeque<Value<'a>>>) -> Self {
        Self::Iterator(Rc::new(RefCell::new(items.into())))
    }

    pub(crate) fn missing(name: &'a str) -> Self {
        Self::Undefined(Missing { name: Some(name), forbidden: false })
    }

    pub(crate) fn nothing() -> Self {
        Self::Undefined(Missing { name: None, forbidden: false })
    }

    pub(crate) fn callable(callable: Callable<'a>) -> Self {
        Self::Callable(Rc::new(callable))
    }

    pub(crate) fn given(given: Given<'a>) -> Self {
        match given {
            Given::Json(json) => json.into(),
            Given::Object(object) => Self::Mapping(Mapping::Object(object)),
            Given::Record(Json::Object(object)) => Self::Mapping(Mapping::Record(object)),
            Given::Record(json) => json.into(),
            Given::Slice(slice) => Self::Mapping(Mapping::Slice(slice)),
            Given::Headers { fields, links } => Self::Mapping(Mapping::Headers { fields, links }),
            Given::Number(number) => Self::Int(number.into()),
            Given::Text(text) => Self::Text(Text::Borrowed(text)),
            Given::Empty => Self::Mapping(Mapping::Empty),
        }
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text.as_str()),
            _ => None,
        }
    }

    /// An integer, booleans included.
    pub(crate) fn as_int(&self) -> Option<i128> {
        match self {
            Self::Int(value) => Some(*value),
            Self::Bool(value) => Some(i128::from(*value)),
            _ => None,
        }
    }

    /// Any number as a float.
    #[expect(clippy::cast_precision_loss, reason = "as Python's float() of an int does, for all but absurd ones")]
    pub(crate) fn as_float(&self) -> Option<f64> {
        match self {
            Self::Float(value) => Some(*value),
            other => other.as_int().map(|value| value as f64),
        }
    }

    pub(crate) fn is_undefined(&self) -> bool {
        matches!(self, Self::Undefined(_))
    }

    pub(crate) fn is_mapping(&self) -> bool {
        matches!(self, Self::Dict(_) | Self::Mapping(_))
    }

    /// A list, from outside or of the template's own making.
    pub(crate) fn is_list(&self) -> bool {
        matches!(self, Self::Array(_) | Self::List(_))
    }

    /// Python's name of the type, for messages.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Undefined(_) => "Undefined",
            Self::None => "NoneType",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Text(_) => "str",
            Self::Array(_) | Self::List(_) => "list",
            Self::Mapping(_) | Self::Dict(_) => "dict",
            Self::Tuple(_) => "tuple",
            Self::Set(_) => "set",
            Self::View(View::Keys, _) => "dict_keys",
            Self::View(View::Values, _) => "dict_values",
            Self::View(View::Items, _) => "dict_items",
            Self::Iterator(_) => "generator",
            Self::Moment(_) => "datetime.datetime",
            Self::Date(_) => "datetime.date",
            Self::Time(_) => "datetime.time",
            Self::Delta(_) => "datetime.timedelta",
            Self::Period(_) => "Duration",
            Self::Bytes(_) => "bytes",
            Self::Ellipsis => "ellipsis",
            Self::Callable(_) => "function",
            Self::Namespace(_) => "Namespace",
            Self::Loop(_) => "LoopContext",
        }
    }

    /// What is told when something undefined is used.
    pub(crate) fn undefined_fault(&self) -> Box<Fault> {
        match self {
            Self::Undefined(Missing { name, forbidden: true }) => {
                Fault::forbidden(format!("uses the attribute {:?}, which templates may not reach", name.unwrap_or("")))
            }
            Self::Undefined(Missing { name: Some(name), .. }) => {
                Fault::undefined(format!("uses {name:?}, which is undefined"))
            }
            _ => Fault::undefined("uses something that is undefined"),
        }
    }

    pub(crate) fn truth(&self) -> bool {
        match self {
            Self::Undefined(_) | Self::None => false,
            Self::Bool(value) => *value,
            Self::Int(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Delta(micros) => *micros != 0,
            Self::Mapping(Mapping::Slice(slice)) => {
                !slice.partition.is_empty() || !slice.cursor.is_empty() || !slice.extra_fields.is_empty()
            }
            Self::Text(text) => !text.as_str().is_empty(),
            other => other.length().is_none_or(|length| length > 0),
        }
    }

    /// Python's `len`, where there is one; of texts in characters.
    pub(crate) fn length(&self) -> Option<usize> {
        Some(match self {
            Self::Undefined(_) => 0,
            Self::Text(text) => text.as_str().chars().count(),
            Self::Array(items) => items.len(),
            Self::Mapping(mapping) => mapping.length(),
            Self::List(items) => items.borrow().len(),
            Self::Tuple(items) | Self::Set(items) | Self::View(_, items) => items.len(),
            Self::Dict(dict) => dict.borrow().entries.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::Loop(state) => state.items.len(),
            _ => return None,
        })
    }

    /// Every item in turn, as a `for` would get them.
    pub(crate) fn items(&self) -> Eval<Vec<Value<'a>>> {
        Ok(match self {
            Self::Undefined(_) => Vec::new(),
            Self::Text(text) => characters(text),
            Self::Array(items) => items.iter().map(Value::from).collect(),
            Self::List(items) => items.borrow().clone(),
            Self::Tuple(items) | Self::Set(items) | Self::View(_, items) => items.to_vec(),
            Self::Dict(dict) => dict.borrow().entries.iter().map(|(key, _)| key.clone()).collect(),
            Self::Mapping(mapping) => mapping.entries().into_iter().map(|(key, _)| key).collect(),
            Self::Iterator(items) => items.borrow_mut().drain(..).collect(),
            Self::Bytes(bytes) => bytes.iter().map(|byte| Value::Int((*byte).into())).collect(),
            other => return Err(Fault::wrong_type(format!("goes through {}, which has no items", other.type_name()))),
        })
    }
}

fn characters<'a>(text: &Text<'a>) -> Vec<Value<'a>> {
    match text {
        Text::Borrowed(text) => text.char_indices().map(|(at, c)| Value::from(&text[at..at + c.len_utf8()])).collect(),
        Text::Shared(text) => text.chars().map(|c| Value::text(c.encode_utf8(&mut [0; 4]) as &str)).collect(),
    }
}

impl<'a> From<&'a Json> for Value<'a> {
    fn from(json: &'a Json) -> Self {
        match json {
            Json::Null => Self::None,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(value), _) => Self::Int(value.into()),
                (_, Some(value)) => Self::Int(value.into()),
                _ => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Self::Text(Text::Borrowed(text)),
            Json::Array(items) => Self::Array(items),
            Json::Object(object) => Self::Mapping(Mapping::Object(object)),
        }
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Text::Borrowed(text))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}
