//! A throw-away PostgreSQL for tests: one server for all test processes of a run, a database of its own for each test.
//! It must never be used for anything that is to be kept: it does not sync, and it is gone when nobody uses it.
//!
//! Every user holds a shared lock on a file. A shell beside the server looks whether anyone still does, and stops and
//! removes the server when nobody has for a while: a lock ends with its process, however that ends.

mod grow;

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::Timestamp;
use store::keep::Keep;

pub use self::grow::grow;
use crate::{OpenOptions, PostgresStore};

/// What the databases are made from knows partitions for this time: that at which tests of stores play.
pub const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
/// Names a server to use instead of a throw-away one: its address without a database.
const GIVEN: &str = "TRIREME_TEST_POSTGRES";

/// Seconds without a user after which the server goes.
const IDLE_SECONDS: u32 = 15;
const SETTINGS: &str = "-c fsync=off -c full_page_writes=off -c synchronous_commit=off -c max_connections=400 \
    -c shared_buffers=128MB -c max_locks_per_transaction=512 -c autovacuum_naptime=10s -c max_wal_size=2GB";

/// A server, for as long as this process lives.
struct Server {
    /// With `{}` where the database goes.
    address: String,
    _used: Option<File>,
}

/// An empty database with the schema, dropped when this is.
pub struct Database {
    name: String,
}

impl Database {
    /// # Panics
    /// If there is no PostgreSQL on this machine: a test that needs one cannot pass without.
    #[must_use]
    pub fn new() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("t_{}_{number}", std::process::id());
        sql(&format!("CREATE DATABASE {name} TEMPLATE {}", template()));
        Self { name }
    }

    #[must_use]
    pub fn address(&self) -> String {
        server().address.replace("{}", &self.name)
    }

    #[must_use]
    pub fn options(&self) -> OpenOptions {
        OpenOptions::at(self.address(), NOW)
    }

    /// Runs statements as the superuser, and gives what they print.
    ///
    /// # Panics
    /// If one of them fails.
    #[must_use]
    pub fn sql(&self, text: &str) -> String {
        psql(&self.name, text)
    }
}

impl Default for Database {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // Whoever is still connected belongs to the test that is over.
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let _ = client("postgres").args(["-c", &drop]).output();
    }
}

fn sql(text: &str) {
    let _ = psql("postgres", text);
}

fn psql(database: &str, text: &str) -> String {
    let ran = client(database).args(["-c", text]).output().expect("psql runs");
    assert!(ran.status.success(), "{text}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8_lossy(&ran.stdout).trim().to_owned()
}

fn client(database: &str) -> Command {
    let mut psql = Command::new(programs().join("psql"));
    psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", &server().address.replace("{}", database)]);
    psql.stdin(Stdio::null());
    psql
}

/// The database that the others are made from: it has the schema, and partitions for the time of tests.
fn template() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| {
        let name = format!("template_{}", crate::migrate::digest());
        let _one_at_a_time = locked(&base().join("template.lock"));
        if psql("postgres", &format!("SELECT 1 FROM pg_database WHERE datname = '{name}' AND datallowconn")) == "1" {
            return name;
        }
        sql(&format!("DROP DATABASE IF EXISTS {name}_new WITH (FORCE)"));
        sql(&format!("CREATE DATABASE {name}_new"));
        let address = server().address.replace("{}", &format!("{name}_new"));
        // A thread, because the caller may be in a runtime of its own.
        let made = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let options = OpenOptions { listen: false, ..OpenOptions::at(address, NOW) };
                let store = PostgresStore::open(options).await.expect("a new database opens");
                store.close().await.expect("it closes");
            });
        });
        made.join().expect("the template is made");
        sql(&format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}_new'"));
        sql(&format!("ALTER DATABASE {name}_new RENAME TO {name}"));
        name
    })
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| match given() {
        Some(address) => Server { address: format!("{}/{{}}", address.trim_end_matches('/')), _used: None },
        None => start(),
    })
}

#[expect(clippy::disallowed_methods, reason = "a test's own setting")]
fn given() -> Option<String> {
    std::env::var(GIVEN).ok().filter(|address| !address.is_empty())
}

/// Where throw-away servers of this user are.
fn base() -> PathBuf {
    let own = fs::metadata("/proc/self").map_or(0, |own| own.uid());
    let base = std::env::temp_dir().join(format!("trireme-test-postgres-{own}"));
    fs::create_dir_all(&base).expect("a temporary folder");
    base
}

/// Holds the lock of a file until it is dropped.
fn locked(path: &Path) -> File {
    let file = File::options().create(true).append(true).open(path).expect("a lock file");
    file.lock().expect("a lock");
    file
}

/// Starts the server if it does not run.
fn start() -> Server {
    let base = base();
    let _one_at_a_time = locked(&base.join("server.lock"));
    let used = File::options().create(true).append(true).open(base.join("users")).expect("a lock file");
    used.lock_shared().expect("a lock");
    let data = base.join("data");
    let socket = base.display().to_string().replace('/', "%2F");
    let address = format!("postgres://postgres@{socket}/{{}}");
    if !answers(&base) {
        let _ = fs::remove_dir_all(&data);
        start_in(&base, &data, "");
        watch_over(&base, &data);
    }
    Server { address, _used: Some(used) }
}

/// Makes a server's data and starts it, with its socket in `base`.
fn start_in(base: &Path, data: &Path, more: &str) {
    fs::create_dir(data).expect("a folder for the server");
    if let Some((uid, gid)) = postgres_user() {
        chown(base, Some(uid), Some(gid)).expect("a folder of the server's own");
        chown(data, Some(uid), Some(gid)).expect("a folder of the server's own");
    }
    let (programs, base, data) = (programs(), base.display(), data.display());
    let programs = programs.display();
    run(&format!("{programs}/initdb -D {data} -U postgres --auth=trust --no-sync -E UTF8 --locale=C.UTF-8"));
    let settings = format!("-c listen_addresses='' -c unix_socket_directories={base} {SETTINGS} {more}");
    run(&format!("{programs}/pg_ctl -D {data} -l {base}/server.log -w -t 60 -o \"{settings}\" start"));
}

/// A server of one test alone, which may do to it what it likes. Stopped and removed when dropped.
pub struct OwnServer {
    base: PathBuf,
    _used: File,
}

impl OwnServer {
    /// # Panics
    /// If there is no PostgreSQL on this machine.
    #[must_use]
    pub fn start() -> Self {
        let base = base().join(format!("own-{}", std::process::id()));
        // Of a process of that number which was killed.
        let _ = fs::remove_dir_all(&base);
        fs::create_dir(&base).expect("a folder of its own");
        let used = File::options().create(true).append(true).open(base.join("users")).expect("a lock file");
        used.lock_shared().expect("a lock");
        drop(locked(&base.join("server.lock")));
        // It will crash: what it has acknowledged has to be in the system's hands by then.
        start_in(&base, &base.join("data"), "-c synchronous_commit=on");
        // Should this process be killed, nobody else would stop it.
        watch_over(&base, &base.join("data"));
        Self { base, _used: used }
    }

    /// Where it listens.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.base.join(".s.PGSQL.5432")
    }

    /// Ends it as a crash would, and starts it again: it recovers from its log.
    ///
    /// # Panics
    /// If it does not start again.
    pub fn restart(&self) {
        self.control("-m immediate -w -t 60 restart");
    }

    fn control(&self, what: &str) {
        let (programs, base) = (programs(), self.base.display());
        run(&format!("{}/pg_ctl -D {base}/data -l {base}/server.log {what}", programs.display()));
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        self.control("-m immediate -w stop");
        let _ = fs::remove_dir_all(&self.base);
    }
}

fn answers(base: &Path) -> bool {
    let ready = Command::new(programs().join("pg_isready"))
        .args(["-q", "-U", "postgres", "-h"])
        .arg(base)
        .stdin(Stdio::null())
        .status();
    ready.is_ok_and(|status| status.success())
}

/// Runs a command as whom the server may run: it refuses to be root's.
fn run(command: &str) {
    let ran = as_postgres(command).stdin(Stdio::null()).stdout(Stdio::null()).status().expect("a shell");
    assert!(ran.success(), "{command}: {ran}");
}

fn as_postgres(command: &str) -> Command {
    let mut shell = match postgres_user() {
        Some((uid, gid)) => {
            let mut shell = Command::new("setpriv");
            shell.args([&format!("--reuid={uid}"), &format!("--regid={gid}"), "--clear-groups", "sh"]);
            shell
        }
        None => Command::new("sh"),
    };
    shell.arg("-c").arg(command).current_dir("/");
    shell
}

/// The user `postgres`, if this process is root's.
fn postgres_user() -> Option<(u32, u32)> {
    if fs::metadata("/proc/self").is_ok_and(|own| own.uid() != 0) {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let user = users.lines().find_map(|line| line.strip_prefix("postgres:")).expect("a user named postgres");
    let mut words = user.split(':').skip(1);
    let mut number = || words.next().and_then(|word| word.parse().ok()).expect("numbers of a user");
    Some((number(), number()))
}

/// Leaves a shell that stops and removes the server when nobody uses it any more.
fn watch_over(base: &Path, data: &Path) {
    let (base, data, programs) = (base.display(), data.display(), programs());
    let programs = programs.display();
    let script = format!(
        "idle=0; while [ $idle -lt {IDLE_SECONDS} ]; do sleep 1; \
         [ -e {base}/users ] || exit 0; if flock -n -x {base}/users true; then idle=$((idle+1)); else idle=0; fi; done; \
         exec 9<{base}/server.lock; flock -x 9; flock -n -x {base}/users true || exec sh \"$0\"; \
         {programs}/pg_ctl -D {data} -m immediate -w stop; rm -rf {data}"
    );
    // As a file, so that it can begin anew if somebody came while it was about to stop.
    let file = Path::new(&base.to_string()).join("watch.sh");
    fs::write(&file, script).expect("a script");
    let mut shell = as_postgres(&format!("exec setsid sh {}", file.display()));
    shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    drop(shell.spawn().expect("a shell"));
}

/// Where PostgreSQL's programs are: Debian keeps each version's apart, others have them on the path.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let found = versions.map(|version| version.path().join("bin")).filter(|bin| bin.join("initdb").exists()).max();
    found.unwrap_or_else(|| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path)
            .find(|folder| folder.join("initdb").exists())
            .expect("PostgreSQL is installed: tools/need postgres")
    })
}
