//! Values on their way into a statement: owned, so that a transaction can send what it writes all at once.

use std::borrow::Cow;
use std::error::Error;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use domain::{ConnectionName, DestinationName, RouteName, SourceName, Timestamp};
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

pub(crate) type Param = Box<dyn ToSql + Sync + Send>;

/// The parameters of one statement.
macro_rules! params {
    ($($value:expr),* $(,)?) => { vec![$(Box::new($value) as $crate::value::Param),*] };
}
pub(crate) use params;

/// PostgreSQL's text cannot hold U+0000, and what senders name may. It is written as this, which nobody names.
const NUL: char = '\u{10FFFE}';

#[derive(Clone, Debug)]
pub(crate) struct Text(Arc<str>);

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(match without_nul(text) {
            Cow::Borrowed(text) => text.into(),
            Cow::Owned(text) => text.into(),
        })
    }
}

impl From<&Arc<str>> for Text {
    fn from(text: &Arc<str>) -> Self {
        if text.contains('\0') { Self::from(&**text) } else { Self(Arc::clone(text)) }
    }
}

impl From<&String> for Text {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

/// Names have no U+0000, and are shared.
macro_rules! of_names {
    ($($name:ty),*) => {
        $(impl From<&$name> for Text {
            fn from(name: &$name) -> Self {
                Self(Arc::clone(name.shared()))
            }
        })*
    };
}
of_names!(SourceName, ConnectionName, DestinationName, RouteName);

pub(crate) fn without_nul(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', &NUL.to_string())) } else { Cow::Borrowed(text) }
}

/// A text as it was before it was written.
pub(crate) fn with_nul(text: &str) -> Cow<'_, str> {
    if text.contains(NUL) { Cow::Owned(text.replace(NUL, "\0")) } else { Cow::Borrowed(text) }
}

impl ToSql for Text {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        (&*self.0).to_sql(ty, out)
    }

    fn accepts(ty: &Type) -> bool {
        <&str as ToSql>::accepts(ty)
    }

    to_sql_checked!();
}

/// Bytes that are shared, not copied, until they are sent.
#[derive(Clone, Debug)]
pub(crate) struct Blob(pub(crate) Bytes);

impl Blob {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self(Bytes::copy_from_slice(bytes))
    }
}

impl ToSql for Blob {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        (&*self.0).to_sql(ty, out)
    }

    fn accepts(ty: &Type) -> bool {
        <&[u8] as ToSql>::accepts(ty)
    }

    to_sql_checked!();
}

/// One column of many rows, for `unnest`.
pub(crate) fn column<R, V>(rows: &[R], value: impl Fn(&R) -> V) -> Vec<V> {
    rows.iter().map(value).collect()
}

pub(crate) fn micros(time: Option<Timestamp>) -> Option<i64> {
    time.map(Timestamp::as_micros)
}

/// As many micros or bytes as a column can hold.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(crate) fn small(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_hold_what_the_database_cannot_are_read_back_as_they_were() {
        for text in ["", "plain", "a\0b\0", "ü\u{10FFFF}"] {
            let written = without_nul(text);
            assert!(!written.contains('\0'));
            assert_eq!(with_nul(&written), text);
        }
    }
}
