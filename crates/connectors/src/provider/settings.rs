//! Values that a source chooses for a parametrised recipe, such as the header of a generic HMAC.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{Error as PlainError, StrDeserializer};
use serde::de::{DeserializeOwned, Error as _, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::error::KeyError;

/// What a source sets, by name. Checked against what the recipe declares when keys are compiled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<String, String>);

impl Settings {
    /// Settings as configurations hold them: each one scalar.
    pub fn from_json(values: &BTreeMap<String, serde_json::Value>) -> Result<Self, KeyError> {
        let text = |(name, value): (&String, &serde_json::Value)| match value {
            serde_json::Value::String(text) => Ok((name.clone(), text.clone())),
            serde_json::Value::Number(_) | serde_json::Value::Bool(_) => Ok((name.clone(), value.to_string())),
            _ => Err(KeyError::SettingNotScalar { name: name.clone() }),
        };
        values.iter().map(text).collect::<Result<_, _>>().map(Self)
    }

    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.insert(name.into(), value.into());
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Settings {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

/// A value that stands in the recipe, or the name of the setting that gives it (`{ setting: header }`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Param<T> {
    Fixed(T),
    Setting(String),
}

impl<T: Clone + DeserializeOwned> Param<T> {
    /// The value under these settings; `None` if its setting is not set. `Err` says what is wrong with the text.
    pub fn resolve(&self, settings: &Settings) -> Result<Option<T>, BadSetting> {
        match self {
            Self::Fixed(value) => Ok(Some(value.clone())),
            Self::Setting(name) => settings.get(name).map(|text| read(name, text)).transpose(),
        }
    }

    pub fn setting(&self) -> Option<&str> {
        match self {
            Self::Fixed(_) => None,
            Self::Setting(name) => Some(name),
        }
    }
}

/// A setting whose text does not fit the place where it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadSetting {
    pub name: String,
    pub value: String,
    pub problem: String,
}

fn read<T: DeserializeOwned>(name: &str, text: &str) -> Result<T, BadSetting> {
    let text_deserializer: StrDeserializer<'_, PlainError> = text.into_deserializer();
    T::deserialize(text_deserializer).map_err(|error| BadSetting {
        name: name.to_owned(),
        value: text.to_owned(),
        problem: error.to_string(),
    })
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Param<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = Param<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text (in quotes if it looks like a number) or { setting: NAME }")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                let deserializer: StrDeserializer<'_, E> = text.into_deserializer();
                T::deserialize(deserializer).map(Param::Fixed)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let (key, name): (String, String) =
                    map.next_entry()?.ok_or_else(|| A::Error::custom("expected { setting: NAME }"))?;
                if key != "setting" || map.next_key::<String>()?.is_some() {
                    return Err(A::Error::custom("expected { setting: NAME } and nothing else"));
                }
                Ok(Param::Setting(name))
            }
        }
        deserializer.deserialize_any(Either(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Colour {
        Red,
        Blue,
    }

    fn param(json: &str) -> Result<Param<Colour>, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn settings_of_a_configuration_are_scalars() {
        let values = |json: &str| serde_json::from_str(json).expect(json);
        let settings = Settings::from_json(&values(r#"{"a":"x","b":5,"c":true}"#)).expect("scalars");
        assert_eq!(settings.iter().collect::<Vec<_>>(), [("a", "x"), ("b", "5"), ("c", "true")]);
        for odd in [r#"{"a":[]}"#, r#"{"a":{}}"#, r#"{"a":null}"#] {
            assert_eq!(
                Settings::from_json(&values(odd)).map_err(|error| error.code()),
                Err("setting_unusable"),
                "{odd}"
            );
        }
    }

    #[test]
    fn a_value_is_fixed_or_comes_from_a_setting() {
        let settings: Settings = [("paint", "blue"), ("odd", "green")].into_iter().collect();
        let resolve = |json: &str| param(json).expect(json).resolve(&settings);
        assert_eq!(resolve(r#""red""#), Ok(Some(Colour::Red)));
        assert_eq!(resolve(r#"{"setting":"paint"}"#), Ok(Some(Colour::Blue)));
        assert_eq!(resolve(r#"{"setting":"absent"}"#), Ok(None));
        assert_eq!(resolve(r#"{"setting":"odd"}"#).expect_err("green is no colour").name, "odd");
        for bad in [r#""green""#, r#"{"set":"paint"}"#, r#"{"setting":"a","b":"c"}"#, "{}", "1"] {
            assert!(param(bad).is_err(), "{bad}");
        }
    }
}
