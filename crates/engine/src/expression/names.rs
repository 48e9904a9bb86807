//! The names of the language's functions, by what matters about them here, and the nearest one to a misspelt name.

/// Built-ins that call a function for each item.
pub(super) const TAKES_FUNCTION: &[&str] = &["each", "filter", "map", "reduce", "sift", "single", "sort"];

/// Built-ins whose result may hold the same thing several times.
pub(super) const REPEATING: &[&str] = &["append", "each", "filter", "map", "merge", "reduce", "sift", "spread", "zip"];

/// The functions of the language, `$eval` aside.
pub(super) const BUILTINS: &[&str] = &[
    "abs",
    "append",
    "assert",
    "average",
    "base64decode",
    "base64encode",
    "boolean",
    "ceil",
    "contains",
    "count",
    "decodeUrl",
    "decodeUrlComponent",
    "distinct",
    "each",
    "encodeUrl",
    "encodeUrlComponent",
    "error",
    "exists",
    "filter",
    "floor",
    "formatBase",
    "formatInteger",
    "formatNumber",
    "fromMillis",
    "join",
    "keys",
    "length",
    "lookup",
    "lowercase",
    "map",
    "match",
    "max",
    "merge",
    "millis",
    "min",
    "not",
    "now",
    "number",
    "pad",
    "parseInteger",
    "power",
    "random",
    "reduce",
    "replace",
    "reverse",
    "round",
    "shuffle",
    "sift",
    "single",
    "sort",
    "split",
    "spread",
    "sqrt",
    "string",
    "substring",
    "substringAfter",
    "substringBefore",
    "sum",
    "toMillis",
    "trim",
    "type",
    "uppercase",
    "zip",
];

/// The known name that differs least, if few letters differ.
pub(super) fn closest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    const DISTANCE_MAX: usize = 2;
    known
        .map(|other| (distance(name, other), other))
        .filter(|(distance, _)| *distance <= DISTANCE_MAX)
        .min()
        .map(|(_, other)| other)
}

/// Letters to insert, delete or change.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, right) in b.iter().enumerate() {
            let changed = diagonal + usize::from(!left.eq_ignore_ascii_case(right));
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// The arguments that a checked built-in takes when it is handed to `$map` and its like.
pub(super) fn params_of(builtin: &str) -> usize {
    match builtin {
        "distinct" => 1,
        "pad" | "split" | "match" | "formatNumber" | "fromMillis" => 3,
        "replace" => 4,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_names_find_their_neighbour() {
        let closest = |name| closest(name, BUILTINS.iter().copied());
        assert_eq!(closest("upercase"), Some("uppercase"));
        assert_eq!(closest("lenght"), Some("length"));
        assert_eq!(closest("Sum"), Some("sum"));
        assert_eq!(closest("customer"), None);
    }
}
