//! One step of a path, and whether it matches a key or an index.

use serde_json::Value as Json;

/// One step of a path.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// A name, which may also be an index of a list.
    Name(Box<str>, Option<i64>),
    /// An index of a list only.
    Index(i64),
    /// Every key and every index.
    Star,
    /// Keys by a pattern.
    Glob(Box<[Part]>),
    /// Any number of steps.
    Deep,
    /// Matches nothing: a template gave what is neither a name nor a number.
    Nothing,
}

/// A part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    One(char),
    Any,
    Many,
    /// One of these ranges, or none of them.
    Set {
        ranges: Box<[(char, char)]>,
        negated: bool,
    },
}

impl Step {
    pub fn named(name: &str) -> Self {
        match name {
            "**" => Self::Deep,
            "*" => Self::Star,
            _ if name.contains(['*', '?', '[']) => Self::Glob(parts(name)),
            _ => Self::Name(name.into(), name.trim().parse().ok()),
        }
    }

    pub fn evaluated(value: &Json) -> Self {
        match value {
            Json::String(name) => Self::named(name),
            Json::Bool(flag) => Self::Index((*flag).into()),
            Json::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(index), _) => Self::Index(index),
                (None, Some(float)) => Self::Index(float.trunc() as i64),
                (None, None) => Self::Nothing,
            },
            Json::Null | Json::Array(_) | Json::Object(_) => Self::Nothing,
        }
    }

    pub fn is_star(&self) -> bool {
        matches!(self, Self::Star)
    }

    pub fn is_pattern(&self) -> bool {
        matches!(self, Self::Star | Self::Glob(_) | Self::Deep)
    }

    pub fn is_deep(&self) -> bool {
        matches!(self, Self::Deep)
    }

    /// The name, if no other one matches.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name, _) => Some(name),
            _ => None,
        }
    }

    /// The only element that it matches in a list of this length, where it matches one at most.
    pub fn index(&self, length: usize) -> Option<usize> {
        let (Self::Name(_, Some(index)) | Self::Index(index)) = self else { return None };
        let length = i64::try_from(length).ok()?;
        let index = if *index < 0 { index.checked_add(length)? } else { *index };
        (0..length).contains(&index).then(|| index.unsigned_abs() as usize)
    }

    pub fn matches_key(&self, key: &str) -> bool {
        match self {
            Self::Name(name, _) => **name == *key,
            Self::Star | Self::Deep => true,
            Self::Glob(parts) => matches(parts, key),
            Self::Index(_) | Self::Nothing => false,
        }
    }

    pub fn matches_index(&self, index: usize, length: usize) -> bool {
        match self {
            Self::Name(..) | Self::Index(_) => self.index(length) == Some(index),
            Self::Star | Self::Deep => true,
            Self::Glob(parts) => matches(parts, &index.to_string()),
            Self::Nothing => false,
        }
    }
}

fn parts(pattern: &str) -> Box<[Part]> {
    let characters: Vec<char> = pattern.chars().collect();
    let mut parts = Vec::new();
    let mut at = 0;
    while let Some(&character) = characters.get(at) {
        at += 1;
        parts.push(match character {
            '*' if parts.last() == Some(&Part::Many) => continue,
            '*' => Part::Many,
            '?' => Part::Any,
            '[' => match set(&characters[at..]) {
                Some((set, length)) => {
                    at += length;
                    set
                }
                None => Part::One('['),
            },
            other => Part::One(other),
        });
    }
    parts.into()
}

/// The set after a `[`, and how many characters it takes with its `]`. A `]` right at its start belongs to it.
fn set(characters: &[char]) -> Option<(Part, usize)> {
    let negated = characters.first() == Some(&'!');
    let start = usize::from(negated);
    let end = start + 1 + characters.get(start + 1..)?.iter().position(|&character| character == ']')?;
    let (inside, mut ranges, mut at) = (&characters[start..end], Vec::new(), 0);
    while let Some(&from) = inside.get(at) {
        match (inside.get(at + 1), inside.get(at + 2)) {
            (Some('-'), Some(&to)) => {
                ranges.push((from, to));
                at += 3;
            }
            _ => {
                ranges.push((from, from));
                at += 1;
            }
        }
    }
    Some((Part::Set { ranges: ranges.into(), negated }, end + 1))
}

/// Matches without recursion: after a mismatch, only the last `*` takes one character more.
fn matches(parts: &[Part], text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let (mut part, mut at) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        let one = match (parts.get(part), text.get(at)) {
            (None, None) => return true,
            (Some(Part::Many), _) => {
                retry = Some((part + 1, at));
                part += 1;
                continue;
            }
            (Some(part), Some(&character)) => part.takes(character),
            (Some(_), None) | (None, Some(_)) => false,
        };
        match retry {
            _ if one => (part, at) = (part + 1, at + 1),
            Some((after, from)) if from < text.len() => {
                retry = Some((after, from + 1));
                (part, at) = (after, from + 1);
            }
            Some(_) | None => return false,
        }
    }
}

impl Part {
    fn takes(&self, character: char) -> bool {
        match self {
            Self::One(one) => *one == character,
            Self::Any => true,
            Self::Many => false,
            Self::Set { ranges, negated } => {
                ranges.iter().any(|(from, to)| (*from..=*to).contains(&character)) != *negated
            }
        }
    }
}
