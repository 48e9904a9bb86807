//! A thread with a runtime of its own. The generator, the sink and each calibration peer get one, so that none runs
//! on another's time and the CPU that each uses can be told apart.

use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::error::BenchError;
use crate::stopwatch::thread_cpu;

/// Dropping it asks the thread to end, without waiting.
pub(crate) struct RuntimeThread {
    name: &'static str,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Duration>,
}

/// Resolves when the owner wants the thread to end.
pub(crate) struct StopSignal(oneshot::Receiver<()>);

impl StopSignal {
    pub(crate) async fn wait(self) {
        // An error means that the owner is gone, which asks for the same.
        let _ = self.0.await;
    }
}

impl RuntimeThread {
    /// Runs the future that `work` makes until it ends by itself or after the signal.
    pub(crate) fn spawn<W, F>(name: &'static str, work: W) -> Result<Self, BenchError>
    where
        W: FnOnce(StopSignal) -> F + Send + 'static,
        F: Future<Output = ()>,
    {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(BenchError::io(format!("start the {name} runtime")))?;
        let (stop, signal) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                runtime.block_on(work(StopSignal(signal)));
                drop(runtime);
                thread_cpu()
            })
            .map_err(BenchError::io(format!("start the {name} thread")))?;
        Ok(Self { name, stop, thread })
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Asks the thread to end and waits for it; returns the CPU time that it used.
    pub(crate) fn stop(self) -> Result<Duration, BenchError> {
        drop(self.stop);
        self.thread.join().map_err(|_| BenchError::Panicked(self.name.to_owned()))
    }

    /// Waits until the thread ends by itself; returns the CPU time that it used.
    pub(crate) fn wait(self) -> Result<Duration, BenchError> {
        let cpu = self.thread.join().map_err(|_| BenchError::Panicked(self.name.to_owned()));
        drop(self.stop);
        cpu
    }
}

/// A loopback listener on a free port, ready for a runtime to take over.
pub(crate) fn listen() -> Result<std::net::TcpListener, BenchError> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).map_err(BenchError::io("listen on loopback"))?;
    listener.set_nonblocking(true).map_err(BenchError::io("make a listener asynchronous"))?;
    Ok(listener)
}
