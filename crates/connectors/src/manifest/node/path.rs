//! The way from the root to a node, kept as links so that a step costs one of them; written out only for people.

use std::fmt;
use std::sync::Arc;

#[derive(Clone, Debug, Default)]
pub(super) struct Path(Option<Arc<Link>>);

#[derive(Debug)]
struct Link {
    outer: Path,
    step: Step,
    length: usize,
}

#[derive(Debug)]
enum Step {
    Field(Arc<str>),
    Item(usize),
}

impl Path {
    pub(super) fn field(&self, name: &str) -> Self {
        self.with(Step::Field(name.into()))
    }

    pub(super) fn item(&self, at: usize) -> Self {
        self.with(Step::Item(at))
    }

    /// How many steps it has.
    pub(super) fn length(&self) -> usize {
        self.0.as_ref().map_or(0, |link| link.length)
    }

    fn with(&self, step: Step) -> Self {
        Self(Some(Arc::new(Link { outer: self.clone(), step, length: self.length() + 1 })))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(link) = &self.0 else { return Ok(()) };
        write!(f, "{}", link.outer)?;
        match &link.step {
            Step::Field(name) if link.outer.0.is_none() => f.write_str(name),
            Step::Field(name) => write!(f, ".{name}"),
            Step::Item(at) => write!(f, "[{at}]"),
        }
    }
}
