//! What is done to an expression before it runs: refuse what cannot be bounded or can only be a mistake, put a check
//! before built-ins whose work is out of proportion, and around values that repeat others.
//!
//! The meaning stays the same: a test runs expressions with and without the rewriting and compares.

use std::collections::HashSet;

use jsonata_core::ast::{AstNode, BinaryOp, PathStep, Stage};
use jsonata_core::functions::string::build_regex;

use super::guard::HostFunction;
use super::names::{BUILTINS, REPEATING, TAKES_FUNCTION, closest, params_of};
use super::regex;
use super::tree::{builtin, checked, children, lambda};

/// Deepest nesting of an expression: far more than people write, far less than the stack holds.
const DEPTH_MAX: usize = 100;
/// Most parts of an expression.
const NODES_MAX: usize = 4_000;
/// Constructors in one path. Each may repeat its input many times over before anything can look at the result.
const PATH_CONSTRUCTORS_MAX: usize = 2;
/// Longest regular expression.
const PATTERN_BYTES_MAX: usize = 512;

/// Why an expression is not accepted, and the piece of its text to look for.
pub(super) struct Refusal {
    pub message: String,
    pub hint: Option<String>,
    pub near: Option<String>,
}

/// What was found on the way.
#[derive(Default)]
pub(super) struct Findings {
    pub needs: Vec<HostFunction>,
    /// Whether it can run longer than its text is long: functions of its own, or built-ins that take one.
    pub loops: bool,
}

pub(super) fn rewrite(program: &mut AstNode) -> Result<Findings, Refusal> {
    let mut bound = HashSet::new();
    survey(program, &mut bound, &mut 0, 0)?;
    if let Some(name) = bound.iter().find(|name| BUILTINS.contains(&name.as_str())) {
        return Err(Refusal::at(name, format!("${name} is a built-in function"), "choose another name".to_owned()));
    }
    let mut rewriter = Rewriter { bound, findings: Findings::default() };
    rewriter.visit(program, Position::Result)?;
    Ok(rewriter.findings)
}

impl Refusal {
    fn at(name: &str, message: String, hint: String) -> Self {
        Self { message, hint: Some(hint), near: Some(name.to_owned()) }
    }
}

/// Counts the parts and collects the names that the expression binds.
fn survey(node: &AstNode, bound: &mut HashSet<String>, nodes: &mut usize, depth: usize) -> Result<(), Refusal> {
    *nodes += 1;
    if depth > DEPTH_MAX || *nodes > NODES_MAX {
        return Err(Refusal {
            message: format!("it has more than {DEPTH_MAX} levels or {NODES_MAX} parts"),
            hint: Some("split it over several routes, or reshape at the destination".to_owned()),
            near: None,
        });
    }
    match node {
        AstNode::Binary { op: BinaryOp::ColonEqual, lhs, .. } => {
            if let AstNode::Variable(name) = &**lhs {
                bound.insert(name.clone());
            }
        }
        AstNode::Lambda { params, .. } => bound.extend(params.iter().cloned()),
        AstNode::Path { steps } => {
            for step in steps {
                bound.extend(step.focus.iter().chain(&step.index_var).cloned());
                bound.extend(step.stages.iter().filter_map(|stage| match stage {
                    Stage::Index(name) => Some(name.clone()),
                    Stage::Filter(_) | Stage::KeepArray => None,
                }));
            }
        }
        _ => {}
    }
    children(node).into_iter().try_for_each(|child| survey(child, bound, nodes, depth + 1))
}

/// Where a part's value goes. Only what somebody looks at needs a check: parts of a larger value are checked with
/// it, steps of a path with the path, and the result when it is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Position {
    Result,
    Part,
    Step,
    Used,
}

struct Rewriter {
    bound: HashSet<String>,
    findings: Findings,
}

impl Rewriter {
    fn visit(&mut self, node: &mut AstNode, position: Position) -> Result<(), Refusal> {
        pipe_into_call(node);
        self.refuse(node)?;
        self.descend(node, position)?;
        self.replace(node)?;
        if position == Position::Used && repeats(node) {
            let inner = std::mem::replace(node, AstNode::Null);
            *node = self.call(HostFunction::Bounded, vec![inner]);
        }
        Ok(())
    }

    fn call(&mut self, function: HostFunction, args: Vec<AstNode>) -> AstNode {
        self.need(function);
        builtin(function.name(), args)
    }

    fn need(&mut self, function: HostFunction) {
        if !self.findings.needs.contains(&function) {
            self.findings.needs.push(function);
        }
    }

    fn refuse(&mut self, node: &AstNode) -> Result<(), Refusal> {
        match node {
            AstNode::Function { name, args, is_builtin: true } => {
                self.refuse_unknown(name, "function")?;
                self.findings.loops |= TAKES_FUNCTION.contains(&name.as_str()) || self.bound.contains(name);
                let partial = args.iter().any(|arg| matches!(arg, AstNode::Placeholder));
                if partial && (HostFunction::check_of(name).is_some() || HostFunction::replacement_of(name).is_some()) {
                    let hint = format!("write function($x){{ ${name}($x, …) }}");
                    return Err(Refusal::at(name, format!("${name} cannot be applied in part"), hint));
                }
            }
            AstNode::Variable(name) if !name.is_empty() => self.refuse_unknown(name, "variable")?,
            AstNode::Lambda { .. } | AstNode::Call { .. } | AstNode::Sort { .. } | AstNode::Transform { .. } => {
                self.findings.loops = true;
            }
            AstNode::Regex { pattern, flags } => refuse_regex(pattern, flags)?,
            AstNode::Path { steps } => refuse_chain(steps)?,
            _ => {}
        }
        Ok(())
    }

    fn refuse_unknown(&self, name: &str, kind: &str) -> Result<(), Refusal> {
        if name == "eval" {
            let hint = "write the expression itself in its place".to_owned();
            return Err(Refusal::at(name, "$eval is not available: what it runs cannot be checked".to_owned(), hint));
        }
        if self.bound.contains(name) || BUILTINS.contains(&name) {
            return Ok(());
        }
        let near = BUILTINS.iter().copied().chain(self.bound.iter().map(String::as_str));
        let hint = match closest(name, near) {
            Some(other) => format!("did you mean ${other}?"),
            None => format!("fields are written without the $: {name}"),
        };
        Err(Refusal::at(name, format!("there is no {kind} ${name}"), hint))
    }

    fn descend(&mut self, node: &mut AstNode, position: Position) -> Result<(), Refusal> {
        match node {
            AstNode::Path { steps } => steps.iter_mut().try_for_each(|step| self.visit_step(step)),
            AstNode::Array(items) | AstNode::ArrayGroup(items) => self.visit_all(items, Position::Part),
            AstNode::Object(fields) => self.visit_fields(fields),
            AstNode::ObjectTransform { input, pattern } => {
                self.visit(input, Position::Step)?;
                self.visit_fields(pattern)
            }
            AstNode::Block(items) => match items.split_last_mut() {
                None => Ok(()),
                Some((last, others)) => {
                    self.visit_all(others, Position::Used)?;
                    self.visit(last, position)
                }
            },
            AstNode::Conditional { condition, then_branch, else_branch } => {
                self.visit(condition, Position::Used)?;
                self.visit(then_branch, position)?;
                else_branch.iter_mut().try_for_each(|branch| self.visit(branch, position))
            }
            AstNode::Binary { op: BinaryOp::Concatenate, lhs, rhs } => {
                self.visit_text(lhs)?;
                self.visit_text(rhs)
            }
            AstNode::Binary { op: BinaryOp::ColonEqual, rhs, .. } => self.visit(rhs, Position::Used),
            AstNode::Binary { lhs, rhs, .. } => {
                self.visit(lhs, Position::Used)?;
                self.visit(rhs, Position::Used)
            }
            AstNode::Function { args, .. } => self.visit_all(args, Position::Used),
            AstNode::Call { procedure, args } => {
                self.visit(procedure, Position::Used)?;
                self.visit_all(args, Position::Used)
            }
            AstNode::Unary { operand: inner, .. } | AstNode::Lambda { body: inner, .. } => {
                self.visit(inner, Position::Used)
            }
            AstNode::FunctionApplication(inner) => self.visit(inner, Position::Used),
            AstNode::Sort { input, terms } => {
                self.visit(input, Position::Step)?;
                terms.iter_mut().try_for_each(|(term, _)| self.visit(term, Position::Used))
            }
            AstNode::Transform { location, update, delete } => {
                self.visit(location, Position::Used)?;
                // The evaluator wants to see the constructor itself here.
                self.visit(update, Position::Step)?;
                delete.iter_mut().try_for_each(|names| self.visit(names, Position::Used))
            }
            AstNode::String(_)
            | AstNode::Name(_)
            | AstNode::Number(_)
            | AstNode::Boolean(_)
            | AstNode::Null
            | AstNode::Undefined
            | AstNode::Placeholder
            | AstNode::Regex { .. }
            | AstNode::Variable(_)
            | AstNode::ParentVariable(_)
            | AstNode::Wildcard
            | AstNode::Descendant
            | AstNode::Parent(_) => Ok(()),
        }
    }

    fn visit_all(&mut self, nodes: &mut [AstNode], position: Position) -> Result<(), Refusal> {
        nodes.iter_mut().try_for_each(|node| self.visit(node, position))
    }

    fn visit_fields(&mut self, fields: &mut [(AstNode, AstNode)]) -> Result<(), Refusal> {
        fields.iter_mut().try_for_each(|(name, value)| {
            self.visit(name, Position::Used)?;
            self.visit(value, Position::Part)
        })
    }

    fn visit_step(&mut self, step: &mut PathStep) -> Result<(), Refusal> {
        self.visit(&mut step.node, Position::Step)?;
        step.stages.iter_mut().try_for_each(|stage| match stage {
            Stage::Filter(filter) => self.visit(filter, Position::Used),
            Stage::KeepArray | Stage::Index(_) => Ok(()),
        })
    }

    /// An operand of `&` becomes part of a text, so it is looked at even if it repeats nothing itself.
    fn visit_text(&mut self, operand: &mut AstNode) -> Result<(), Refusal> {
        self.visit(operand, Position::Part)?;
        if !matches!(operand, AstNode::String(_) | AstNode::Number(_) | AstNode::Boolean(_) | AstNode::Null) {
            let inner = std::mem::replace(operand, AstNode::Null);
            *operand = self.call(HostFunction::Bounded, vec![inner]);
        }
        Ok(())
    }

    /// Puts checks and replacements in the place of built-ins.
    fn replace(&mut self, node: &mut AstNode) -> Result<(), Refusal> {
        match node {
            AstNode::Function { name, args, is_builtin: true } => {
                if name == "now" && !args.is_empty() {
                    // With a picture it is the same as $fromMillis of the time.
                    let millis = self.call(HostFunction::Millis, Vec::new());
                    args.insert(0, millis);
                    "fromMillis".clone_into(name);
                }
                if let Some(function) = HostFunction::replacement_of(name) {
                    self.need(function);
                }
                if let Some(check) = HostFunction::check_of(name) {
                    self.need(check);
                    let (name, args) = (std::mem::take(name), std::mem::take(args));
                    *node = checked(check, &name, args);
                }
            }
            AstNode::Variable(name) if HostFunction::check_of(name).is_some() && !self.bound.contains(name) => {
                let params: Vec<String> = (1..=params_of(name)).map(|at| format!("!{at}")).collect();
                let args = params.iter().cloned().map(AstNode::Variable).collect();
                let mut body = builtin(name, args);
                self.replace(&mut body)?;
                *node = lambda(params, body);
                self.findings.loops = true;
            }
            AstNode::Variable(name) if !self.bound.contains(name) => {
                if let Some(function) = HostFunction::replacement_of(name) {
                    self.need(function);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// `x ~> $split(",")` is `$split(x, ",")`: written so, the check can see all arguments.
fn pipe_into_call(node: &mut AstNode) {
    let AstNode::Binary { op: BinaryOp::ChainPipe, lhs, rhs } = node else { return };
    if let AstNode::Function { name, args, is_builtin: true } = &mut **rhs
        && HostFunction::check_of(name).is_some()
    {
        args.insert(0, std::mem::replace(lhs, AstNode::Null));
        *node = std::mem::replace(rhs, AstNode::Null);
    }
}

/// Whether the value of this part may hold the same thing several times.
fn repeats(node: &AstNode) -> bool {
    match node {
        AstNode::Array(items) | AstNode::ArrayGroup(items) => !items.is_empty(),
        AstNode::Object(fields) => !fields.is_empty(),
        AstNode::ObjectTransform { .. } | AstNode::Binary { op: BinaryOp::ChainPipe, .. } => true,
        AstNode::Function { name, .. } => REPEATING.contains(&name.as_str()),
        AstNode::Path { steps } => steps.iter().any(|step| repeats(&step.node)),
        AstNode::Sort { input, .. } => repeats(input),
        _ => false,
    }
}

fn refuse_chain(steps: &[PathStep]) -> Result<(), Refusal> {
    let constructors = steps
        .iter()
        .filter(|step| matches!(step.node, AstNode::Array(_) | AstNode::ArrayGroup(_) | AstNode::Object(_)))
        .count();
    if constructors > PATH_CONSTRUCTORS_MAX {
        return Err(Refusal {
            message: format!("one path builds more than {PATH_CONSTRUCTORS_MAX} objects or arrays one after another"),
            hint: Some("name the result in between: ( $x := …; $x.{ … } )".to_owned()),
            near: None,
        });
    }
    Ok(())
}

fn refuse_regex(pattern: &str, flags: &str) -> Result<(), Refusal> {
    let refusal = |message: String, hint: &str| Refusal {
        message,
        hint: Some(hint.to_owned()),
        near: Some(pattern.chars().take(40).collect()),
    };
    if pattern.len() > PATTERN_BYTES_MAX || regex::weight(pattern) > regex::PATTERN_WEIGHT_MAX {
        return Err(refusal("the regular expression is too large".to_owned(), "use smaller repetition counts"));
    }
    match build_regex(pattern, flags) {
        Ok(_) => Ok(()),
        Err(error) => Err(refusal(error.to_string(), "look-around and back-references are not available")),
    }
}
