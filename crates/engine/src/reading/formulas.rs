//! The formulas of an override file: JSONata, bounded as everywhere, in place of components that would be code.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use connectors::manifest::overrides::{Formula, Formulas};
use serde_json::Value as Json;

use crate::clock::SharedClock;
use crate::entropy::SharedEntropy;
use crate::expression::{Expression, Limits, Moment, Root};

/// What one evaluation may take: a formula may see a whole page.
const LIMITS: Limits = Limits {
    time: Duration::from_secs(2),
    depth: 600,
    sequence: 1_000_000,
    value_bytes: 64 * 1024 * 1024,
    result_bytes: 64 * 1024 * 1024,
};

/// Compiles formulas; time and chance are whose they are given.
#[derive(Clone)]
pub struct Jsonata {
    clock: SharedClock,
    entropy: SharedEntropy,
}

struct Compiled {
    expression: Expression,
    outside: Jsonata,
}

impl Jsonata {
    #[must_use]
    pub fn new(clock: SharedClock, entropy: SharedEntropy) -> Self {
        Self { clock, entropy }
    }
}

impl Formulas for Jsonata {
    fn compile(&self, text: &str) -> Result<Arc<dyn Formula>, String> {
        let expression = Expression::compile(text).map_err(|error| error.to_string())?;
        Ok(Arc::new(Compiled { expression, outside: self.clone() }))
    }
}

impl Formula for Compiled {
    fn value(&self, input: &Json) -> Result<Json, String> {
        let (now, entropy) = (self.outside.clock.now(), SharedEntropy::clone(&self.outside.entropy));
        let root = Root::from_value(input.clone());
        let result = self.expression.evaluate(&root, &Moment { now, entropy, limits: LIMITS });
        match result.map_err(|error| error.to_string())? {
            Some(text) => serde_json::from_slice(&text).map_err(|error| error.to_string()),
            None => Ok(Json::Null),
        }
    }
}

impl fmt::Debug for Jsonata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Jsonata")
    }
}

impl fmt::Debug for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.expression.text())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::clock::SystemClock;
    use crate::entropy::SystemEntropy;

    #[test]
    fn a_formula_sees_what_it_is_given_and_gives_json() {
        let formulas = Jsonata::new(SystemClock::shared(), SystemEntropy::shared());
        let formula = formulas.compile("response.rows.{ 'id': $[0] }").unwrap();
        let input = json!({ "response": { "rows": [[1], [2]] } });
        assert_eq!(formula.value(&input), Ok(json!([{ "id": 1 }, { "id": 2 }])));
        assert_eq!(formulas.compile("nothing").unwrap().value(&input), Ok(Json::Null));
        assert!(formulas.compile("(((").is_err());
    }
}
