use std::io;
use std::thread::available_parallelism;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};

/// Threads for what is no request: at least two, so that one that waits for a disk leaves another.
const MIN_REST: usize = 2;
const MAX_REST: usize = 4;
/// How long threads are waited for at the end that wait for a disk themselves: one that hangs must not keep the process.
const LAST_THREADS: Duration = Duration::from_secs(2);

/// Two pools of threads: requests are served on one, and what is no request (the manager, or the link to one elsewhere)
/// runs on the other. However long a change, a file or a report takes there, no request waits for it.
#[derive(Debug)]
pub(crate) struct Runtimes {
    requests: Runtime,
    rest: Runtime,
}

// === impl Runtimes ===

impl Runtimes {
    pub(crate) fn build() -> io::Result<Self> {
        let cores = available_parallelism().map_or(MIN_REST, usize::from);
        let mut rest = Builder::new_multi_thread();
        rest.worker_threads(cores.clamp(MIN_REST, MAX_REST)).thread_name("manager").enable_all();
        let mut requests = Builder::new_multi_thread();
        Ok(Self { requests: requests.thread_name("gateway").enable_all().build()?, rest: rest.build()? })
    }

    /// Runs `main` to its end, where requests are served; it gets the way to the other pool.
    pub(crate) fn run<T>(self, main: impl AsyncFnOnce(Handle) -> T) -> T {
        let done = self.requests.block_on(main(self.rest.handle().clone()));
        self.rest.shutdown_timeout(LAST_THREADS);
        self.requests.shutdown_timeout(LAST_THREADS);
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_hangs_keeps_nobody_from_the_end() {
        let (_keep, never) = std::sync::mpsc::channel::<()>();
        let (began, has_begun) = tokio::sync::oneshot::channel();
        let done = Runtimes::build().unwrap().run(async |rest| {
            rest.spawn_blocking(move || {
                let _ = began.send(());
                never.recv()
            });
            has_begun.await.unwrap();
            7
        });
        assert_eq!(done, 7);
    }
}
