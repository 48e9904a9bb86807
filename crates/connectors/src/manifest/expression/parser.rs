//! Parses a template: text, outputs and statements. Expressions are in `parser/expressions.rs`. What is not in the
//! grammar is a failure when the template is compiled, never later.

mod expressions;

use super::lexer::{Token, tokens};
use super::syntax::{Body, Definition, Expr, For, Literal, Name, Node, Target};

/// How deep expressions and statements nest: about where the reference runs out of its stack.
const DEPTH_MAX: usize = 60;
/// How many operators, filters and subscripts one expression may chain.
const LINKS_MAX: usize = 250;
/// How many nodes one template may have; far more than any text of a manifest needs.
const NODES_MAX: usize = 50_000;

/// What is wrong with a template, as the end of a sentence that begins with it.
pub(crate) type Fault = String;

/// The parsed body of a normalised source.
pub(crate) fn parse(source: &str) -> Result<Body, Fault> {
    let mut parser = Parser { tokens: tokens(source)?, at: 0, depth: 0, links: 0, nodes: 0, soft: false };
    let body = parser.body(&[])?;
    match parser.peek() {
        Token::End => Ok(body),
        other => Err(format!("has {} where nothing is open", describe(other))),
    }
}

struct Parser<'s> {
    tokens: Vec<Token<'s>>,
    at: usize,
    depth: usize,
    links: usize,
    nodes: usize,
    /// Inside of a condition, where an unknown filter fails only when it is reached.
    soft: bool,
}

fn describe(token: &Token<'_>) -> String {
    match token {
        Token::Text(_) => "text".to_owned(),
        Token::OutputBegin => "`{{`".to_owned(),
        Token::OutputEnd => "`}}`".to_owned(),
        Token::TagBegin => "`{%`".to_owned(),
        Token::TagEnd => "`%}`".to_owned(),
        Token::Name(name) => format!("`{name}`"),
        Token::Quoted(_) => "a quoted text".to_owned(),
        Token::Int(_) | Token::Float(_) => "a number".to_owned(),
        Token::Sign(sign) => format!("`{sign}`"),
        Token::End => "its end".to_owned(),
    }
}

impl<'s> Parser<'s> {
    fn peek(&self) -> &Token<'s> {
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    fn second(&self) -> &Token<'s> {
        &self.tokens[(self.at + 1).min(self.tokens.len() - 1)]
    }

    fn next(&mut self) -> Token<'s> {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn is_name(&self, name: &str) -> bool {
        matches!(self.peek(), Token::Name(found) if *found == name)
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.peek(), Token::Sign(found) if *found == sign)
    }

    fn skip_name(&mut self, name: &str) -> bool {
        let found = self.is_name(name);
        self.at += usize::from(found);
        found
    }

    fn skip_sign(&mut self, sign: &str) -> bool {
        let found = self.is_sign(sign);
        self.at += usize::from(found);
        found
    }

    fn expect_sign(&mut self, sign: &str) -> Result<(), Fault> {
        if self.skip_sign(sign) { Ok(()) } else { Err(format!("has {} where `{sign}` belongs", describe(self.peek()))) }
    }

    fn expect_name(&mut self) -> Result<&'s str, Fault> {
        match self.next() {
            Token::Name(name) => Ok(name),
            other => Err(format!("has {} where a name belongs", describe(&other))),
        }
    }

    fn expect(&mut self, token: &Token<'_>) -> Result<(), Fault> {
        if self.peek() != token {
            return Err(format!("has {} where {} belongs", describe(self.peek()), describe(token)));
        }
        self.at += 1;
        Ok(())
    }

    /// Counts one level of nesting while `inner` runs.
    fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(format!("nests deeper than {DEPTH_MAX} levels"));
        }
        let result = inner(self);
        self.depth -= 1;
        result
    }

    /// Counts one operator of a chain: chains nest too, though they do not look like it.
    fn link(&mut self) -> Result<(), Fault> {
        self.links += 1;
        if self.links > LINKS_MAX { Err(format!("chains more than {LINKS_MAX} operators")) } else { Ok(()) }
    }

    fn count_node(&mut self) -> Result<(), Fault> {
        self.nodes += 1;
        if self.nodes > NODES_MAX { Err(format!("has more than {NODES_MAX} parts")) } else { Ok(()) }
    }

    /// Everything up to a tag of one of these names, whose `{%` is taken and whose name is next.
    fn body(&mut self, ends: &[&str]) -> Result<Body, Fault> {
        let mut body = Body::new();
        loop {
            self.count_node()?;
            self.links = 0;
            match self.peek() {
                Token::Text(_) => {
                    if let Token::Text(text) = self.next() {
                        body.push(Node::Text(text.into()));
                    }
                }
                Token::OutputBegin => {
                    self.at += 1;
                    body.push(Node::Output(self.tuple(true, &[])?));
                    self.expect(&Token::OutputEnd)?;
                }
                Token::TagBegin => {
                    self.at += 1;
                    if ends.iter().any(|end| self.is_name(end)) {
                        return Ok(body);
                    }
                    let tag = self.expect_name()?;
                    self.nested(|parser| parser.statement(tag, &mut body))?;
                    self.expect(&Token::TagEnd)?;
                }
                Token::End if ends.is_empty() => return Ok(body),
                Token::End => return Err(format!("ends where `{}` belongs", ends.join("` or `"))),
                other => return Err(format!("has {} out of place", describe(other))),
            }
        }
    }

    /// The body of a statement, from the end of its tag on; the name of the tag that ends it is taken too.
    fn block(&mut self, ends: &[&str]) -> Result<(Body, &'s str), Fault> {
        self.skip_sign(":");
        self.expect(&Token::TagEnd)?;
        let soft = self.soft;
        let body = self.body(ends)?;
        self.soft = soft;
        Ok((body, self.expect_name()?))
    }

    /// A block inside of a scope of its own, where an unknown filter is wrong at once again.
    fn scoped_block(&mut self, ends: &[&str]) -> Result<(Body, &'s str), Fault> {
        let soft = std::mem::replace(&mut self.soft, false);
        let result = self.block(ends);
        self.soft = soft;
        result
    }

    fn statement(&mut self, tag: &str, body: &mut Body) -> Result<(), Fault> {
        let node = match tag {
            "if" => self.if_statement()?,
            "for" => self.for_statement()?,
            "set" => self.set_statement()?,
            "with" => self.with_statement()?,
            "filter" => self.filter_statement()?,
            "macro" => self.macro_statement()?,
            "call" => self.call_statement()?,
            "block" => self.block_statement()?,
            "autoescape" => self.autoescape_statement()?,
            "print" => return self.print_statement(body),
            "extends" | "include" | "import" | "from" => self.other_template(tag)?,
            other => return Err(format!("has the tag `{other}`, which is not supported")),
        };
        body.push(node);
        Ok(())
    }

    fn if_statement(&mut self) -> Result<Node, Fault> {
        let soft = std::mem::replace(&mut self.soft, true);
        let mut arms = Vec::new();
        let mut otherwise = Body::new();
        loop {
            let test = self.tuple(false, &[])?;
            let (body, end) = self.block(&["elif", "else", "endif"])?;
            arms.push((test, body));
            match end {
                "elif" => {}
                "else" => {
                    otherwise = self.block(&["endif"])?.0;
                    break;
                }
                _ => break,
            }
        }
        self.soft = soft;
        Ok(Node::If { arms, otherwise })
    }

    fn for_statement(&mut self) -> Result<Node, Fault> {
        let target = self.target(&["in"], false)?;
        if !self.skip_name("in") {
            return Err(format!("has {} where `in` belongs", describe(self.peek())));
        }
        let over = self.tuple(false, &["recursive"])?;
        let test = if self.skip_name("if") {
            let soft = std::mem::replace(&mut self.soft, false);
            let test = self.expression()?;
            self.soft = soft;
            Some(test)
        } else {
            None
        };
        let recursive = self.skip_name("recursive");
        let (body, end) = self.scoped_block(&["endfor", "else"])?;
        let otherwise = if end == "else" { self.scoped_block(&["endfor"])?.0 } else { Body::new() };
        Ok(Node::For(Box::new(For { target, over, test, body, otherwise, recursive })))
    }

    fn set_statement(&mut self) -> Result<Node, Fault> {
        let target = self.target(&[], true)?;
        if self.skip_sign("=") {
            return Ok(Node::Set(target, self.tuple(true, &[])?));
        }
        let soft = std::mem::replace(&mut self.soft, false);
        let filter = if self.is_sign("|") { Some(self.filters(Expr::Captured)?) } else { None };
        let (body, _) = self.block(&["endset"])?;
        self.soft = soft;
        Ok(Node::SetBlock { target, filter, body })
    }

    fn with_statement(&mut self) -> Result<Node, Fault> {
        let mut values = Vec::new();
        while *self.peek() != Token::TagEnd {
            if !values.is_empty() {
                self.expect_sign(",")?;
            }
            let target = self.target(&[], false)?;
            self.expect_sign("=")?;
            values.push((target, self.expression()?));
        }
        let (body, _) = self.scoped_block(&["endwith"])?;
        Ok(Node::With { values, body })
    }

    fn filter_statement(&mut self) -> Result<Node, Fault> {
        let soft = std::mem::replace(&mut self.soft, false);
        let first = self.filter(Expr::Captured)?;
        let filter = self.filters(first)?;
        let (body, _) = self.block(&["endfilter"])?;
        self.soft = soft;
        Ok(Node::FilterBlock { filter, body })
    }

    fn macro_statement(&mut self) -> Result<Node, Fault> {
        let name = self.expect_name()?;
        assignable(name)?;
        let (parameters, defaults) = self.signature()?;
        let (body, _) = self.scoped_block(&["endmacro"])?;
        Ok(Node::Define(Box::new(definition(name, parameters, defaults, body))))
    }

    fn call_statement(&mut self) -> Result<Node, Fault> {
        let (parameters, defaults) = if self.is_sign("(") { self.signature()? } else { (Vec::new(), Vec::new()) };
        let call = self.expression()?;
        if !matches!(call, Expr::Call(..)) {
            return Err("has a `call` block that calls nothing".to_owned());
        }
        let (body, _) = self.scoped_block(&["endcall"])?;
        Ok(Node::CallBlock { call, caller: Box::new(definition("caller", parameters, defaults, body)) })
    }

    fn signature(&mut self) -> Result<(Vec<Box<str>>, Vec<Expr>), Fault> {
        let (mut parameters, mut defaults) = (Vec::new(), Vec::new());
        self.expect_sign("(")?;
        while !self.is_sign(")") {
            if !parameters.is_empty() {
                self.expect_sign(",")?;
            }
            let name = self.expect_name()?;
            assignable(name)?;
            if self.skip_sign("=") {
                defaults.push(self.expression()?);
            } else if !defaults.is_empty() {
                return Err("has a parameter without default after one that has it".to_owned());
            }
            parameters.push(name.into());
        }
        self.expect_sign(")")?;
        Ok((parameters, defaults))
    }

    fn block_statement(&mut self) -> Result<Node, Fault> {
        let name = self.expect_name()?;
        self.skip_name("scoped");
        let (body, _) = self.scoped_block(&["endblock"])?;
        self.skip_name(name);
        Ok(Node::Scope(body))
    }

    fn print_statement(&mut self, body: &mut Body) -> Result<(), Fault> {
        let mut first = true;
        while *self.peek() != Token::TagEnd {
            if !std::mem::take(&mut first) {
                self.expect_sign(",")?;
            }
            body.push(Node::Output(self.expression()?));
        }
        Ok(())
    }

    fn other_template(&mut self, tag: &str) -> Result<Node, Fault> {
        self.expression()?;
        let mut names = Vec::new();
        match tag {
            "import" => {
                self.expect_word("as")?;
                names.push(self.expect_name()?.into());
            }
            "from" => {
                self.expect_word("import")?;
                self.imported(&mut names)?;
            }
            _ => {}
        }
        while matches!(self.peek(), Token::Name("ignore" | "missing" | "with" | "without" | "context")) {
            self.at += 1;
        }
        Ok(Node::OtherTemplate(names))
    }

    fn expect_word(&mut self, word: &str) -> Result<(), Fault> {
        if self.skip_name(word) { Ok(()) } else { Err(format!("has {} where `{word}` belongs", describe(self.peek()))) }
    }

    fn imported(&mut self, names: &mut Vec<Box<str>>) -> Result<(), Fault> {
        loop {
            let mut name = self.expect_name()?;
            if name.starts_with('_') {
                return Err(format!("imports `{name}`, whose underscore keeps it to itself"));
            }
            if self.skip_name("as") {
                name = self.expect_name()?;
            }
            names.push(name.into());
            if !self.skip_sign(",") {
                return Ok(());
            }
        }
    }

    /// Escaping for pages can only be switched off, which it is.
    fn autoescape_statement(&mut self) -> Result<Node, Fault> {
        if !matches!(self.expression()?, Expr::Literal(Literal::Bool(false))) {
            return Err("switches on escaping for pages, which is not supported".to_owned());
        }
        let (body, _) = self.scoped_block(&["endautoescape"])?;
        Ok(Node::With { values: Vec::new(), body })
    }

    /// What a value is assigned to: a name, names in a tuple, or, where allowed, a namespace's field.
    fn target(&mut self, ends: &[&str], fields: bool) -> Result<Target, Fault> {
        let mut targets = vec![self.one_target(fields)?];
        let mut is_tuple = false;
        while self.skip_sign(",") {
            is_tuple = true;
            let ended = matches!(self.peek(), Token::OutputEnd | Token::TagEnd) || self.is_sign(")");
            if ended || ends.iter().any(|end| self.is_name(end)) {
                break;
            }
            targets.push(self.one_target(fields)?);
        }
        if is_tuple {
            return Ok(Target::Tuple(targets));
        }
        targets.pop().ok_or_else(|| "assigns to nothing".to_owned())
    }

    fn one_target(&mut self, fields: bool) -> Result<Target, Fault> {
        if self.skip_sign("(") {
            let target = self.nested(|parser| parser.target(&[], fields))?;
            self.expect_sign(")")?;
            return Ok(target);
        }
        let name = self.expect_name()?;
        assignable(name)?;
        if fields && self.skip_sign(".") {
            return Ok(Target::Field(Name::new(name), self.expect_name()?.into()));
        }
        Ok(Target::Name(name.into()))
    }
}

fn assignable(name: &str) -> Result<(), Fault> {
    match name {
        "true" | "false" | "none" | "True" | "False" | "None" => {
            Err(format!("assigns to `{name}`, which is a constant"))
        }
        _ => Ok(()),
    }
}

fn definition(name: &str, parameters: Vec<Box<str>>, defaults: Vec<Expr>, body: Body) -> Definition {
    let takes = |name: &str| !parameters.iter().any(|known| **known == *name) && super::names::reads(&body, name);
    let (takes_caller, takes_varargs, takes_kwargs) = (takes("caller"), takes("varargs"), takes("kwargs"));
    Definition { name: name.into(), parameters, defaults, body, takes_caller, takes_varargs, takes_kwargs }
}
