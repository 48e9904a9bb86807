//! The failing disk: a small library that is preloaded into the real process, and the page by which it is told what
//! has to fail. It counts what it saw, so that a test can tell that it was hit.

use std::fs::{File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::gateway::Home;

/// The fields of `struct control` in crates/testkit/preload/disk.c, each 8 bytes.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
enum Field {
    Magic,
    Armed,
    Error,
    Torn,
    Calls,
    Files,
    First,
    Last,
    Matched,
    Failed,
    Attached,
    ClockShift,
    MonotonicShift,
    Seen,
}

const MAGIC: u64 = 0x7472_6972_656d_6531;
const CALLS: u64 = 4;
const FILES: u64 = 3;
const FIELDS: u64 = Field::Seen as u64 + CALLS * FILES;

pub const EIO: u64 = 5;
pub const ENOSPC: u64 = 28;
/// Not an error: the write is cut short, and says so.
pub const SHORT: u64 = 0;

/// Which calls may fail.
pub const WRITES: u64 = 1;
pub const SYNCS: u64 = 2;
pub const TRUNCATES: u64 = 4;
pub const ALLOCATES: u64 = 8;
pub const ANY_CALL: u64 = WRITES | SYNCS | TRUNCATES | ALLOCATES;

/// On which files below the data folder.
pub const DATABASE: u64 = 1;
pub const LOG: u64 = 2;
pub const STORE: u64 = DATABASE | LOG;

/// What has to fail.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    pub error: u64,
    /// A failing write leaves its first half behind.
    pub torn: bool,
    pub calls: u64,
    pub files: u64,
    /// Matching calls fail from this one, counted from 1 ...
    pub first: u64,
    /// ... to this one.
    pub last: u64,
}

impl Fault {
    /// The `number`-th call, and no other.
    pub fn nth(number: u64, error: u64, calls: u64, files: u64) -> Self {
        Self { error, torn: false, calls, files, first: number, last: number }
    }

    /// Every call until it is lifted.
    pub fn always(error: u64, calls: u64, files: u64) -> Self {
        Self { error, torn: false, calls, files, first: 1, last: u64::MAX }
    }
}

pub struct Disk {
    control: File,
}

impl Disk {
    /// Puts the library between this home's process and its disk.
    pub fn under(home: Home) -> (Home, Self) {
        std::fs::create_dir_all(home.data()).expect("the data folder is made");
        let folder = home.data().canonicalize().expect("it was just made");
        let path = home.folder().join("control");
        let control = OpenOptions::new().create(true).truncate(true).read(true).write(true).open(&path);
        let disk = Self { control: control.expect("a file of our own") };
        disk.control.set_len(FIELDS * 8).expect("a few bytes");
        disk.write(Field::Magic, MAGIC);
        let home = home
            .with_environment("LD_PRELOAD", library().to_str().expect("the target folder is a plain path"))
            .with_environment("CHAOS_FOLDER", folder.to_str().expect("the target folder is a plain path"))
            .with_environment("CHAOS_CONTROL", path.to_str().expect("the target folder is a plain path"));
        (home, disk)
    }

    /// From here on this fails. Counting starts again.
    pub fn fail(&self, fault: Fault) {
        self.lift();
        self.write(Field::Error, fault.error);
        self.write(Field::Torn, u64::from(fault.torn));
        self.write(Field::Calls, fault.calls);
        self.write(Field::Files, fault.files);
        self.write(Field::First, fault.first);
        self.write(Field::Last, fault.last);
        self.write(Field::Matched, 0);
        self.write(Field::Failed, 0);
        self.write(Field::Armed, 1);
    }

    /// The disk works again.
    pub fn lift(&self) {
        self.write(Field::Armed, 0);
    }

    /// Moves the wall clock of the process.
    pub fn shift_clock(&self, seconds: i64) {
        self.write(Field::ClockShift, seconds.cast_unsigned());
    }

    /// Moves the clock that timers run by. It must not go back while a process runs.
    pub fn shift_timers(&self, seconds: i64) {
        self.write(Field::MonotonicShift, seconds.cast_unsigned());
    }

    /// Calls that the last fault could have hit.
    pub fn matched(&self) -> u64 {
        self.read(Field::Matched as u64)
    }

    /// Calls that were made to fail.
    pub fn failed(&self) -> u64 {
        self.read(Field::Failed as u64)
    }

    /// Processes that the library was loaded into.
    pub fn attached(&self) -> u64 {
        self.read(Field::Attached as u64)
    }

    /// Calls of a kind on the store's files since the first start, failed or not.
    pub fn seen(&self, calls: u64, files: u64) -> u64 {
        let wanted = |call: &u64, file: &u64| calls >> call & 1 == 1 && files >> file & 1 == 1;
        let all = (0..CALLS).flat_map(|call| (0..FILES).map(move |file| (call, file)));
        all.filter(|(call, file)| wanted(call, file))
            .map(|(call, file)| self.read(Field::Seen as u64 + call * FILES + file))
            .sum()
    }

    fn read(&self, field: u64) -> u64 {
        let mut bytes = [0; 8];
        self.control.read_exact_at(&mut bytes, field * 8).expect("the control page has this field");
        u64::from_ne_bytes(bytes)
    }

    fn write(&self, field: Field, value: u64) {
        self.control.write_all_at(&value.to_ne_bytes(), field as u64 * 8).expect("the control page has this field");
    }
}

/// The library. It is built when its source has changed, and put in place whole, so that no other test loads half of it.
fn library() -> PathBuf {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../testkit/preload/disk.c");
    let mut hasher = DefaultHasher::new();
    std::fs::read(source).expect("the source is in the repository").hash(&mut hasher);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let built = folder.join(format!("chaos-disk-{:016x}.so", hasher.finish()));
    if !built.exists() {
        let fresh = folder.join(format!("chaos-disk-{}", std::process::id()));
        let mut compiler = Command::new("cc");
        compiler.args(["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"]);
        let done = compiler.arg(&fresh).arg(source).arg("-ldl").output().expect("there is a C compiler: install cc");
        assert!(done.status.success(), "{source} does not compile:\n{}", String::from_utf8_lossy(&done.stderr));
        std::fs::rename(&fresh, &built).expect("both are in one folder");
    }
    built
}
