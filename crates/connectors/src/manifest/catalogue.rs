//! The connectors that are embedded in the binary, by name: texts only, read when somebody asks for one.

/// Name and text of each file of `catalogue/connectors`, in alphabetical order; `build.rs` lists them.
const TEXTS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/connectors.rs"));

/// The manifest of one of ours.
#[must_use]
pub fn embedded(name: &str) -> Option<&'static str> {
    TEXTS.binary_search_by_key(&name, |(name, _)| *name).ok().map(|at| TEXTS[at].1)
}

/// The names of all of ours, in alphabetical order.
pub fn embedded_names() -> impl Iterator<Item = &'static str> {
    TEXTS.iter().map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_embedded_name_finds_its_text() {
        for name in embedded_names() {
            assert!(embedded(name).is_some_and(|text| !text.trim().is_empty()), "{name}");
        }
        assert_eq!(embedded("no such connector"), None);
    }
}
