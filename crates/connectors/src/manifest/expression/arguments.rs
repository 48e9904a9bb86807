//! Evaluated arguments of a call, and how they are bound to parameters. What does not fit is a wrong type, as in Python.

use std::borrow::Cow;

use super::fault::{Eval, Fault};
use super::pattern::PatternCell;
use super::value::Value;

#[derive(Debug, Clone, Default)]
pub(crate) struct Given<'a> {
    pub positional: Vec<Value<'a>>,
    pub named: Vec<(Cow<'a, str>, Value<'a>)>,
    /// Where the first argument's regular expression is kept, if it is a constant.
    pub pattern: Option<&'a PatternCell>,
}

impl<'a> Given<'a> {
    /// The values of the parameters, of which the first `required` must be there.
    pub(crate) fn bind<const N: usize>(
        self,
        function: &str,
        parameters: [&str; N],
        required: usize,
    ) -> Eval<[Option<Value<'a>>; N]> {
        let fault = |what: String| Err(Fault::wrong_type(format!("calls `{function}` with {what}")));
        if self.positional.len() > N {
            return fault(format!("{} arguments where it takes {N}", self.positional.len()));
        }
        let mut bound = [const { None }; N];
        for (slot, value) in bound.iter_mut().zip(self.positional) {
            *slot = Some(value);
        }
        for (name, value) in self.named {
            match parameters.iter().position(|parameter| *parameter == name) {
                Some(at) if bound[at].is_none() => bound[at] = Some(value),
                Some(_) => return fault(format!("{name:?} twice")),
                None => return fault(format!("{name:?}, which it does not know")),
            }
        }
        match bound[..required].iter().position(Option::is_none) {
            Some(at) => fault(format!("no {:?}", parameters[at])),
            None => Ok(bound),
        }
    }

    /// As [`Self::bind`], for functions whose parameters have no names.
    pub(crate) fn bind_unnamed<const N: usize>(self, function: &str, required: usize) -> Eval<[Option<Value<'a>>; N]> {
        if let Some((name, _)) = self.named.first() {
            return Err(Fault::wrong_type(format!("calls `{function}` with {name:?}, which it does not know")));
        }
        if self.positional.len() < required || self.positional.len() > N {
            let count = self.positional.len();
            return Err(Fault::wrong_type(format!("calls `{function}` with {count} arguments")));
        }
        let mut bound = [const { None }; N];
        for (slot, value) in bound.iter_mut().zip(self.positional) {
            *slot = Some(value);
        }
        Ok(bound)
    }
}
