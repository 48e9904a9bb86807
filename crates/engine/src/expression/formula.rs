//! JSONata in the place of a manifest's custom component: what `connectors` asks for without knowing the language.

use std::fmt;
use std::sync::Arc;

use connectors::manifest::overrides::{Formula, Formulas};
use serde_json::Value as Json;

use super::{Expression, Limits, Moment, Root};
use crate::clock::SharedClock;
use crate::entropy::SharedEntropy;

/// Compiles formulas as JSONata.
pub struct JsonataFormulas {
    clock: SharedClock,
    entropy: SharedEntropy,
}

impl JsonataFormulas {
    #[must_use]
    pub fn new(clock: SharedClock, entropy: SharedEntropy) -> Self {
        Self { clock, entropy }
    }
}

impl fmt::Debug for JsonataFormulas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JsonataFormulas")
    }
}

impl Formulas for JsonataFormulas {
    fn compile(&self, text: &str) -> Result<Arc<dyn Formula>, String> {
        let expression = Expression::compile(text).map_err(|error| error.to_string())?;
        Ok(Arc::new(Compiled { expression, clock: Arc::clone(&self.clock), entropy: Arc::clone(&self.entropy) }))
    }
}

struct Compiled {
    expression: Expression,
    clock: SharedClock,
    entropy: SharedEntropy,
}

impl fmt::Debug for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Jsonata").field(&self.expression.text()).finish()
    }
}

impl Formula for Compiled {
    /// "Nothing" in the language's sense is `null` here.
    fn value(&self, input: &Json) -> Result<Json, String> {
        let moment = Moment { now: self.clock.now(), entropy: Arc::clone(&self.entropy), limits: Limits::default() };
        let result = self.expression.evaluate(&Root::from_value(input.clone()), &moment);
        match result.map_err(|error| error.to_string())? {
            None => Ok(Json::Null),
            Some(text) => serde_json::from_slice(&text).map_err(|error| error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::clock::SystemClock;
    use crate::entropy::SystemEntropy;

    #[test]
    fn a_formula_gives_what_its_text_says() {
        let formulas = JsonataFormulas::new(SystemClock::shared(), SystemEntropy::shared());
        let rows = formulas.compile("response.rows.{ 'id': $[0], 'name': $[1] }").expect("it is JSONata");
        let input = json!({ "response": { "rows": [[1, "a"], [2, "b"]] } });
        assert_eq!(rows.value(&input), Ok(json!([{ "id": 1, "name": "a" }, { "id": 2, "name": "b" }])));
        assert_eq!(rows.value(&json!({})), Ok(Json::Null));
        assert!(formulas.compile("response.(").is_err());
        let failing = formulas.compile("$number('x')").expect("it is JSONata");
        assert!(failing.value(&json!({})).is_err());
    }
}
