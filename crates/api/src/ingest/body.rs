//! Capturing a body: raw, whole or not at all, never more than there is room for.

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt;

use super::gate::IngestPermit;
use crate::guard::BodyTooSlow;

pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A body up to this size is copied out of the connection's read buffer, which it would otherwise hold on to for as
/// long as the event is in memory; the buffer is then used again. A larger one costs more to copy than to hold.
const COPIED_BYTES_MAX: usize = 16 * 1024;

/// How capturing a body ended.
pub enum Captured {
    /// Every byte, and the room that they take for as long as they are in memory.
    Whole(Bytes, IngestPermit),
    TooLarge,
    /// It stopped, or dripped, past its deadline.
    TooSlow,
    /// The connection ended first, or the bytes were no valid body.
    Broken,
    /// All bodies together take as much memory as they may.
    NoRoom,
}

pub async fn capture<B>(mut body: B, bytes_max: usize, mut permit: IngestPermit) -> Captured
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    // The length that the sender announces is only believed when it is too much.
    if body.size_hint().lower() > bytes_max as u64 {
        return Captured::TooLarge;
    }
    let mut whole = Gathered::Nothing;
    while !body.is_end_stream() {
        let frame = match body.frame().await {
            None => break,
            Some(Ok(frame)) => frame,
            Some(Err(error)) => {
                return if error.into().is::<BodyTooSlow>() { Captured::TooSlow } else { Captured::Broken };
            }
        };
        let Ok(data) = frame.into_data() else { continue };
        if whole.len() + data.len() > bytes_max {
            return Captured::TooLarge;
        }
        if !permit.grow(data.len()) {
            return Captured::NoRoom;
        }
        whole = whole.and(data);
    }
    Captured::Whole(whole.into_bytes(), permit)
}

/// Most bodies come in one piece.
enum Gathered {
    Nothing,
    One(Bytes),
    Many(BytesMut),
}

impl Gathered {
    fn len(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::One(bytes) => bytes.len(),
            Self::Many(bytes) => bytes.len(),
        }
    }

    fn and(self, data: Bytes) -> Self {
        match self {
            Self::Nothing => Self::One(data),
            Self::One(first) => {
                let mut all = BytesMut::with_capacity((first.len() + data.len()) * 2);
                all.extend_from_slice(&first);
                all.extend_from_slice(&data);
                Self::Many(all)
            }
            Self::Many(mut all) => {
                all.extend_from_slice(&data);
                Self::Many(all)
            }
        }
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::Nothing => Bytes::new(),
            Self::One(bytes) if bytes.len() <= COPIED_BYTES_MAX => Bytes::copy_from_slice(&bytes),
            Self::One(bytes) => bytes,
            Self::Many(bytes) => bytes.freeze(),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body::Frame;
    use http_body_util::{Full, StreamBody};

    use super::*;
    use crate::ingest::IngestGate;

    fn pieces(list: &[&'static str]) -> impl Body<Data = Bytes, Error = BoxError> + Unpin + use<> {
        let frames: Vec<Result<_, BoxError>> =
            list.iter().map(|text| Ok(Frame::data(Bytes::from_static(text.as_bytes())))).collect();
        StreamBody::new(stream::iter(frames))
    }

    fn told(captured: &Captured) -> String {
        match captured {
            Captured::Whole(bytes, _) => String::from_utf8_lossy(bytes).into_owned(),
            Captured::TooLarge => "too large".into(),
            Captured::TooSlow => "too slow".into(),
            Captured::Broken => "broken".into(),
            Captured::NoRoom => "no room".into(),
        }
    }

    #[tokio::test]
    async fn a_body_is_taken_whole_up_to_its_limit_and_the_room_there_is() {
        let table: &[(&[&'static str], usize, usize, &str)] = &[
            (&[], 4, 9, ""),
            (&["abcd"], 4, 9, "abcd"),
            (&["a", "b", "c", "d"], 4, 9, "abcd"),
            (&["ab", "cd", "e"], 4, 9, "too large"),
            (&["abcde"], 4, 9, "too large"),
            (&["ab", "cd"], 9, 3, "no room"),
        ];
        for (list, max, room, expected) in table {
            let gate = IngestGate::new(1, *room);
            let captured = capture(pieces(list), *max, gate.enter().expect("room")).await;
            assert_eq!(told(&captured), *expected, "{list:?}");
            drop(captured);
            assert!(gate.enter().is_some_and(|mut permit| permit.grow(*room)), "all room is given back");
        }
    }

    #[tokio::test]
    async fn an_announced_length_that_is_too_much_is_refused_unread() {
        let gate = IngestGate::new(1, 0);
        let captured = capture(Full::new(Bytes::from_static(b"abcde")), 4, gate.enter().expect("room")).await;
        assert_eq!(told(&captured), "too large");
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_not_taken_for_a_whole_one() {
        for (error, expected) in [(Box::new(BodyTooSlow) as BoxError, "too slow"), ("reset".into(), "broken")] {
            let frames = [Ok(Frame::data(Bytes::from_static(b"ab"))), Err(error)];
            let gate = IngestGate::new(1, 9);
            let captured = capture(StreamBody::new(stream::iter(frames)), 9, gate.enter().expect("room")).await;
            assert_eq!(told(&captured), expected);
        }
    }
}
