//! Bodies as downloads come: gzip, and a zip archive with one file in it.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use serde::Deserialize;

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Packing {
    /// A gzip file, with no header that says so.
    Gzip,
    /// Compressed on the way: `content-encoding: gzip`.
    GzipEncoding,
    Zip,
}

impl Packing {
    pub fn pack(self, body: &[u8]) -> Vec<u8> {
        match self {
            Self::Gzip | Self::GzipEncoding => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(body).and_then(|()| encoder.finish()).expect("memory takes every byte")
            }
            Self::Zip => zip(body),
        }
    }
}

/// An archive of one deflated file: local header, data, central directory, its end.
fn zip(body: &[u8]) -> Vec<u8> {
    const NAME: &[u8] = b"export.txt";
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    let packed = encoder.write_all(body).and_then(|()| encoder.finish()).expect("memory takes every byte");
    let four = |number: usize| u32::try_from(number).expect("scripted bodies are far below 4 GiB").to_le_bytes();
    let name_length = u16::try_from(NAME.len()).expect("the name is ten bytes").to_le_bytes();

    // Version needed, flags, method 8 (deflate), time and date, checksum, both sizes, lengths of name and extra field.
    let mut common = vec![20, 0, 0, 0, 8, 0, 0, 0, 0x21, 0x58];
    common.extend(crc32fast::hash(body).to_le_bytes());
    common.extend(four(packed.len()));
    common.extend(four(body.len()));
    common.extend(name_length);
    common.extend([0, 0]);

    let mut archive = b"PK\x03\x04".to_vec();
    archive.extend(&common);
    archive.extend(NAME);
    archive.extend(&packed);
    let directory = archive.len();
    archive.extend(b"PK\x01\x02\x14\x00");
    archive.extend(&common);
    // Comment length, disk, attributes within and without, offset of the local header.
    archive.extend([0; 14]);
    archive.extend(NAME);
    let directory_size = archive.len() - directory;
    archive.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    archive.extend(four(directory_size));
    archive.extend(four(directory));
    archive.extend([0, 0]);
    archive
}
