//! A body on its way to a decoder: in memory while it is small, in an unnamed temporary file once it is not, so that an
//! export of gigabytes costs disk and not memory.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};

use bytes::Bytes;

/// Up to here a body stays in memory.
const MEMORY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Largest body that is spooled: exports beyond it are split by every API that is known.
pub(super) const SPOOL_BYTES_MAX: u64 = 64 * 1024 * 1024 * 1024;

enum Place {
    Memory(Vec<u8>),
    File(File),
}

/// Bytes that came so far.
pub(super) struct Spool {
    place: Place,
    bytes: u64,
}

impl Spool {
    pub fn new() -> Self {
        Self { place: Place::Memory(Vec::new()), bytes: 0 }
    }

    /// Adds a piece. Writing to a file goes to the page cache, off the thread that others wait for.
    pub async fn push(&mut self, piece: Bytes) -> io::Result<()> {
        self.bytes = self.bytes.saturating_add(piece.len() as u64);
        if self.bytes > SPOOL_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the download is larger than may be spooled"));
        }
        match &mut self.place {
            Place::Memory(held) if held.len() + piece.len() <= MEMORY_BYTES_MAX => {
                held.extend_from_slice(&piece);
                Ok(())
            }
            Place::Memory(held) => {
                let held = std::mem::take(held);
                self.place = Place::File(blocking(move || to_file(&held, &piece)).await?);
                Ok(())
            }
            Place::File(file) => {
                let mut file = file.try_clone()?;
                blocking(move || file.write_all(&piece)).await
            }
        }
    }

    pub fn len(&self) -> u64 {
        self.bytes
    }

    /// All of it in memory, for what is known to be small.
    pub fn into_bytes(self) -> io::Result<Bytes> {
        match self.place {
            Place::Memory(held) => Ok(held.into()),
            Place::File(_) => {
                let mut held = Vec::new();
                self.into_reader()?.read_to_end(&mut held)?;
                Ok(held.into())
            }
        }
    }

    /// From its first byte.
    pub fn into_reader(self) -> io::Result<Box<dyn Read + Send>> {
        Ok(match self.place {
            Place::Memory(held) => Box::new(Cursor::new(held)),
            Place::File(mut file) => {
                file.seek(SeekFrom::Start(0))?;
                Box::new(io::BufReader::with_capacity(64 * 1024, file))
            }
        })
    }
}

fn to_file(held: &[u8], piece: &[u8]) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    file.write_all(held)?;
    file.write_all(piece)?;
    Ok(file)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_pushed_is_read_back_from_memory_and_from_a_file() {
        for pieces in [3, 40] {
            let mut spool = Spool::new();
            for number in 0..pieces {
                spool.push(Bytes::from(vec![number; 200_000])).await.unwrap();
            }
            assert_eq!(spool.len(), u64::from(pieces) * 200_000);
            assert_eq!(matches!(spool.place, Place::File(_)), pieces > 20);
            let mut read = Vec::new();
            spool.into_reader().unwrap().read_to_end(&mut read).unwrap();
            let expected: Vec<u8> = (0..pieces).flat_map(|number| vec![number; 200_000]).collect();
            assert!(read == expected, "{pieces} pieces");
        }
    }
}
