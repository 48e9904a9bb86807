//! Walking and building expression trees.

use jsonata_core::ast::{AstNode, BinaryOp, Stage};

use super::guard::HostFunction;

/// Every part of a part. Exhaustive, so that a new kind of part cannot slip by unchecked.
pub(super) fn children(node: &AstNode) -> Vec<&AstNode> {
    match node {
        AstNode::Path { steps } => steps
            .iter()
            .flat_map(|step| {
                let filters = step.stages.iter().filter_map(|stage| match stage {
                    Stage::Filter(filter) => Some(&**filter),
                    Stage::KeepArray | Stage::Index(_) => None,
                });
                std::iter::once(&step.node).chain(filters)
            })
            .collect(),
        AstNode::Binary { lhs, rhs, .. } => vec![lhs, rhs],
        AstNode::Unary { operand: inner, .. }
        | AstNode::Lambda { body: inner, .. }
        | AstNode::FunctionApplication(inner) => vec![inner],
        AstNode::Function { args, .. } => args.iter().collect(),
        AstNode::Call { procedure, args } => std::iter::once(&**procedure).chain(args).collect(),
        AstNode::Array(items) | AstNode::ArrayGroup(items) | AstNode::Block(items) => items.iter().collect(),
        AstNode::Object(fields) => fields.iter().flat_map(|(name, value)| [name, value]).collect(),
        AstNode::ObjectTransform { input, pattern } => {
            std::iter::once(&**input).chain(pattern.iter().flat_map(|(name, value)| [name, value])).collect()
        }
        AstNode::Conditional { condition, then_branch, else_branch } => {
            [condition, then_branch].into_iter().chain(else_branch).map(|branch| &**branch).collect()
        }
        AstNode::Sort { input, terms } => std::iter::once(&**input).chain(terms.iter().map(|(term, _)| term)).collect(),
        AstNode::Transform { location, update, delete } => {
            [location, update].into_iter().chain(delete).map(|part| &**part).collect()
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
        | AstNode::Parent(_) => Vec::new(),
    }
}

pub(super) fn builtin(name: &str, args: Vec<AstNode>) -> AstNode {
    AstNode::Function { name: name.to_owned(), args, is_builtin: true }
}

pub(super) fn lambda(params: Vec<String>, body: AstNode) -> AstNode {
    AstNode::Lambda { params, body: Box::new(body), signature: None, thunk: false }
}

/// The arguments are evaluated once, given to the check with the context before them, then to the built-in.
pub(super) fn checked(check: HostFunction, name: &str, args: Vec<AstNode>) -> AstNode {
    let names: Vec<AstNode> = (1..=args.len()).map(|at| AstNode::Variable(format!("!{at}"))).collect();
    let mut steps: Vec<AstNode> = std::iter::zip(names.iter().cloned(), args)
        .map(|(name, arg)| AstNode::Binary { op: BinaryOp::ColonEqual, lhs: Box::new(name), rhs: Box::new(arg) })
        .collect();
    let context = AstNode::Variable(String::new());
    steps.push(builtin(check.name(), std::iter::once(context).chain(names.iter().cloned()).collect()));
    steps.push(builtin(name, names));
    AstNode::Block(steps)
}
