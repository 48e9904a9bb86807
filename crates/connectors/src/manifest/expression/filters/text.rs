//! Texts: case, trimming, replacing, escaping, JSON and regular expressions.

use super::flag;
use crate::manifest::expression::arguments::Given;
use crate::manifest::expression::budget::NESTING_MAX;
use crate::manifest::expression::evaluate::Run;
use crate::manifest::expression::fault::{Eval, Fault};
use crate::manifest::expression::formatting::percent;
use crate::manifest::expression::json::{Layout, dumps};
use crate::manifest::expression::lexer::is_space;
use crate::manifest::expression::methods::{
    capitalized, centred, entries as entries_of, int_of, lines, maybe_int, replaced, size_of,
};
use crate::manifest::expression::pattern;
use crate::manifest::expression::print::{to_repr, to_str};
use crate::manifest::expression::quoting::quoted;
use crate::manifest::expression::value::Value;

pub(super) fn upper<'a>(run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [] = arguments.bind("upper", [], 0)?;
    Ok(Value::from(run.str(&value)?.to_uppercase()))
}

pub(super) fn lower<'a>(run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [] = arguments.bind("lower", [], 0)?;
    Ok(Value::from(run.str(&value)?.to_lowercase()))
}

pub(super) fn capitalize<'a>(run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [] = arguments.bind("capitalize", [], 0)?;
    Ok(Value::from(capitalized(&run.str(&value)?)))
}

/// Words begin after whitespace, a dash or an opening bracket.
pub(super) fn title<'a>(run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [] = arguments.bind("title", [], 0)?;
    let text = run.str(&value)?;
    let parts_words = |c: char| is_space(c) || "-({[<".contains(c);
    let mut titled = String::with_capacity(text.len());
    let mut word = String::new();
    for character in text.chars() {
        if parts_words(character) {
            titled.push_str(&capitalized(&std::mem::take(&mut word)));
            titled.push(character);
        } else {
            word.push(character);
        }
    }
    titled.push_str(&capitalized(&word));
    Ok(Value::from(titled))
}

pub(super) fn center<'a>(run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [width] = arguments.bind("center", ["width"], 0)?;
    let width = size_of(width.map(|width| int_of(&width)).transpose()?.unwrap_or(80));
    run.budget.text(width)?;
    Ok(Value::from(centred(&run.str(&value)?, width, ' ')))
}

pub(super) fn trim<'a>(run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [characters] = arguments.bind("trim", ["chars"], 0)?;
    let text = run.str(&value)?;
    let trimmed = match &characters {
        None | Some(Value::None) => text.trim_matches(is_space),
        Some(Value::Text(characters)) => text.trim_matches(|c: char| characters.as_str().contains(c)),
        Some(other) => return Err(Fault::wrong_type(format!("trims a {}", other.type_name()))),
    };
    Ok(Value::from(trimmed.to_owned()))
}

pub(super) fn replace<'a>(run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [old, new, count] = arguments.bind("replace", ["old", "new", "count"], 2)?;
    let count = maybe_int(count.as_ref())?.unwrap_or(-1);
    let (text, old) = (run.str(&value)?, run.str(&old.unwrap_or(Value::None))?);
    let new = run.str(&new.unwrap_or(Value::None))?;
    replaced(run, &text, &old, &new, count)
}

pub(super) fn format<'a>(run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    if !arguments.positional.is_empty() && !arguments.named.is_empty() {
        return Err(Fault::value("formats with values by position and by name"));
    }
    let values = if arguments.named.is_empty() {
        Value::Tuple(arguments.positional.into())
    } else {
        let entries = arguments.named.into_iter().map(|(name, value)| (Value::from(name.into_owned()), value));
        Value::dict(entries.collect())
    };
    let format = run.str(&value)?;
    percent(&format, &values, &mut run.budget).map(Value::from)
}

/// Escaped for HTML.
pub(super) fn escape<'a>(run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [] = arguments.bind_unnamed("escape", 0)?;
    let text = run.str(&value)?;
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\'' => escaped.push_str("&#39;"),
            '"' => escaped.push_str("&#34;"),
            other => escaped.push(other),
        }
    }
    run.budget.text(escaped.len())?;
    Ok(Value::from(escaped))
}

pub(super) fn safe<'a>(run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [] = arguments.bind("safe", [], 0)?;
    run.str(&value).map(Value::from)
}

/// A text stays as it is; anything else becomes JSON in triple quotes, so that it is read back as a text.
pub(super) fn string<'a>(run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [] = arguments.bind("string", [], 0)?;
    if value.as_str().is_some() {
        return Ok(value);
    }
    if value.is_undefined() {
        return Err(Fault::wrong_type("writes something undefined as JSON"));
    }
    let json = dumps(&value, &Layout::default(), &mut run.budget)?;
    Ok(Value::from(format!("\"\"\"{json}\"\"\"")))
}

/// JSON with sorted keys, in which nothing looks like HTML.
pub(super) fn tojson<'a>(run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [indent] = arguments.bind("tojson", ["indent"], 0)?;
    let indent = match indent {
        None | Some(Value::None) => None,
        Some(Value::Text(indent)) => Some(indent.as_str().to_owned()),
        Some(count) => Some(" ".repeat(size_of(int_of(&count)?).min(100))),
    };
    let json = dumps(&value, &Layout { sort_keys: true, indent }, &mut run.budget)?;
    let safe = json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026").replace('\'', "\\u0027");
    Ok(Value::from(safe))
}

pub(super) fn pprint<'a>(run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [] = arguments.bind("pprint", [], 0)?;
    let value = with_sorted_keys(run, &value, 0)?;
    let text = to_repr(&value, &mut run.budget)?;
    // Longer ones are broken into lines, for people.
    if text.chars().count() > 80 {
        return Err(Fault::unsupported("prints a long value in lines with `pprint`"));
    }
    Ok(Value::from(text))
}

fn with_sorted_keys<'a>(run: &mut Run<'a>, value: &Value<'a>, depth: usize) -> Eval<Value<'a>> {
    run.budget.spend(1)?;
    if depth > NESTING_MAX {
        return Err(Fault::limit("prints a value that nests too deep"));
    }
    if value.is_list() {
        let items = value.items()?.iter().map(|item| with_sorted_keys(run, item, depth + 1)).collect::<Eval<_>>()?;
        return Ok(Value::list(items));
    }
    if !value.is_mapping() {
        return Ok(value.clone());
    }
    let mut entries = Vec::new();
    for (key, value) in entries_of(value)? {
        entries.push((key, with_sorted_keys(run, &value, depth + 1)?));
    }
    entries.sort_by(|(left, _), (right, _)| left.as_str().cmp(&right.as_str()));
    Ok(Value::dict(entries))
}

pub(super) fn urlencode<'a>(run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [] = arguments.bind("urlencode", [], 0)?;
    let iterable = value.as_str().is_none() && crate::manifest::expression::checks::is_iterable(&value);
    if !iterable {
        return Ok(Value::from(quoted(&run.str(&value)?, "/")));
    }
    let pairs =
        if matches!(value, Value::Dict(_) | Value::Mapping(crate::manifest::expression::value::Mapping::Object(_))) {
            entries_of(&value)?
        } else {
            crate::manifest::expression::methods::pairs(&Value::list(value.items()?))?
        };
    run.budget.spend(pairs.len())?;
    let mut parts = Vec::with_capacity(pairs.len());
    for (key, value) in pairs {
        let (key, value) = (run.str(&key)?, run.str(&value)?);
        parts.push(format!("{}={}", quoted(&key, "").replace("%20", "+"), quoted(&value, "").replace("%20", "+")));
    }
    Ok(Value::from(parts.join("&")))
}

pub(super) fn wordcount<'a>(run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [] = arguments.bind("wordcount", [], 0)?;
    let text = run.str(&value)?;
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty()).count();
    Ok(Value::Int(i128::try_from(words).unwrap_or(i128::MAX)))
}

pub(super) fn striptags<'a>(run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [] = arguments.bind("striptags", [], 0)?;
    let text = run.str(&value)?;
    let is_entity = |at: usize| text[at + 1..].starts_with(|c: char| c == '#' || c.is_ascii_alphabetic());
    if text.match_indices('&').any(|(at, _)| is_entity(at)) {
        return Err(Fault::unsupported("strips the tags of a text with HTML entities"));
    }
    let mut kept = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(start) = rest.find('<') {
        let comment = rest[start..].starts_with("<!--");
        let close = if comment { "-->" } else { ">" };
        let Some(end) = rest[start..].find(close) else { break };
        kept.push_str(&rest[..start]);
        rest = &rest[start + end + close.len()..];
    }
    kept.push_str(rest);
    Ok(Value::from(kept.split(is_space).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")))
}

pub(super) fn indent<'a>(run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [width, first, blank] = arguments.bind("indent", ["width", "first", "blank"], 0)?;
    let indention = match &width {
        None => "    ".to_owned(),
        Some(Value::Text(indention)) => indention.as_str().to_owned(),
        Some(width) => " ".repeat(size_of(int_of(width)?).min(10_000)),
    };
    let Value::Text(text) = &value else {
        return Err(match value {
            Value::Undefined(_) => value.undefined_fault(),
            // Python adds the line break to the list before it finds that a list has no lines.
            Value::List(_) | Value::Array(_) => Fault::value("indents a list"),
            other => Fault::wrong_type(format!("indents a {}", other.type_name())),
        });
    };
    let text = format!("{}\n", text.as_str());
    let blank = flag(blank.as_ref());
    let mut indented = if flag(first.as_ref()) { indention.clone() } else { String::new() };
    for (at, line) in lines(&text, false).into_iter().enumerate() {
        if at > 0 {
            indented.push('\n');
            if blank || !line.is_empty() {
                indented.push_str(&indention);
            }
        }
        indented.push_str(line);
        run.budget.text(indention.len() + line.len())?;
    }
    run.budget.text(indented.len())?;
    Ok(Value::from(indented))
}

pub(super) fn truncate<'a>(run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [length, killwords, end, leeway] = arguments.bind("truncate", ["length", "killwords", "end", "leeway"], 0)?;
    let length = length.map(|length| int_of(&length)).transpose()?.unwrap_or(255);
    let leeway = maybe_int(leeway.as_ref())?.unwrap_or(5);
    let end = end.map(|end| to_str(&end, &mut run.budget)).transpose()?.unwrap_or_else(|| "...".to_owned());
    let end_length = i128::try_from(end.chars().count()).unwrap_or(i128::MAX);
    if length < end_length || leeway < 0 {
        return Err(Fault::value("truncates a text to less than its end mark"));
    }
    let Value::Text(text) = &value else {
        return match value.length() {
            Some(count) if i128::try_from(count).is_ok_and(|count| count <= length + leeway) => Ok(value),
            _ => Err(Fault::wrong_type(format!("truncates a {}", value.type_name()))),
        };
    };
    let text = text.as_str();
    let count = i128::try_from(text.chars().count()).unwrap_or(i128::MAX);
    if count <= length + leeway {
        return Ok(value.clone());
    }
    let kept: String = text.chars().take(size_of(length - end_length)).collect();
    let kept =
        if flag(killwords.as_ref()) { &kept[..] } else { kept.rsplit_once(' ').map_or(&kept[..], |(kept, _)| kept) };
    Ok(Value::from([kept, &end].concat()))
}

/// A value and a pattern, both of which must be texts.
fn searched<'v>(value: &'v Value<'_>, pattern: Option<&'v Value<'_>>) -> Eval<(&'v str, &'v str)> {
    let pattern = pattern.and_then(Value::as_str).ok_or_else(|| Fault::wrong_type("searches with what is no text"))?;
    let text = value.as_str().ok_or_else(|| Fault::wrong_type(format!("searches in a {}", value.type_name())))?;
    Ok((text, pattern))
}

/// The first group of the first match, or nothing.
pub(super) fn regex_search<'a>(run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let cell = arguments.pattern;
    let [pattern] = arguments.bind("regex_search", ["regex"], 1)?;
    let (text, pattern) = searched(&value, pattern.as_ref())?;
    run.budget.text(text.len())?;
    let regex = pattern::compiled(pattern, cell)?;
    if regex.captures_len() < 2 {
        return Ok(Value::from(""));
    }
    Ok(match first_match(&regex, pattern, text) {
        // A group that took no part is Python's None.
        Some(captures) => captures.get(1).map_or(Value::None, |group| Value::from(group.as_str().to_owned())),
        None => Value::from(""),
    })
}

/// The first match; Python's `$` also stands before a line break at the end.
fn first_match<'t>(regex: &regex::Regex, pattern: &str, text: &'t str) -> Option<regex::Captures<'t>> {
    let whole = regex.captures(text);
    let Some(line) = text.strip_suffix('\n').filter(|_| pattern.contains('$')) else { return whole };
    let start = |captures: &regex::Captures<'t>| captures.get(0).map_or(0, |found| found.start());
    match (whole, regex.captures(line)) {
        (Some(whole), Some(line)) if start(&line) < start(&whole) => Some(line),
        (whole, line) => whole.or(line),
    }
}

pub(super) fn regex_replace<'a>(run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let cell = arguments.pattern;
    let [pattern, replacement] = arguments.bind("regex_replace", ["regex", "replacement"], 2)?;
    let (text, pattern) = searched(&value, pattern.as_ref())?;
    let replacement = replacement.as_ref().and_then(Value::as_str);
    let replacement = replacement.ok_or_else(|| Fault::wrong_type("replaces with what is no text"))?;
    let regex = pattern::compiled(pattern, cell)?;
    let mut replaced = String::with_capacity(text.len());
    let mut last = 0;
    for captures in regex.captures_iter(text) {
        let Some(whole) = captures.get(0) else { continue };
        replaced.push_str(&text[last..whole.start()]);
        pattern::expanded(replacement, &captures, &mut replaced)?;
        last = whole.end();
        run.budget.spend(1)?;
        run.budget.text(replaced.len() / 64)?;
    }
    replaced.push_str(&text[last..]);
    run.budget.text(replaced.len())?;
    Ok(Value::from(replaced))
}
