//! The files of this repository as the rules see them: text, its lines, and which of those are the program's own code.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// What git does not keep.
const IGNORED: [&str; 6] = ["target", ".cache", ".git", "node_modules", "trireme-data", ".env"];

pub struct SourceFile {
    /// From the root of the repository, with forward slashes.
    pub path: String,
    pub text: String,
}

impl SourceFile {
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Files that are compiled for tests and measurements only, and crates that exist for them.
    pub fn is_for_tests(&self) -> bool {
        let for_tests = |part: &str| matches!(part, "tests" | "benches" | "testkit" | "fuzz" | "tests.rs");
        self.path.split('/').any(|part| for_tests(part) || part.starts_with("test_"))
    }

    /// The lines of code with their numbers, without comments and without the tests at the file's foot.
    pub fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let end = self.lines_before_tests();
        let lines = self.text.lines().enumerate().take(end).map(|(index, line)| (index + 1, line));
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// How many lines come before `#[cfg(test)] mod …`, which stands at the foot.
    pub fn lines_before_tests(&self) -> usize {
        let lines: Vec<&str> = self.text.lines().collect();
        let foot = lines.windows(2).position(|pair| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod "));
        foot.unwrap_or(lines.len())
    }
}

/// Every text file of the repository, read once.
pub fn files() -> &'static [SourceFile] {
    static FILES: OnceLock<Vec<SourceFile>> = OnceLock::new();
    FILES.get_or_init(|| {
        let mut found = Vec::new();
        collect(&root(), &mut found);
        found.sort_by(|a, b| a.path.cmp(&b.path));
        assert!(
            found.len() > 100,
            "only {} files under {}: the rules would hold vacuously",
            found.len(),
            root().display()
        );
        found
    })
}

pub fn rust_files() -> impl Iterator<Item = &'static SourceFile> {
    files().iter().filter(|file| file.is_rust())
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace is two folders up")
}

fn collect(folder: &Path, found: &mut Vec<SourceFile>) {
    for entry in fs::read_dir(folder).expect("a folder of the repository can be read") {
        let entry = entry.expect("its entries too");
        let kind = entry.file_type().expect("and what they are");
        let name = entry.file_name().to_string_lossy().into_owned();
        if IGNORED.contains(&name.as_str()) {
            continue;
        }
        if kind.is_dir() {
            collect(&entry.path(), found);
        } else if kind.is_file()
            && let Ok(text) = fs::read_to_string(entry.path())
        {
            found.push(SourceFile { path: relative(&entry.path()), text });
        }
    }
}

fn relative(path: &Path) -> String {
    let inside = path.strip_prefix(root()).expect("it was found under the root");
    inside.to_string_lossy().replace('\\', "/")
}
