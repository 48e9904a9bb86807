//! Whether each extract says something where it stands.

use super::{Lint, is_header_name};
use crate::provider::error::Place;
use crate::provider::settings::Param;
use crate::provider::spec::{Extract, Transform};
use crate::provider::yaml::{At, place};
use crate::provider::{json, xml};

/// Which extracts make sense where one stands.
#[derive(Clone, Copy, Default)]
pub(super) struct Allowed {
    pub sig: bool,
    pub maybe: bool,
    pub whole: bool,
}

impl Allowed {
    fn inside(self) -> Self {
        Self { maybe: false, ..self }
    }
}

impl<'a> Lint<'a> {
    pub(super) fn selector<T>(&mut self, at: &At<T>, select_by: Option<&'a Extract>) {
        if let Some(extract) = select_by {
            self.extract(place(&at.referenced, 0), extract, Allowed::default());
        }
    }

    pub(super) fn extract(&mut self, at: Place, extract: &Extract, allowed: Allowed) {
        match extract {
            Extract::Header(name) => {
                self.setting(at, name);
                if let Param::Fixed(name) = name
                    && !is_header_name(name)
                {
                    self.say_at(at, format!("'{name}' is not the name of a header"));
                }
            }
            Extract::Query(name) | Extract::Form(name) | Extract::Multipart(name) | Extract::Const(name) => {
                self.setting(at, name);
            }
            Extract::Json(pointer) => {
                self.setting(at, pointer);
                if let Param::Fixed(pointer) = pointer {
                    self.pointer(at, pointer);
                }
            }
            Extract::Claim(pointer) => {
                if self.spec.verify.value.first_token().is_none() {
                    self.say_at(at, "'claim' reads the token of 'jws', and nothing is verified by one");
                }
                self.pointer(at, pointer);
            }
            Extract::FirstKey(spec) => self.pointer(at, &spec.at),
            Extract::Xml(path) => self.path(at, path),
            Extract::Sig(name) if !allowed.sig => {
                self.say_at(
                    at,
                    format!(
                        "'sig: {name}' is for messages and times of signatures of 'kv', 'positional' or 'b64json' form"
                    ),
                );
            }
            Extract::Maybe(_) if !allowed.maybe => {
                self.say_at(at, "'maybe' belongs in an event's names: a message has all of its parts");
            }
            Extract::Whole(_) if !allowed.whole => {
                self.say_at(at, "'whole' belongs in an event's names: elsewhere the whole body is read anyway");
            }
            Extract::Parent(_) | Extract::Position if !allowed.whole => {
                self.say_at(at, "'parent' and 'position' belong in the names of a split request's events");
            }
            Extract::Secret(_) => self.say_at(at, "'secret' belongs in a digest that a handshake answers with"),
            Extract::Maybe(inner) | Extract::Whole(inner) | Extract::Parent(inner) => {
                self.extract(at, inner, allowed.inside())
            }
            Extract::ListedHeaders(spec) => {
                if spec.separator.is_empty() {
                    self.say_at(at, "a list needs a separator");
                }
                self.extract(at, &spec.names, allowed.inside());
            }
            Extract::Join(spec) => self.all_of_them(at, &spec.of, allowed),
            Extract::Segment(of) => self.all_of_them(at, of, allowed),
            Extract::Transform(spec) => {
                spec.by.iter().for_each(|step| self.transform(at, step));
                self.extract(at, &spec.of, allowed.inside());
            }
            Extract::Sig(_)
            | Extract::Method
            | Extract::Url(_)
            | Extract::Path
            | Extract::Body
            | Extract::Position
            | Extract::SortedForm => {}
        }
    }

    fn all_of_them(&mut self, at: Place, of: &[Extract], allowed: Allowed) {
        if of.is_empty() {
            self.say_at(at, "a list of parts is empty");
        }
        of.iter().for_each(|part| self.extract(at, part, allowed.inside()));
    }

    fn transform(&mut self, at: Place, step: &Transform) {
        let fits = match step {
            Transform::Only(text)
            | Transform::TrimPrefix(text)
            | Transform::MaybePrefix(text)
            | Transform::TrimSuffix(text)
            | Transform::Before(text)
            | Transform::After(text) => !text.is_empty(),
            Transform::PercentDecode(characters) => !characters.is_empty() && characters.is_ascii(),
            Transform::Json(pointer) => return self.pointer(at, pointer),
            Transform::Xml(path) => return self.path(at, path),
            Transform::Lower
            | Transform::Upper
            | Transform::Sha256(_)
            | Transform::Crc32
            | Transform::Base64Decode
            | Transform::Base64urlDecode
            | Transform::HexDecode
            | Transform::JwsPayload => true,
        };
        if !fits {
            self.say_at(at, "a transform needs a text to work by (of percent_decode: ASCII characters)");
        }
    }

    pub(super) fn pointer(&mut self, at: Place, pointer: &str) {
        if !json::is_pointer(pointer) {
            self.say_at(at, format!("'{pointer}' is no JSON pointer: it starts with '/'"));
        }
    }

    fn path(&mut self, at: Place, path: &str) {
        if !xml::is_path(path) {
            self.say_at(at, format!("'{path}' is no path of names such as /Envelope/Body"));
        }
    }
}
