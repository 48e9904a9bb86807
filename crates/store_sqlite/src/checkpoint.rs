//! When the log is folded back into the database.

/// Log pages (of 8 KiB) after which a commit folds them in.
pub(crate) const PAGES: i64 = 8_000;
