use std::time::Duration;

use tokio::task::{JoinError, spawn_blocking};

use crate::{Docker, DockerError, Handle, Launch, Listener, Liveness, StartError, StopError, Used, process};

/// Where engines run: local processes, and containers of one Docker daemon.
///
/// What a runtime does may wait for the disk, or for a machine with many processes; so all of it is asynchronous and
/// nothing of it runs on a thread that serves requests.
#[derive(Clone, Debug)]
pub struct Runtimes {
    docker: Docker,
}

/// An engine could not be stopped.
#[derive(Debug, thiserror::Error)]
pub enum StopFailure {
    /// A process.
    #[error(transparent)]
    Process(#[from] StopError),
    /// A container.
    #[error(transparent)]
    Docker(#[from] DockerError),
}

// === impl Runtimes ===

impl Runtimes {
    /// With the daemon at `docker_host`, or the usual one. It is not asked for anything before it is needed.
    pub fn new(docker_host: Option<String>) -> Self {
        Self { docker: Docker::new(docker_host) }
    }

    /// The daemon, there or not.
    pub const fn docker(&self) -> &Docker {
        &self.docker
    }

    /// Starts a process. That it started says nothing about whether it will live; observe it.
    pub async fn start(&self, launch: Launch) -> Result<Handle, StartError> {
        blocking(move || process::start(&launch)).await.map(Handle::Process)
    }

    /// Whether a process runs. None for a container: those are listed all at once.
    pub async fn observe(&self, handle: &Handle) -> Option<Liveness> {
        match handle.clone() {
            Handle::Process(handle) => Some(blocking(move || process::observe(&handle)).await),
            Handle::Docker(_) => None,
        }
    }

    /// Whether what listens there is this engine. Only then may it get requests.
    pub async fn listens(&self, handle: &Handle, listener: &Listener) -> bool {
        let listener = listener.clone();
        match handle.clone() {
            Handle::Process(handle) => blocking(move || process::listens(&handle, &listener)).await,
            // Nothing else has the address of a container.
            Handle::Docker(_) => matches!(listener, Listener::Address(_)),
        }
    }

    /// The last bytes that the engine wrote since it was started, from the start of a line, at most `bytes` of a
    /// process. Empty if they cannot be read. What to make of a failed engine's, [`failure_hint`](crate::failure_hint)
    /// says.
    pub async fn log_tail(&self, handle: &Handle, bytes: u64) -> String {
        match handle.clone() {
            Handle::Process(handle) => blocking(move || handle.log_tail(bytes)).await.unwrap_or_default(),
            Handle::Docker(handle) => self.docker.log_tail(&handle.container).await.unwrap_or_default(),
        }
    }

    /// What the engine uses of the machine; none where that cannot be seen.
    pub async fn used(&self, handle: &Handle) -> Option<Used> {
        match handle.clone() {
            Handle::Process(handle) => blocking(move || process::used(&handle)).await.ok(),
            Handle::Docker(handle) => self.docker.used(&handle.container).await.ok(),
        }
    }

    /// Ends the engine with all that it started: politely, and after `grace` by force. An engine that runs no more is
    /// no error; what is left of it is cleared away. May be given up on the way and called again.
    pub async fn stop(&self, handle: &Handle, grace: Duration) -> Result<(), StopFailure> {
        match handle {
            Handle::Process(handle) => Ok(process::stop(handle, grace).await?),
            Handle::Docker(handle) => Ok(self.docker.stop(&handle.container, grace).await?),
        }
    }
}

/// Runs what may block on a thread that may wait.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(work).await {
        Ok(done) => done,
        // The task is never cancelled, so it panicked: here, as if it had been called directly.
        Err(error) => std::panic::resume_unwind(JoinError::into_panic(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;
    use crate::{Exit, failure_hint, free_port};

    #[tokio::test]
    async fn an_engine_goes_its_way_behind_the_seam() {
        let (bench, runtimes) = (Bench::new(), Runtimes::new(None));
        let launch = bench.launch(&["sh", "-c", "echo 'CUDA out of memory' >&2; exit 1"]);
        let handle = runtimes.start(launch).await.unwrap();
        while runtimes.observe(&handle).await == Some(Liveness::Alive) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(runtimes.observe(&handle).await, Some(Liveness::Exited { reason: Exit::Code(1) }));
        assert!(!runtimes.listens(&handle, &Listener::Port(free_port().unwrap())).await);
        let tail = runtimes.log_tail(&handle, 4096).await;
        assert!(failure_hint(&tail).unwrap().contains("out of GPU memory"), "{tail}");
        runtimes.stop(&handle, Duration::ZERO).await.unwrap();
        assert_eq!(runtimes.observe(&handle).await, Some(Liveness::Exited { reason: Exit::Gone }));
    }

    #[test]
    fn a_handle_is_plain_data() {
        let bench = Bench::new();
        let handle = Handle::Process(bench.sh("sleep 1000"));
        let stored = serde_json::to_string(&handle).unwrap();
        assert!(stored.contains(r#""runtime":"process""#), "{stored}");
        assert_eq!(serde_json::from_str::<Handle>(&stored).unwrap(), handle);
    }
}
