//! What may stand after `|`: the template language's own filters, and those that the format adds or changes.

mod digest;
mod number;
mod select;
mod sequence;
mod text;

use super::arguments::Given;
use super::evaluate::Run;
use super::fault::{Eval, Fault};
use super::value::Value;

type Function = for<'a> fn(&mut Run<'a>, Value<'a>, Given<'a>) -> Eval<Value<'a>>;

/// A filter by its function.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Filter(Function);

const FILTERS: [(&str, Function); 61] = [
    ("abs", number::abs),
    ("attr", select::attr),
    ("base64binascii_decode", digest::base64_of_ascii),
    ("base64decode", digest::base64_decode),
    ("base64encode", digest::base64_encode),
    ("batch", sequence::batch),
    ("capitalize", text::capitalize),
    ("center", text::center),
    ("count", sequence::length),
    ("d", default),
    ("default", default),
    ("dictsort", sequence::dictsort),
    ("e", text::escape),
    ("escape", text::escape),
    ("filesizeformat", number::filesizeformat),
    ("first", sequence::first),
    ("float", number::float),
    ("forceescape", text::escape),
    ("format", text::format),
    ("groupby", select::groupby),
    ("hash", digest::hash),
    ("hmac", digest::hmac),
    ("indent", text::indent),
    ("int", number::int),
    ("items", sequence::items),
    ("join", sequence::join),
    ("last", sequence::last),
    ("length", sequence::length),
    ("list", sequence::list),
    ("lower", text::lower),
    ("map", select::map),
    ("max", sequence::max),
    ("min", sequence::min),
    ("pprint", text::pprint),
    ("random", random),
    ("regex_replace", text::regex_replace),
    ("regex_search", text::regex_search),
    ("reject", select::reject),
    ("rejectattr", select::rejectattr),
    ("replace", text::replace),
    ("reverse", sequence::reverse),
    ("round", number::round),
    ("safe", text::safe),
    ("select", select::select),
    ("selectattr", select::selectattr),
    ("slice", sequence::slice),
    ("sort", sequence::sort),
    ("string", text::string),
    ("striptags", text::striptags),
    ("sum", sequence::sum),
    ("title", text::title),
    ("tojson", text::tojson),
    ("trim", text::trim),
    ("truncate", text::truncate),
    ("unique", sequence::unique),
    ("upper", text::upper),
    ("urlencode", text::urlencode),
    ("urlize", unsupported),
    ("wordcount", text::wordcount),
    ("wordwrap", unsupported),
    ("xmlattr", unsupported),
];

impl Filter {
    pub(crate) fn named(name: &str) -> Option<Self> {
        let at = FILTERS.binary_search_by(|(known, _)| (*known).cmp(name)).ok()?;
        Some(Self(FILTERS[at].1))
    }

    pub(crate) fn apply<'a>(self, run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
        run.budget.spend(2)?;
        (self.0)(run, value, arguments)
    }
}

fn default<'a>(_run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [default, boolean] = arguments.bind("default", ["default_value", "boolean"], 0)?;
    let falsy_too = boolean.is_some_and(|boolean| boolean.truth());
    if value.is_undefined() || (falsy_too && !value.truth()) {
        return Ok(default.unwrap_or_else(|| Value::from("")));
    }
    Ok(value)
}

fn random<'a>(_run: &mut Run<'a>, _value: Value<'a>, _arguments: Given<'a>) -> Eval<Value<'a>> {
    Err(Fault::unsupported("uses the filter `random`, whose result nothing could repeat"))
}

fn unsupported<'a>(_run: &mut Run<'a>, _value: Value<'a>, _arguments: Given<'a>) -> Eval<Value<'a>> {
    Err(Fault::unsupported("uses a filter that lays out pages for people (`urlize`, `wordwrap` or `xmlattr`)"))
}

/// A flag among the arguments.
fn flag(value: Option<&Value<'_>>) -> bool {
    value.is_some_and(Value::truth)
}
