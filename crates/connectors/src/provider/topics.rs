//! Which types a recipe can give an event, as far as its text tells: for whoever names a sender's topics elsewhere and
//! wants to know that one of them can ever come.

use super::event::TYPE_JOINT;
use super::recipe::Recipe;
use super::settings::Param;
use super::spec::{Extract, Transform};

impl Recipe {
    /// Whether an event can have this type. What the sender says freely can be any text.
    #[must_use]
    pub fn can_tell(&self, event_type: &str) -> bool {
        let event = &self.spec().event.value;
        let mut templates = event.event_type.iter();
        event_type == event.type_otherwise
            || templates.any(|template| {
                let parts: Vec<&Extract> = template.iter().map(|part| &part.value).collect();
                fits(&parts, Some(event_type))
            })
    }
}

/// Whether the parts, joined, can be the text; `None`: all of it is used up.
fn fits(parts: &[&Extract], left: Option<&str>) -> bool {
    let (Some((part, rest)), Some(text)) = (parts.split_first(), left) else {
        return parts.iter().all(|part| matches!(part, Extract::Maybe(_))) && left.is_none();
    };
    if matches!(part, Extract::Maybe(_)) && fits(rest, left) {
        return true;
    }
    let joints = text.match_indices(TYPE_JOINT).map(|(at, _)| (&text[..at], Some(&text[at + TYPE_JOINT.len()..])));
    joints.chain([(text, None)]).any(|(own, left)| can_be(part, own) && fits(rest, left))
}

/// Whether a value can be this text.
fn can_be(value: &Extract, text: &str) -> bool {
    match value {
        _ if text.is_empty() => false,
        Extract::Const(Param::Fixed(only)) => only == text,
        Extract::Maybe(of) | Extract::Whole(of) | Extract::Parent(of) => can_be(of, text),
        Extract::Method => text.bytes().all(|byte| byte.is_ascii_uppercase()),
        Extract::Position => text.bytes().all(|byte| byte.is_ascii_digit()),
        Extract::Transform(made) => made.by.iter().rev().all(|step| match step {
            Transform::Lower => text.to_lowercase() == text,
            Transform::Upper => text.to_uppercase() == text,
            Transform::Only(only) => only == text,
            Transform::Before(mark) => !text.contains(mark.as_str()),
            _ => true,
        }),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use crate::provider::catalogue;

    #[test]
    fn a_type_is_told_only_where_the_recipe_leaves_room_for_it() {
        for (provider, event_type, expected) in [
            ("stripe", "charge.succeeded", true),
            ("github", "push", true),
            ("github", "issues.opened", true),
            ("airtable", "notification", true),
            ("airtable", "record.created", false),
            ("bamboohr", "employee.created", true),
            ("slack", "slash_command./weather", true),
            ("slack", "", false),
            ("stripe", "unknown", true),
        ] {
            let recipe = catalogue().get(provider).expect(provider);
            assert_eq!(recipe.can_tell(event_type), expected, "{provider} {event_type}");
        }
    }
}
