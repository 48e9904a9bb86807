//! What a shape is after more values, and what of that is new: a decision without a store.

use std::sync::Arc;

use domain::shape::{Found, Shape};
use store::shapes::{ShapeChange, ShapeHead, ShapeKey, ShapeRow};

use super::sample::Read;

/// The row to write, with its generation as it was read, and its changes. `None` where there is nothing to learn from.
pub(super) fn learned(
    before: Option<ShapeRow>,
    key: &ShapeKey,
    values: &[Read],
) -> Option<(ShapeRow, Vec<ShapeChange>)> {
    let first = values.first()?;
    let mut row = before.unwrap_or_else(|| {
        let key = key.clone();
        let head = ShapeHead { key, version: 1, seen: 0, first_at: first.at, last_at: first.at, changed_at: None };
        ShapeRow { head, shape: Shape::default(), generation: 0 }
    });
    let mut changes = Vec::new();
    for read in values {
        let found = row.shape.learn(&read.value);
        let head = &mut row.head;
        head.seen += 1;
        head.last_at = head.last_at.max(read.at);
        if found.is_empty() {
            continue;
        }
        head.version += 1;
        head.changed_at = Some(read.at);
        let version = head.version;
        let change = |Found { change, example }| ShapeChange {
            version,
            at: read.at,
            change,
            event: read.event,
            example: Arc::from(example),
        };
        changes.extend(found.into_iter().map(change));
    }
    Some((row, changes))
}

#[cfg(test)]
mod tests {
    use domain::Timestamp;
    use serde_json::json;
    use store::shapes::ShapeOf;

    use super::*;

    fn reads(values: impl IntoIterator<Item = serde_json::Value>) -> Vec<Read> {
        let read = |(at, value): (i64, _)| Read { at: Timestamp::from_secs(at), event: None, value };
        (0..).zip(values).map(read).collect()
    }

    #[test]
    fn the_version_moves_with_each_value_that_changes_what_was_learned() {
        let (tenant, source) = (domain::Tenant::default_tenant(), "shop".parse().expect("a name"));
        let key = ShapeKey { tenant, source, of: ShapeOf::Event, name: "order".into() };
        assert_eq!(learned(None, &key, &[]), None);
        let orders = reads((0..40).map(|number| json!({ "id": number })));
        let (row, changes) = learned(None, &key, &orders).expect("it is learned");
        assert_eq!((row.head.version, row.head.seen, row.generation, changes.len()), (1, 40, 0, 0));
        let row = ShapeRow { generation: 5, ..row };
        let odd = reads([json!({ "id": 1 }), json!({ "id": "x", "more": 1 }), json!({ "id": 1.5, "more": 1 })]);
        let (row, changes) = learned(Some(row), &key, &odd).expect("it is learned");
        assert_eq!((row.head.version, row.head.seen, row.generation), (3, 43, 5), "the generation is the store's");
        let told: Vec<(u32, String)> =
            changes.iter().map(|change| (change.version, change.change.sentence())).collect();
        let expected = [
            (2, "/id is string where it was integer"),
            (2, "/more is new: integer"),
            (3, "/id is number where it was integer or string"),
        ];
        assert_eq!(told, expected.map(|(version, sentence)| (version, sentence.to_owned())));
        assert_eq!(row.head.changed_at, Some(Timestamp::from_secs(2)));
    }
}
