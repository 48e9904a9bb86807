//! Reading templates from a manifest: a mistake in one is a problem with its place.

use super::{Condition, Failure, Mapping, Template};
use crate::manifest::node::{Node, Read};
use crate::manifest::problem::{Fault, Problem};

fn problem(node: &Node, failure: &Failure) -> Problem {
    node.problem(Fault::Wrong, failure.to_string())
}

impl Read for Template {
    fn read(node: &Node) -> Result<Self, Problem> {
        Self::compile(&String::read(node)?).map_err(|failure| problem(node, &failure))
    }
}

impl Read for Condition {
    fn read(node: &Node) -> Result<Self, Problem> {
        if let Ok(holds) = bool::read(node) {
            return Ok(Self::always(holds));
        }
        Self::compile(&String::read(node)?).map_err(|failure| problem(node, &failure))
    }
}

impl Read for Mapping {
    fn read(node: &Node) -> Result<Self, Problem> {
        Self::compile(&node.json()?).map_err(|failure| problem(node, &failure))
    }
}
