//! What a process uses, read from /proc: the product is a process of its own, so its figures are the kernel's, not
//! the product's own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::error::BenchError;
use crate::stopwatch::pause;

/// Pause between two looks at a process's memory: fine enough to see a peak of a second.
const MEMORY_POLL: Duration = Duration::from_millis(100);

/// Use of a process since it started.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usage {
    /// User and system time together.
    pub cpu: Duration,
    /// Resident memory at this moment.
    pub rss_bytes: u64,
    /// Bytes that it made the kernel write to disk.
    pub written_bytes: u64,
}

/// # Errors
/// When the process is gone or belongs to somebody else.
pub fn usage(pid: u32) -> Result<Usage, BenchError> {
    Ok(Usage { cpu: cpu(pid)?, rss_bytes: rss_bytes(pid)?, written_bytes: written_bytes(pid)? })
}

/// # Errors
/// When the process is gone.
pub fn rss_bytes(pid: u32) -> Result<u64, BenchError> {
    let file = format!("/proc/{pid}/status");
    Ok(field(&file, &read(&file)?, "VmRSS:")? * 1024)
}

/// Time on the processor, of a process that nobody has waited for yet.
///
/// # Errors
/// When the process is gone.
pub fn cpu(pid: u32) -> Result<Duration, BenchError> {
    let file = format!("/proc/{pid}/stat");
    let ticks = cpu_ticks(&read(&file)?).ok_or_else(|| unreadable(&file, "it does not look like a stat line"))?;
    Ok(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
}

/// Time on the processor of all children of this process that were waited for.
///
/// # Errors
/// When /proc is not mounted.
pub fn children_cpu() -> Result<Duration, BenchError> {
    let file = "/proc/self/stat";
    let ticks = children_ticks(&read(file)?).ok_or_else(|| unreadable(file, "it does not look like a stat line"))?;
    Ok(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
}

/// Time on the processor of a process and of all that it started, those that have ended included. Of their children
/// nothing is known.
///
/// # Errors
/// When the process is gone, or /proc is not mounted.
pub fn family_cpu(pid: u32) -> Result<Duration, BenchError> {
    let file = format!("/proc/{pid}/stat");
    let stat = read(&file)?;
    let own = cpu_ticks(&stat).zip(children_ticks(&stat)).map(|(own, ended)| own + ended);
    let mut ticks = own.ok_or_else(|| unreadable(&file, "it does not look like a stat line"))?;
    for entry in std::fs::read_dir("/proc").map_err(BenchError::io("list /proc"))?.flatten() {
        // One that ends meanwhile is counted by its parent from then on.
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        if parent(&stat) == Some(u64::from(pid)) {
            ticks += cpu_ticks(&stat).unwrap_or(0);
        }
    }
    Ok(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
}

/// The most memory that it ever had resident.
///
/// # Errors
/// When the process is gone.
pub fn peak_rss_bytes(pid: u32) -> Result<u64, BenchError> {
    let file = format!("/proc/{pid}/status");
    Ok(field(&file, &read(&file)?, "VmHWM:")? * 1024)
}

fn written_bytes(pid: u32) -> Result<u64, BenchError> {
    let file = format!("/proc/{pid}/io");
    field(&file, &read(&file)?, "write_bytes:")
}

/// Lets this process, and the gateways that it starts, have as many files open as the system permits: a hundred
/// destinations that hang are more connections than the usual 1024.
pub(crate) fn raise_file_limit() {
    let limits = getrlimit(Resource::Nofile);
    // Where it is refused, the run goes on with what there is; a sink that runs out says so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limits.maximum, ..limits });
}

/// Memory of a process at some progress of the run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MemorySample {
    pub(crate) progress: u64,
    pub(crate) rss_mib: f64,
}

/// Samples the memory of a process until stopped, at least once.
pub(crate) struct MemoryWatch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<MemorySample>>,
}

impl MemoryWatch {
    pub(crate) fn start(pid: u32, progress: impl Fn() -> u64 + Send + 'static) -> Result<Self, BenchError> {
        Self::start_with(pid, rss_bytes, progress)
    }

    /// Samples what `memory` says of the process.
    pub(crate) fn start_with(
        pid: u32,
        memory: fn(u32) -> Result<u64, BenchError>,
        progress: impl Fn() -> u64 + Send + 'static,
    ) -> Result<Self, BenchError> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let work = move || {
            let mut samples = Vec::new();
            // A process that is gone has no memory; the scenario finds out that it is.
            while let Ok(bytes) = memory(pid) {
                samples.push(MemorySample { progress: progress(), rss_mib: bytes as f64 / (1024.0 * 1024.0) });
                if stopped.load(Relaxed) {
                    break;
                }
                pause(MEMORY_POLL);
            }
            samples
        };
        let thread = std::thread::Builder::new().name("memory".to_owned()).spawn(work);
        Ok(Self { stop, thread: thread.map_err(BenchError::io("start the memory thread"))? })
    }

    pub(crate) fn stop(self) -> Result<Vec<MemorySample>, BenchError> {
        self.stop.store(true, Relaxed);
        self.thread.join().map_err(|_| BenchError::Panicked("memory".to_owned()))
    }
}

/// Busy time of all cores together since boot, by whomever.
///
/// # Errors
/// When /proc is not mounted.
pub fn machine_busy() -> Result<Duration, BenchError> {
    let file = "/proc/stat";
    let ticks = busy_ticks(&read(file)?).ok_or_else(|| unreadable(file, "its first line is not `cpu` and counts"))?;
    Ok(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
}

/// ppid: field 4.
fn parent(stat: &str) -> Option<u64> {
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

/// utime + stime: fields 14 and 15, counted behind the name, which may hold blanks and brackets of its own.
fn cpu_ticks(stat: &str) -> Option<u64> {
    ticks(stat, 11)
}

/// cutime + cstime: fields 16 and 17.
fn children_ticks(stat: &str) -> Option<u64> {
    ticks(stat, 13)
}

fn ticks(stat: &str, skipped: usize) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut times = fields.split(' ').skip(skipped);
    Some(times.next()?.parse::<u64>().ok()? + times.next()?.parse::<u64>().ok()?)
}

/// All but idle (4th) and waiting for the disk (5th); guest time (from the 9th on) is within user time already.
fn busy_ticks(stat: &str) -> Option<u64> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let counts: Option<Vec<u64>> = line.split_whitespace().take(8).map(|count| count.parse().ok()).collect();
    let counts = counts.filter(|counts| counts.len() >= 5)?;
    Some(counts.iter().sum::<u64>() - counts[3] - counts[4])
}

fn field(file: &str, text: &str, name: &str) -> Result<u64, BenchError> {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| unreadable(file, &format!("it has no number after `{name}`")))
}

fn read(file: &str) -> Result<String, BenchError> {
    std::fs::read_to_string(file).map_err(|error| unreadable(file, &error.to_string()))
}

fn unreadable(file: &str, problem: &str) -> BenchError {
    BenchError::Procfs { file: file.to_owned(), problem: problem.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_found_behind_any_process_name() {
        let fields = "S 1 2 3 4 -1 4194560 10 0 0 0 120 30 7 8 20 0 1 0 5 6 7";
        for name in ["trireme", "a b", "x) (y", "(("] {
            assert_eq!(cpu_ticks(&format!("42 ({name}) {fields}")), Some(150), "{name}");
            assert_eq!(parent(&format!("42 ({name}) {fields}")), Some(1), "{name}");
        }
        assert_eq!(cpu_ticks("42 (trireme) S 1"), None);
    }

    #[test]
    fn waiting_for_the_disk_is_not_busy_and_guests_are_not_counted_twice() {
        assert_eq!(busy_ticks("cpu  10 1 5 1000 300 2 3 4 9 9\ncpu0 1 1 1 1 1 1 1 1 1 1\n"), Some(25));
        assert_eq!(busy_ticks("intr 5"), None);
    }

    #[test]
    fn memory_is_sampled_with_the_progress_of_the_run() {
        let samples = MemoryWatch::start(std::process::id(), || 7).unwrap().stop().unwrap();
        assert!(samples.iter().any(|sample| sample.progress == 7 && sample.rss_mib > 1.0), "{samples:?}");
        assert!(MemoryWatch::start(u32::MAX, || 0).unwrap().stop().unwrap().is_empty());
    }

    #[test]
    fn a_family_has_used_what_its_members_have() {
        let pid = std::process::id();
        let (one, family) = (cpu(pid).unwrap(), family_cpu(pid).unwrap());
        assert!(family >= one, "{family:?} of all, {one:?} of this one");
        assert_eq!(family_cpu(u32::MAX).unwrap_err().code(), "procfs_unreadable");
    }

    #[test]
    fn this_process_can_be_read_and_a_gone_one_is_an_error() {
        assert!(usage(std::process::id()).unwrap().rss_bytes > 1024 * 1024);
        assert_eq!(usage(u32::MAX).unwrap_err().code(), "procfs_unreadable");
    }
}
