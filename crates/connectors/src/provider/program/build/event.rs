//! The part of a program that finds a request's events and names them.

use super::{Builder, Built, one_pointer};
use crate::provider::field::Field;
use crate::provider::json::Pointers;
use crate::provider::program::{EventProgram, Moment, Split, SubjectOf, VersionOf};
use crate::provider::spec::{EventSpec, Extract, MomentSpec, SubjectSpec, VersionSpec};
use crate::provider::yaml::At;

impl Builder<'_> {
    pub(super) fn event(&mut self, spec: &EventSpec) -> Built<EventProgram> {
        let within = spec.within.as_ref().map(|within| self.request_field(&within.value)).transpose()?;
        let split = match (&spec.split, &spec.split_xml) {
            (Some(split), _) => {
                let then = spec.then_split.iter().map(|pointer| one_pointer(&pointer.value)).collect();
                Some(Split::Json(one_pointer(&split.value), then))
            }
            (None, Some(path)) => Some(Split::Xml(path.value.as_str().into())),
            (None, None) => None,
        };
        // While an event is read, `whole` leads back to the body, whose pointers are apart.
        let request = std::mem::take(&mut self.pointers);
        let event = self.event_names(spec)?;
        let whole_pointers = std::mem::replace(&mut self.pointers, request);
        let parent_pointers = std::mem::take(&mut self.parent_pointers);
        Ok(EventProgram { split, within, whole_pointers, parent_pointers, ..event })
    }

    fn event_names(&mut self, spec: &EventSpec) -> Built<EventProgram> {
        let mut pointers = Pointers::default();
        let mut templates = |pointers: &mut Pointers, templates: &[Vec<At<Extract>>]| {
            let mut template = |parts: &Vec<At<Extract>>, pointers: &mut Pointers| {
                parts.iter().map(|part| self.field(&part.value, pointers)).collect::<Built<Vec<_>>>()
            };
            templates.iter().map(|parts| template(parts, pointers)).collect::<Built<Vec<_>>>()
        };
        Ok(EventProgram {
            event_type: templates(&mut pointers, &spec.event_type)?,
            type_otherwise: spec.type_otherwise.as_str().into(),
            id: templates(&mut pointers, &spec.id)?,
            attempt_id: templates(&mut pointers, &spec.attempt_id)?,
            connection: templates(&mut pointers, &spec.connection)?,
            occurred_at: spec.occurred_at.iter().map(|at| self.moment(at, &mut pointers)).collect::<Built<_>>()?,
            subject: spec.subject.iter().map(|of| self.subject(of, &mut pointers)).collect::<Built<_>>()?,
            split: None,
            within: None,
            whole_pointers: Pointers::default(),
            parent_pointers: Pointers::default(),
            pointers,
        })
    }

    fn subject(&mut self, spec: &SubjectSpec, pointers: &mut Pointers) -> Built<SubjectOf> {
        let version = match &spec.version {
            None => None,
            Some(VersionSpec::Time(moment)) => Some(VersionOf::Time(self.moment(moment, pointers)?)),
            Some(VersionSpec::Number(from)) => Some(VersionOf::Number(self.field(&from.value, pointers)?)),
        };
        let object = self.field(&spec.object.value, pointers)?;
        Ok(SubjectOf { object, id: self.field(&spec.id.value, pointers)?, version })
    }

    fn moment(&mut self, spec: &MomentSpec, pointers: &mut Pointers) -> Built<Moment> {
        Ok(Moment { from: self.field(&spec.from.value, pointers)?, unit: spec.unit })
    }

    pub(super) fn parent_field(&mut self, extract: &Extract) -> Built<Field> {
        let mut pointers = std::mem::take(&mut self.parent_pointers);
        let field = self.field(extract, &mut pointers);
        self.parent_pointers = pointers;
        field
    }
}
