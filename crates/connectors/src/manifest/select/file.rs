//! Tables that asynchronous jobs download.

/// A table that is downloaded.
#[derive(Clone, Copy, Debug, Default)]
pub struct FileTable {
    /// Only empty fields are null then.
    pub preserves_na: bool,
}
