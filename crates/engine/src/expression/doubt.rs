//! What can be told of a filter without any event: that it lets nothing through, or asks for a field that no event
//! has. Only what is certain and cheap to see; anything else is for the running gateway to notice.

use jsonata_core::ast::AstNode;
use jsonata_core::parser;

use super::names::closest;
use super::tree::children;
use super::unbroken;

/// The fields of the envelope, and where fetched records are.
pub(crate) const ROOT_FIELDS: [&str; 16] = [
    "id",
    "source",
    "connection",
    "type",
    "native_type",
    "subject",
    "action",
    "version",
    "origin",
    "assurance",
    "stale",
    "occurred_at",
    "received_at",
    "data",
    "data_base64",
    "enriched",
];

/// Why a filter is probably not what its owner meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// It is false whatever the event.
    ConstantFalse,
    /// It asks the event for a field that none has; with the one that may be meant.
    UnknownField { name: String, near: Option<&'static str> },
}

/// What is doubtful about the text of a filter that compiles.
#[must_use]
pub fn of_filter(text: &str) -> Option<Doubt> {
    let program = unbroken(|| parser::parse(text)).ok()?.ok()?;
    if is_literal_falsehood(&program) {
        return Some(Doubt::ConstantFalse);
    }
    let mut names = Vec::new();
    root_names(&program, &mut names);
    let name = names.into_iter().find(|name| !ROOT_FIELDS.contains(name))?;
    Some(Doubt::UnknownField { name: name.to_owned(), near: closest(name, ROOT_FIELDS.into_iter()) })
}

fn is_literal_falsehood(node: &AstNode) -> bool {
    match node {
        AstNode::Boolean(value) => !value,
        AstNode::Number(value) => *value == 0.0,
        AstNode::String(text) => text.is_empty(),
        AstNode::Null | AstNode::Undefined => true,
        AstNode::Block(parts) => parts.last().is_none_or(is_literal_falsehood),
        _ => false,
    }
}

/// The names that are looked up in the event itself: where a path begins, and outside of whatever has a context of
/// its own.
fn root_names<'a>(node: &'a AstNode, names: &mut Vec<&'a str>) {
    match node {
        AstNode::Name(name) => names.push(name),
        AstNode::Path { steps } => {
            if let Some(first) = steps.first() {
                root_names(&first.node, names);
            }
        }
        AstNode::Binary { .. } | AstNode::Unary { .. } | AstNode::Function { .. } | AstNode::Conditional { .. } => {
            children(node).into_iter().for_each(|child| root_names(child, names));
        }
        AstNode::Array(_) | AstNode::Block(_) => {
            children(node).into_iter().for_each(|child| root_names(child, names));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown(name: &str, near: Option<&'static str>) -> Option<Doubt> {
        Some(Doubt::UnknownField { name: name.to_owned(), near })
    }

    #[test]
    fn what_lets_nothing_through_is_told_and_what_may_is_not() {
        let table = [
            ("false", Some(Doubt::ConstantFalse)),
            ("0", Some(Doubt::ConstantFalse)),
            ("''", Some(Doubt::ConstantFalse)),
            ("null", Some(Doubt::ConstantFalse)),
            ("(false)", Some(Doubt::ConstantFalse)),
            ("true", None),
            ("dta.action = 'opened'", unknown("dta", Some("data"))),
            ("action = 'opened' and payload.x", unknown("payload", None)),
            ("$contains(titel, 'x')", unknown("titel", None)),
            ("sourc = 'github' ? true : false", unknown("sourc", Some("source"))),
            ("data.action in ['opened', 'closed']", None),
            ("data[action = 'x'].labels.name", None),
            ("$count(data.items[price > 3]) > 1", None),
            ("($wanted := ['a']; type in $wanted)", None),
            ("$exists($$.anything)", None),
            ("$filter(data.items, function($i) { $i.price > 3 })", None),
            ("enriched.order.total > 3 or stale", None),
        ];
        for (text, doubt) in table {
            assert_eq!(of_filter(text), doubt, "{text}");
        }
    }

    #[test]
    fn every_field_of_an_envelope_is_known() {
        let event = crate::message::tests::event("text/plain", b"\xff");
        let value = crate::message::envelope_value(&event, true);
        for name in value.as_object().expect("an object").keys() {
            assert!(ROOT_FIELDS.contains(&&**name), "{name}");
        }
    }
}
