//! Which names a template takes from outside. The reference decides this before it evaluates, over all branches: a name
//! that is set in only one branch of a condition counts as taken from outside, even if nothing reads it.

use std::collections::BTreeMap;

use super::syntax::{Arguments, Body, Definition, Expr, For, Global, Name, Node, Target};

/// Every name the template needs to be given, or what makes its names wrong.
pub(crate) fn needed(body: &Body) -> Result<Vec<Box<str>>, String> {
    let mut needed = Needed::default();
    let mut symbols = Symbols::default();
    if reads(body, "self") {
        symbols.declare("self");
    }
    frame(body, &mut symbols, &mut needed)?;
    Ok(needed.0.into_keys().collect())
}

/// Whether the body reads a name anywhere, nested scopes included.
pub(crate) fn reads(body: &Body, name: &str) -> bool {
    let mut found = false;
    each_expr(body, &mut |expr| found |= matches!(expr, Expr::Name(read) if *read.name == *name));
    found
}

/// Calls `f` on every expression of a body.
pub(crate) fn each_expr<'e>(body: &'e Body, f: &mut dyn FnMut(&'e Expr)) {
    body.iter().for_each(|node| each_in(node, f));
}

/// Calls `f` on an expression and everything in it.
pub(crate) fn each<'e>(expr: &'e Expr, f: &mut dyn FnMut(&'e Expr)) {
    f(expr);
    children(expr, &mut |child| each(child, f));
}

#[derive(Default)]
struct Needed(BTreeMap<Box<str>, ()>);

/// Where a frame gets a name from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Load {
    Own,
    Outside,
    Outer,
}

/// The names of one frame, as far as it has been read.
#[derive(Debug, Clone, Default)]
struct Symbols<'p> {
    parent: Option<&'p Symbols<'p>>,
    loads: BTreeMap<Box<str>, Load>,
    stores: Vec<Box<str>>,
}

impl<'p> Symbols<'p> {
    fn inside(parent: &'p Symbols<'p>) -> Self {
        Self { parent: Some(parent), ..Self::default() }
    }

    fn knows(&self, name: &str) -> bool {
        self.loads.contains_key(name) || self.parent.is_some_and(|parent| parent.knows(name))
    }

    fn load(&mut self, name: &str) {
        if !self.knows(name) {
            self.loads.insert(name.into(), Load::Outside);
        }
    }

    fn store(&mut self, name: &str) {
        self.stores.push(name.into());
        if !self.loads.contains_key(name) {
            let outer = self.parent.is_some_and(|parent| parent.knows(name));
            self.loads.insert(name.into(), if outer { Load::Outer } else { Load::Own });
        }
    }

    fn declare(&mut self, name: &str) {
        self.stores.push(name.into());
        self.loads.insert(name.into(), Load::Own);
    }

    /// What some branches set and nothing before them did comes from the scope around, or from outside.
    fn join(&mut self, branches: Vec<Self>) {
        let mut fresh: Vec<Box<str>> = branches.iter().flat_map(|branch| branch.stores.iter().cloned()).collect();
        fresh.retain(|name| !self.stores.contains(name));
        for branch in branches {
            self.loads.extend(branch.loads);
            self.stores.extend(branch.stores);
        }
        self.stores.sort_unstable();
        self.stores.dedup();
        for name in fresh {
            let outer = self.parent.is_some_and(|parent| parent.knows(&name));
            self.loads.insert(name, if outer { Load::Outer } else { Load::Outside });
        }
    }

    fn read(&mut self, body: &Body) {
        for node in body {
            self.read_node(node);
        }
    }

    fn read_node(&mut self, node: &Node) {
        match node {
            Node::Text(_) | Node::Scope(_) => {}
            Node::OtherTemplate(names) => names.iter().for_each(|name| self.store(name)),
            Node::Output(expr) => self.read_expr(expr),
            Node::If { arms, otherwise } => self.read_if(arms, otherwise),
            Node::For(node) => self.read_expr(&node.over),
            Node::Set(target, expr) => {
                self.read_expr(expr);
                self.read_target(target);
            }
            Node::SetBlock { target, .. } => self.read_target(target),
            Node::FilterBlock { filter, .. } => self.read_expr(filter),
            Node::With { values, .. } => values.iter().for_each(|(_, expr)| self.read_expr(expr)),
            Node::Define(definition) => self.store(&definition.name),
            Node::CallBlock { call, .. } => self.read_expr(call),
        }
    }

    fn read_if(&mut self, arms: &[(Expr, Body)], otherwise: &Body) {
        let Some(((test, body), others)) = arms.split_first() else { return };
        self.read_expr(test);
        let (mut first, mut middle, mut last) = (self.clone(), self.clone(), self.clone());
        first.read(body);
        for arm in others {
            middle.read_if(std::slice::from_ref(arm), &Body::new());
        }
        last.read(otherwise);
        self.join(vec![first, middle, last]);
    }

    fn read_expr(&mut self, expr: &Expr) {
        each(expr, &mut |expr| {
            if let Expr::Name(name) = expr {
                self.load(&name.name);
            }
        });
    }

    fn read_target(&mut self, target: &Target) {
        match target {
            Target::Name(name) => self.store(name),
            Target::Tuple(targets) => targets.iter().for_each(|target| self.read_target(target)),
            Target::Field(Name { name, .. }, _) => self.load(name),
        }
    }

    fn declare_target(&mut self, target: &Target) {
        match target {
            Target::Name(name) => self.declare(name),
            Target::Tuple(targets) => targets.iter().for_each(|target| self.declare_target(target)),
            Target::Field(Name { name, .. }, _) => self.load(name),
        }
    }

    /// Adds what this frame takes from outside.
    fn collect(&self, needed: &mut Needed) {
        for (name, load) in &self.loads {
            if *load == Load::Outside && Global::named(name).is_none() {
                needed.0.insert(name.clone(), ());
            }
        }
    }
}

/// Reads a frame whose parameters are declared, and the frames in it.
fn frame(body: &Body, symbols: &mut Symbols<'_>, needed: &mut Needed) -> Result<(), String> {
    symbols.read(body);
    symbols.collect(needed);
    inner_frames(body, symbols, needed)
}

fn inner_frames(body: &Body, symbols: &Symbols<'_>, needed: &mut Needed) -> Result<(), String> {
    for node in body {
        match node {
            Node::If { arms, otherwise } => {
                for (_, body) in arms {
                    inner_frames(body, symbols, needed)?;
                }
                inner_frames(otherwise, symbols, needed)?;
            }
            Node::For(node) => for_frames(node, symbols, needed)?,
            Node::SetBlock { body, .. } => frame(body, &mut Symbols::inside(symbols), needed)?,
            Node::FilterBlock { filter, body } => {
                let mut inner = Symbols::inside(symbols);
                inner.read_expr(filter);
                frame(body, &mut inner, needed)?;
            }
            Node::With { values, body } => {
                let mut inner = Symbols::inside(symbols);
                values.iter().for_each(|(target, _)| inner.declare_target(target));
                frame(body, &mut inner, needed)?;
            }
            Node::Scope(body) => frame(body, &mut Symbols::default(), needed)?,
            Node::Define(definition) => definition_frame(definition, symbols, needed)?,
            Node::CallBlock { caller, .. } => definition_frame(caller, symbols, needed)?,
            Node::Text(_) | Node::Output(_) | Node::Set(..) | Node::OtherTemplate(_) => {}
        }
    }
    Ok(())
}

fn for_frames(node: &For, symbols: &Symbols<'_>, needed: &mut Needed) -> Result<(), String> {
    if assigns(&node.target, "loop") || node.body.iter().any(|node| sets(node, "loop")) {
        return Err("assigns to `loop`, which belongs to the loop".to_owned());
    }
    if let Some(test) = &node.test {
        let mut inner = Symbols::inside(symbols);
        inner.declare_target(&node.target);
        inner.read_expr(test);
        inner.collect(needed);
    }
    let mut inner = Symbols::inside(symbols);
    if node.recursive || reads(&node.body, "loop") {
        inner.declare("loop");
    }
    inner.declare_target(&node.target);
    frame(&node.body, &mut inner, needed)?;
    frame(&node.otherwise, &mut Symbols::inside(symbols), needed)
}

fn definition_frame(definition: &Definition, symbols: &Symbols<'_>, needed: &mut Needed) -> Result<(), String> {
    let mut inner = Symbols::inside(symbols);
    let special = [
        ("caller", definition.takes_caller),
        ("varargs", definition.takes_varargs),
        ("kwargs", definition.takes_kwargs),
    ];
    special.iter().filter(|(_, takes)| *takes).for_each(|(name, _)| inner.declare(name));
    definition.parameters.iter().for_each(|name| inner.declare(name));
    definition.defaults.iter().for_each(|expr| inner.read_expr(expr));
    frame(&definition.body, &mut inner, needed)
}

fn assigns(target: &Target, name: &str) -> bool {
    match target {
        Target::Name(found) => **found == *name,
        Target::Tuple(targets) => targets.iter().any(|target| assigns(target, name)),
        Target::Field(..) => false,
    }
}

fn sets(node: &Node, name: &str) -> bool {
    match node {
        Node::Set(target, _) | Node::SetBlock { target, .. } => assigns(target, name),
        Node::If { arms, otherwise } => {
            arms.iter().flat_map(|(_, body)| body).chain(otherwise).any(|node| sets(node, name))
        }
        _ => false,
    }
}

fn each_in<'e>(node: &'e Node, f: &mut dyn FnMut(&'e Expr)) {
    let mut bodies: Vec<&'e Body> = Vec::new();
    match node {
        Node::Text(_) | Node::OtherTemplate(_) => {}
        Node::Output(expr) | Node::Set(_, expr) => each(expr, f),
        Node::If { arms, otherwise } => {
            for (test, body) in arms {
                each(test, f);
                bodies.push(body);
            }
            bodies.push(otherwise);
        }
        Node::For(node) => {
            each(&node.over, f);
            node.test.iter().for_each(|test| each(test, f));
            bodies.extend([&node.body, &node.otherwise]);
        }
        Node::SetBlock { filter, body, .. } => {
            filter.iter().for_each(|filter| each(filter, f));
            bodies.push(body);
        }
        Node::FilterBlock { filter, body } => {
            each(filter, f);
            bodies.push(body);
        }
        Node::With { values, body } => {
            values.iter().for_each(|(_, expr)| each(expr, f));
            bodies.push(body);
        }
        Node::Scope(body) => bodies.push(body),
        Node::Define(definition) => bodies.push(&definition.body),
        Node::CallBlock { call, caller } => {
            each(call, f);
            bodies.push(&caller.body);
        }
    }
    for body in bodies {
        for node in body {
            each_in(node, f);
        }
    }
}

fn children<'e>(expr: &'e Expr, f: &mut dyn FnMut(&'e Expr)) {
    match expr {
        Expr::Literal(_) | Expr::Name(_) | Expr::Captured => {}
        Expr::Attribute(inner, _) | Expr::Not(inner) | Expr::Negative(inner) | Expr::Positive(inner) => f(inner),
        Expr::Item(left, right) | Expr::And(left, right) | Expr::Or(left, right) | Expr::Binary(_, left, right) => {
            f(left);
            f(right);
        }
        Expr::Slice(parts) => parts.iter().flatten().for_each(f),
        Expr::Call(inner, arguments) | Expr::Filter(inner, _, arguments) => {
            f(inner);
            in_arguments(arguments, f);
        }
        Expr::Test(inner, _, arguments) => {
            f(inner);
            in_arguments(arguments, f);
        }
        Expr::Concat(parts) | Expr::Tuple(parts) | Expr::List(parts) => parts.iter().for_each(f),
        Expr::Compare(first, rest) => {
            f(first);
            rest.iter().for_each(|(_, expr)| f(expr));
        }
        Expr::Conditional(conditional) => {
            f(&conditional.test);
            f(&conditional.then);
            conditional.otherwise.iter().for_each(f);
        }
        Expr::Dict(items) => {
            for (key, value) in items {
                f(key);
                f(value);
            }
        }
    }
}

fn in_arguments<'e>(arguments: &'e Arguments, f: &mut dyn FnMut(&'e Expr)) {
    arguments.positional.iter().for_each(&mut *f);
    arguments.named.iter().for_each(|(_, expr)| f(expr));
    arguments.spread.iter().for_each(|expr| f(expr));
    arguments.spread_named.iter().for_each(|expr| f(expr));
}
