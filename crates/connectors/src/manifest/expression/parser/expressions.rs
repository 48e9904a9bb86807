//! The expressions of a template, by precedence: condition, or, and, not, comparison, sum, `~`, product, power, sign,
//! then subscripts, calls, filters and tests.

use super::super::checks::Check;
use super::super::filters::Filter;
use super::super::lexer::Token;
use super::super::pattern::PatternCell;
use super::super::syntax::{Arguments, Binary, Comparison, Conditional, Expr, Literal, Name, Named};
use super::{Fault, Parser, describe};

impl Parser<'_> {
    pub(super) fn expression(&mut self) -> Result<Expr, Fault> {
        self.count_node()?;
        self.nested(Self::conditional)
    }

    fn without_condition(&mut self) -> Result<Expr, Fault> {
        self.count_node()?;
        self.nested(Self::or)
    }

    fn conditional(&mut self) -> Result<Expr, Fault> {
        let soft = std::mem::replace(&mut self.soft, true);
        let start = self.at;
        let mut expr = self.or()?;
        if !self.is_name("if") {
            // It was no condition after all: read it again, strictly, unless what is around it is a condition.
            if !soft && contains_unknown(&expr) {
                self.at = start;
                self.soft = false;
                expr = self.or()?;
            }
            self.soft = soft;
            return Ok(expr);
        }
        while self.skip_name("if") {
            self.link()?;
            let test = self.or()?;
            let otherwise = if self.skip_name("else") { Some(self.nested(Self::conditional)?) } else { None };
            expr = Expr::Conditional(Box::new(Conditional { test, then: expr, otherwise }));
        }
        self.soft = soft;
        Ok(expr)
    }

    fn or(&mut self) -> Result<Expr, Fault> {
        let mut left = self.and()?;
        while self.skip_name("or") {
            self.link()?;
            left = Expr::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expr, Fault> {
        let mut left = self.not()?;
        while self.skip_name("and") {
            self.link()?;
            left = Expr::And(Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Expr, Fault> {
        if self.skip_name("not") {
            return Ok(Expr::Not(Box::new(self.nested(Self::not)?)));
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<Expr, Fault> {
        let first = self.sum()?;
        let mut rest = Vec::new();
        while let Some(comparison) = self.comparison_sign() {
            self.link()?;
            rest.push((comparison, self.sum()?));
        }
        Ok(if rest.is_empty() { first } else { Expr::Compare(Box::new(first), rest) })
    }

    fn comparison_sign(&mut self) -> Option<Comparison> {
        let (comparison, length) = match self.peek() {
            Token::Sign("==") => (Comparison::Equal, 1),
            Token::Sign("!=") => (Comparison::NotEqual, 1),
            Token::Sign("<") => (Comparison::Less, 1),
            Token::Sign("<=") => (Comparison::LessOrEqual, 1),
            Token::Sign(">") => (Comparison::Greater, 1),
            Token::Sign(">=") => (Comparison::GreaterOrEqual, 1),
            Token::Name("in") => (Comparison::In, 1),
            Token::Name("not") if matches!(self.second(), Token::Name("in")) => (Comparison::NotIn, 2),
            _ => return None,
        };
        self.at += length;
        Some(comparison)
    }

    fn sum(&mut self) -> Result<Expr, Fault> {
        let mut left = self.concat()?;
        loop {
            let binary = match self.peek() {
                Token::Sign("+") => Binary::Add,
                Token::Sign("-") => Binary::Subtract,
                _ => return Ok(left),
            };
            self.at += 1;
            self.link()?;
            left = Expr::Binary(binary, Box::new(left), Box::new(self.concat()?));
        }
    }

    fn concat(&mut self) -> Result<Expr, Fault> {
        let first = self.product()?;
        if !self.is_sign("~") {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.skip_sign("~") {
            self.link()?;
            parts.push(self.product()?);
        }
        Ok(Expr::Concat(parts))
    }

    fn product(&mut self) -> Result<Expr, Fault> {
        let mut left = self.power()?;
        loop {
            let binary = match self.peek() {
                Token::Sign("*") => Binary::Multiply,
                Token::Sign("/") => Binary::Divide,
                Token::Sign("//") => Binary::FloorDivide,
                Token::Sign("%") => Binary::Remainder,
                _ => return Ok(left),
            };
            self.at += 1;
            self.link()?;
            left = Expr::Binary(binary, Box::new(left), Box::new(self.power()?));
        }
    }

    fn power(&mut self) -> Result<Expr, Fault> {
        let mut left = self.unary(true)?;
        while self.skip_sign("**") {
            self.link()?;
            let right = self.unary(true)?;
            left = power_of(left, right);
        }
        Ok(left)
    }

    fn unary(&mut self, with_filters: bool) -> Result<Expr, Fault> {
        let expr = if self.skip_sign("-") {
            Expr::Negative(Box::new(self.nested(|parser| parser.unary(false))?))
        } else if self.skip_sign("+") {
            Expr::Positive(Box::new(self.nested(|parser| parser.unary(false))?))
        } else {
            self.primary()?
        };
        let expr = self.postfix(expr)?;
        if with_filters { self.filters_and_tests(expr) } else { Ok(expr) }
    }

    fn primary(&mut self) -> Result<Expr, Fault> {
        self.count_node()?;
        Ok(match self.next() {
            Token::Name("true" | "True") => Expr::Literal(Literal::Bool(true)),
            Token::Name("false" | "False") => Expr::Literal(Literal::Bool(false)),
            Token::Name("none" | "None") => Expr::Literal(Literal::None),
            Token::Name(name) => Expr::Name(Name::new(name)),
            Token::Int(value) => Expr::Literal(Literal::Int(value)),
            Token::Float(value) => Expr::Literal(Literal::Float(value)),
            Token::Quoted(mut text) => {
                while let Token::Quoted(_) = self.peek() {
                    if let Token::Quoted(more) = self.next() {
                        text.push_str(&more);
                    }
                }
                Expr::Literal(Literal::Text(text.into()))
            }
            Token::Sign("(") => {
                let expr = self.parenthesised()?;
                self.expect_sign(")")?;
                expr
            }
            Token::Sign("[") => self.list()?,
            Token::Sign("{") => self.dict()?,
            other => return Err(format!("has {} where a value belongs", describe(&other))),
        })
    }

    fn parenthesised(&mut self) -> Result<Expr, Fault> {
        if self.is_sign(")") { Ok(Expr::Tuple(Vec::new())) } else { self.tuple(true, &[]) }
    }

    fn list(&mut self) -> Result<Expr, Fault> {
        let mut items = Vec::new();
        while !self.is_sign("]") {
            if !items.is_empty() {
                self.expect_sign(",")?;
                if self.is_sign("]") {
                    break;
                }
            }
            items.push(self.expression()?);
        }
        self.expect_sign("]")?;
        Ok(Expr::List(items))
    }

    fn dict(&mut self) -> Result<Expr, Fault> {
        let mut items = Vec::new();
        while !self.is_sign("}") {
            if !items.is_empty() {
                self.expect_sign(",")?;
                if self.is_sign("}") {
                    break;
                }
            }
            let key = self.expression()?;
            self.expect_sign(":")?;
            items.push((key, self.expression()?));
        }
        self.expect_sign("}")?;
        Ok(Expr::Dict(items))
    }

    /// One expression, or several with commas between them, which is a tuple.
    pub(super) fn tuple(&mut self, with_condition: bool, ends: &[&str]) -> Result<Expr, Fault> {
        let mut items = Vec::new();
        let mut is_tuple = false;
        loop {
            if !items.is_empty() {
                self.expect_sign(",")?;
            }
            let ended = matches!(self.peek(), Token::OutputEnd | Token::TagEnd) || self.is_sign(")");
            if ended || ends.iter().any(|end| self.is_name(end)) {
                break;
            }
            items.push(if with_condition { self.expression()? } else { self.without_condition()? });
            if !self.is_sign(",") {
                break;
            }
            is_tuple = true;
        }
        if is_tuple {
            return Ok(Expr::Tuple(items));
        }
        items.pop().ok_or_else(|| format!("has {} where an expression belongs", describe(self.peek())))
    }

    fn postfix(&mut self, mut expr: Expr) -> Result<Expr, Fault> {
        loop {
            expr = match self.peek() {
                Token::Sign(".") => self.attribute(expr)?,
                Token::Sign("[") => self.subscript(expr)?,
                Token::Sign("(") => Expr::Call(Box::new(expr), self.arguments()?),
                _ => return Ok(expr),
            };
            self.link()?;
        }
    }

    fn attribute(&mut self, expr: Expr) -> Result<Expr, Fault> {
        self.at += 1;
        match self.next() {
            Token::Name(name) => Ok(Expr::Attribute(Box::new(expr), name.into())),
            Token::Int(index) => Ok(Expr::Item(Box::new(expr), Box::new(Expr::Literal(Literal::Int(index))))),
            other => Err(format!("has {} after a dot", describe(&other))),
        }
    }

    fn subscript(&mut self, expr: Expr) -> Result<Expr, Fault> {
        self.at += 1;
        let mut items = Vec::new();
        while !self.is_sign("]") {
            if !items.is_empty() {
                self.expect_sign(",")?;
            }
            items.push(self.subscripted()?);
        }
        self.expect_sign("]")?;
        let item = match items.pop() {
            Some(item) if items.is_empty() => item,
            Some(item) => {
                items.push(item);
                Expr::Tuple(items)
            }
            None => Expr::Tuple(items),
        };
        Ok(Expr::Item(Box::new(expr), Box::new(item)))
    }

    fn subscripted(&mut self) -> Result<Expr, Fault> {
        let start = if self.is_sign(":") { None } else { Some(self.expression()?) };
        if !self.skip_sign(":") {
            return start.ok_or_else(|| "has an empty subscript".to_owned());
        }
        let stop = self.slice_part()?;
        let step = if self.skip_sign(":") { self.slice_part()? } else { None };
        Ok(Expr::Slice(Box::new([start, stop, step])))
    }

    fn slice_part(&mut self) -> Result<Option<Expr>, Fault> {
        let ends = self.is_sign(":") || self.is_sign("]") || self.is_sign(",");
        if ends { Ok(None) } else { self.expression().map(Some) }
    }

    fn arguments(&mut self) -> Result<Arguments, Fault> {
        self.expect_sign("(")?;
        let mut arguments = Arguments::default();
        let mut first = true;
        while !self.is_sign(")") {
            if !std::mem::take(&mut first) {
                self.expect_sign(",")?;
                if self.is_sign(")") {
                    break;
                }
            }
            self.argument(&mut arguments)?;
        }
        self.expect_sign(")")?;
        Ok(arguments)
    }

    fn argument(&mut self, arguments: &mut Arguments) -> Result<(), Fault> {
        let wrong = || "has arguments of a call in an order that does not work".to_owned();
        let (spread, spread_named) = (arguments.spread.is_some(), arguments.spread_named.is_some());
        if self.skip_sign("*") {
            if spread || spread_named {
                return Err(wrong());
            }
            arguments.spread = Some(Box::new(self.expression()?));
        } else if self.skip_sign("**") {
            if spread_named {
                return Err(wrong());
            }
            arguments.spread_named = Some(Box::new(self.expression()?));
        } else if matches!(self.peek(), Token::Name(_)) && matches!(self.second(), Token::Sign("=")) {
            if spread_named {
                return Err(wrong());
            }
            let name = self.expect_name()?;
            self.at += 1;
            arguments.named.push((name.into(), self.expression()?));
        } else {
            if spread || spread_named || !arguments.named.is_empty() {
                return Err(wrong());
            }
            arguments.positional.push(self.expression()?);
        }
        Ok(())
    }

    fn filters_and_tests(&mut self, mut expr: Expr) -> Result<Expr, Fault> {
        loop {
            expr = match self.peek() {
                Token::Sign("|") => {
                    self.at += 1;
                    self.filter(expr)?
                }
                Token::Name("is") => {
                    self.at += 1;
                    self.test(expr)?
                }
                Token::Sign("(") => Expr::Call(Box::new(expr), self.arguments()?),
                _ => return Ok(expr),
            };
            self.link()?;
        }
    }

    /// Every filter that follows, from the next `|` on.
    pub(super) fn filters(&mut self, mut expr: Expr) -> Result<Expr, Fault> {
        while self.skip_sign("|") {
            self.link()?;
            expr = self.filter(expr)?;
        }
        Ok(expr)
    }

    /// One filter, from its name on.
    pub(super) fn filter(&mut self, expr: Expr) -> Result<Expr, Fault> {
        let name = self.dotted_name()?;
        let arguments = if self.is_sign("(") { self.arguments()? } else { Arguments::default() };
        let known = Filter::named(&name);
        if known.is_none() && !self.soft {
            return Err(format!("has the filter `{name}`, which is not in the format"));
        }
        Ok(Expr::Filter(Box::new(expr), Named { name, known, pattern: PatternCell::default() }, arguments))
    }

    fn dotted_name(&mut self) -> Result<Box<str>, Fault> {
        let mut name = self.expect_name()?.to_owned();
        while self.skip_sign(".") {
            name.push('.');
            name.push_str(self.expect_name()?);
        }
        Ok(name.into())
    }

    fn test(&mut self, expr: Expr) -> Result<Expr, Fault> {
        let negated = self.skip_name("not");
        let name = self.dotted_name()?;
        let arguments = match self.peek() {
            Token::Sign("(") => self.arguments()?,
            Token::Name("is") => return Err("chains two tests with `is`".to_owned()),
            Token::Name("else" | "or" | "and") => Arguments::default(),
            Token::Name(_) | Token::Quoted(_) | Token::Int(_) | Token::Float(_) | Token::Sign("[" | "{") => {
                let argument = self.primary()?;
                let argument = self.postfix(argument)?;
                Arguments { positional: vec![argument], ..Arguments::default() }
            }
            _ => Arguments::default(),
        };
        let known = Check::named(&name);
        if known.is_none() && !self.soft {
            return Err(format!("has the test `{name}`, which is not in the format"));
        }
        let named = Named { name, known, pattern: PatternCell::default() };
        let test = Expr::Test(Box::new(expr), named, arguments);
        Ok(if negated { Expr::Not(Box::new(test)) } else { test })
    }
}

/// A power. The reference writes a negative number out and lets Python read it, which takes the sign last; only what is
/// constant altogether it computes as it is written.
fn power_of(left: Expr, right: Expr) -> Expr {
    match left {
        Expr::Negative(number)
            if matches!(*number, Expr::Literal(Literal::Int(_) | Literal::Float(_)))
                && !matches!(right, Expr::Literal(_) | Expr::Negative(_)) =>
        {
            Expr::Negative(Box::new(Expr::Binary(Binary::Power, number, Box::new(right))))
        }
        left => Expr::Binary(Binary::Power, Box::new(left), Box::new(right)),
    }
}

/// Whether a filter or test in it is unknown; asked only to say so as early as the reference does.
fn contains_unknown(expr: &Expr) -> bool {
    let mut found = false;
    super::super::names::each(expr, &mut |expr| {
        found |= match expr {
            Expr::Filter(_, named, _) => named.known.is_none(),
            Expr::Test(_, named, _) => named.known.is_none(),
            _ => false,
        };
    });
    found
}
