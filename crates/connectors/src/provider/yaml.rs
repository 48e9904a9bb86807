//! The one place that knows the YAML crate: reads a typed document and says where it is wrong, and what was meant.

mod every;
mod tree;

use domain::suggest::nearest;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_saphyr::{Error, Location, Spanned};

use super::error::{Place, RecipeError, RecipeErrors};

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct At<T> {
    pub value: T,
    pub referenced: Location,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, referenced, .. } = Spanned::deserialize(deserializer)?;
        Ok(Self { value, referenced })
    }
}

/// Reads one document, or says everything that is wrong with it. `lines_before` is how many lines of the file come
/// before `text`.
pub(crate) fn parse<T: DeserializeOwned>(file: &str, text: &str, lines_before: u64) -> Result<T, RecipeErrors> {
    read(text).map_err(|first| {
        let mistakes = every::mistakes::<T>(text, &first);
        let told = mistakes.into_iter().map(|Mistake { place, message, help }| {
            let place = Place { line: place.line + lines_before, ..place };
            RecipeError { file: file.to_owned(), place, message, help }
        });
        RecipeErrors(told.collect())
    })
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    serde_saphyr::from_str_with_options(text, serde_saphyr::options! { with_snippet: false })
}

/// What is wrong, where in its document, and what to do about it.
struct Mistake {
    place: Place,
    message: String,
    help: Option<String>,
}

impl Mistake {
    fn of(error: &Error, place: Place) -> Self {
        let (message, help) = told(error);
        Self { place, message, help }
    }
}

fn place_of(error: &Error) -> Place {
    error.location().map_or(Place::default(), |location| place(&location, 0))
}

/// Where a node stands in its document.
pub(crate) fn place(location: &Location, lines_before: u64) -> Place {
    Place { line: location.line() + lines_before, column: location.column() }
}

/// A mistake and what to do about it.
fn told(error: &Error) -> (String, Option<String>) {
    match error.without_snippet() {
        Error::SerdeUnknownField { field, expected, .. } => {
            (format!("unknown key '{field}'"), Some(meant(field, expected)))
        }
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            (format!("'{variant}' is none of the words that can stand here"), Some(meant(variant, expected)))
        }
        Error::SerdeMissingField { field, .. } => {
            (format!("'{field}' is missing"), Some(format!("add {field}: to what begins here")))
        }
        other => (bare_message(&other.to_string()), None),
    }
}

/// The word that is nearest to what was written, else all that there are.
fn meant(word: &str, known: &[&str]) -> String {
    match (nearest(word, known.iter().copied()), known) {
        (Some(near), _) => format!("did you mean '{near}'?"),
        (None, []) => "nothing can stand here".to_owned(),
        (None, known) => format!("there are: {}", known.join(", ")),
    }
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

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "read only by serde")]
    struct Shape {
        name: String,
        size: Option<u32>,
        hue: Option<Hue>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Hue {
        Red,
        Blue,
    }

    fn only(result: Result<Shape, RecipeErrors>) -> RecipeError {
        let mut errors = result.expect_err("it is wrong").0;
        assert_eq!(errors.len(), 1, "{errors:?}");
        errors.remove(0)
    }

    #[test]
    fn errors_name_their_place_once() {
        for (text, line, said) in [
            ("name: a\nsizes: 1\n", 2, "unknown key 'sizes'"),
            ("name: a\nsize: many\n", 2, "invalid"),
            ("name: a\nname: b\n", 2, "is written twice: first in line 1"),
            ("name: [\n", 1, "expected"),
        ] {
            let error = only(parse::<Shape>("a.yaml", text, 10));
            assert_eq!(error.place.line, line + 10, "{error}");
            assert!(error.message.contains(said), "{error}");
            assert!(!error.message.contains("at line ") && !error.message.contains("Policy"), "{error}");
        }
    }

    #[test]
    fn slips_get_the_word_that_was_meant_and_other_words_all_there_are() {
        for (text, help) in [
            ("nam: a\n", "did you mean 'name'?"),
            ("name: a\ncolour: red\n", "there are: name, size, hue"),
            ("name: a\nhue: rde\n", "did you mean 'red'?"),
            ("name: a\nhue: green\n", "there are: red, blue"),
            ("size: 1\n", "add name: to what begins here"),
        ] {
            let error = only(parse::<Shape>("a.yaml", text, 0));
            assert_eq!(error.help.as_deref(), Some(help), "{error}");
        }
        assert_eq!((Hue::Red as u8, Hue::Blue as u8), (0, 1));
    }
}
