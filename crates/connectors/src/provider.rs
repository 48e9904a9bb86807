//! The recipe language for webhook verification: how one sender signs, shakes hands, names and identifies its
//! events, as data; its compiled form; and [`judge()`], which applies it to a request.
//!
//! Sans I/O and without a clock. Rules that no recipe can switch off: signatures are checked over the bytes as
//! received; a missing, repeated or empty signature is refused; an empty secret is an error of the configuration;
//! secrets are typed by role; comparisons take constant time; nothing is inflated before it is verified.

mod anchor;
mod catalogue;
mod certificate;
mod check;
pub(crate) mod der;
mod digest;
mod effect;
mod error;
mod event;
mod example;
mod fetched;
mod field;
mod form;
mod incoming;
mod inflate;
mod json;
mod judge;
mod jwk;
mod jws;
mod key_api;
mod keys;
mod lint;
mod moment;
mod multipart;
mod newcomer;
mod own_secret;
mod page;
mod program;
mod public_key;
mod published;
mod ranges;
mod recipe;
mod refusal;
mod reply;
mod sample;
#[cfg(test)]
mod schema;
mod secret;
mod selection;
mod settings;
mod signature;
mod span;
mod spec;
mod topics;
mod url;
mod xml;
mod yaml;

pub use catalogue::{Catalogue, Origin, catalogue};
pub use effect::{Effect, OFFERED_SECRET_BYTES_MAX, OFFERED_SECRET_BYTES_MIN, OfferedSecret};
pub use error::{KeyError, Place, RecipeError, RecipeErrors};
pub use event::{FoundEvent, Payload};
pub use example::{
    Again, Examples, Expect, ExpectEffect, ExpectEvent, ExpectReply, Kind, PublishedKey, Sample, Vector,
};
pub use fetched::{FetchedKeys, KeyDocument, KeyFormat};
pub use incoming::{Incoming, Peer, Urls};
pub use inflate::INFLATED_BYTES_MAX;
pub use judge::{Accepted, Judgement, Pending, judge, judge_with};
pub use key_api::{AccessToken, KeyRequest, NoKey, TokenRequest};
pub use keys::Keys;
pub use page::{ADDRESS_TO_REPLACE, page};
pub use program::Scheme;
pub use ranges::{LIST_BYTES_MAX, RangesError, range, read_ranges};
pub use recipe::{Facts, Published, Recipe};
pub use refusal::Code;
pub use reply::{Reply, ReplyContract};
pub use sample::{Moment, SignError, SignedSample, sign_sample};
pub use secret::{Role, RoleSecret, SECRETS_MAX, SECRETS_TOGETHER_MAX, Window};
pub use settings::Settings;
