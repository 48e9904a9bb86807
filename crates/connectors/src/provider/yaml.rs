//! The one place that knows the YAML crate: reads a typed document and says where it is wrong.

use serde::de::DeserializeOwned;
use serde_saphyr::Location;
pub(crate) use serde_saphyr::Spanned as At;

use super::error::{Place, RecipeError};

/// Reads one document. `lines_before` is how many lines of the file come before `text`.
pub(crate) fn parse<T: DeserializeOwned>(file: &str, text: &str, lines_before: u64) -> Result<T, RecipeError> {
    let options = serde_saphyr::options! { with_snippet: false };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let place = error.location().map_or(Place::default(), |location| place(&location, lines_before));
        RecipeError { file: file.to_owned(), place, message: bare_message(&error.to_string()) }
    })
}

/// Where a node stands in its document.
pub(crate) fn place(location: &Location, lines_before: u64) -> Place {
    Place { line: location.line() + lines_before, column: location.column() }
}

/// The crate ends its sentence with the location, and with advice to its programmers; ours stands in front.
fn bare_message(message: &str) -> String {
    let message = message.lines().next().unwrap_or_default();
    let message = message.rfind(" at line ").map_or(message, |at| &message[..at]);
    message.split(", set DuplicateKeyPolicy").next().unwrap_or(message).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "read only by serde")]
    struct Shape {
        name: String,
        size: Option<u32>,
    }

    #[test]
    fn errors_name_their_place_once() {
        for (text, line, said) in [
            ("name: a\nsizes: 1\n", 2, "unknown field"),
            ("name: a\nsize: many\n", 2, "invalid"),
            ("name: a\nname: b\n", 2, "duplicate"),
            ("name: [\n", 1, "expected"),
        ] {
            let error = parse::<Shape>("a.yaml", text, 10).expect_err(text);
            assert_eq!(error.place.line, line + 10, "{error}");
            assert!(error.message.contains(said), "{error}");
            assert!(!error.message.contains("line ") && !error.message.contains("Policy"), "{error}");
        }
    }
}
