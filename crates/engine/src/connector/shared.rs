//! Two streams with records of one object: refused where the list of one is to say what is gone, for it lacks all records
//! of the other.

use std::collections::BTreeMap;

use connectors::manifest::extension::{Deletes, Extension, StreamExtension};
use connectors::manifest::node::Read as _;
use connectors::manifest::problem::{Fault, Problem};
use connectors::manifest::source::{Declared, Source};
use connectors::manifest::stream::Stream;

/// A stream, and what the extension says of it.
#[derive(Clone, Copy)]
struct Told<'s> {
    declared: &'s Declared,
    said: Option<&'s StreamExtension>,
}

/// What is wrong with streams that share an object.
pub(super) fn shared(source: &Source, extension: &Extension) -> Vec<Problem> {
    let mut of_object: BTreeMap<&str, Vec<Told<'_>>> = BTreeMap::new();
    let mut wrong = Vec::new();
    for declared in source.declared() {
        let told = Told { declared, said: extension.streams.get(&declared.name) };
        let others = of_object.entry(told.object()).or_default();
        wrong.extend(others.iter().find_map(|other| told.clash(*other)));
        others.push(told);
    }
    wrong
}

impl<'s> Told<'s> {
    fn object(self) -> &'s str {
        self.said.and_then(|said| said.object.as_deref()).unwrap_or(&self.declared.name)
    }

    fn deletes(self) -> Option<&'s Deletes> {
        self.said?.deletes.as_ref()
    }

    /// Why it cannot be beside one of the same object.
    fn clash(self, other: Self) -> Option<Problem> {
        // Those with conditions may be there in place of each other.
        let are_alternatives = self.declared.condition.is_some() && other.declared.condition.is_some();
        if are_alternatives || self.is_fed_by(other) || other.is_fed_by(self) {
            return None;
        }
        let list = [other, self].into_iter().find(|told| told.is_scanned())?;
        let [own, early, list, object] =
            [&self.declared.name, &other.declared.name, &list.declared.name, self.object()];
        let message = format!(
            "names records '{object}' as '{early}' does, and what the list of '{list}' lacks is taken to be gone, so the \
             records of the other would be; give '{own}' an `object` of its own, or say `deletes` of them otherwise"
        );
        Some(self.declared.node.problem(Fault::Wrong, message))
    }

    /// A list of what is gone has its stream's object on purpose.
    fn is_fed_by(self, feed: Self) -> bool {
        matches!(self.deletes(), Some(Deletes::Feed(name)) if *name == feed.declared.name)
    }

    /// Whether what its list does not have any more is gone, as it also is where nothing is said of a whole list.
    fn is_scanned(self) -> bool {
        match self.deletes() {
            Some(deletes) => *deletes == Deletes::Scan,
            None => {
                // What cannot be read is told when it is to be read.
                let stream = Stream::read(&self.declared.node.afresh());
                stream.is_ok_and(|stream| stream.ways().iter().all(|way| way.sync.is_none()))
            }
        }
    }
}
