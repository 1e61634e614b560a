use std::time::Duration;

use bollard::query_parameters::{
    RemoveContainerOptionsBuilder, RenameContainerOptionsBuilder, StopContainerOptionsBuilder,
};

use super::{Docker, DockerError};

/// How much longer than the grace a stop may take: SIGKILL has to free gigabytes, on a GPU too.
const FORCE: Duration = Duration::from_secs(60);

// === impl Docker ===

impl Docker {
    /// Stops a container, politely and after `grace` by force, and removes it. One that is gone is no error.
    pub async fn stop(&self, container: &str, grace: Duration) -> Result<(), DockerError> {
        let seconds = i32::try_from(grace.as_secs()).unwrap_or(i32::MAX);
        let options = StopContainerOptionsBuilder::default().t(seconds).build();
        // A paused one takes no signal but SIGKILL.
        let _ = self.unpause(container).await;
        let stopped = self.ask_for(grace + FORCE, async |api| api.stop_container(container, Some(options)).await).await;
        match stopped {
            Err(error) if error.is_missing() => return Ok(()),
            Err(DockerError::Refused { message }) if message.contains("not modified") => {}
            stopped => stopped?,
        }
        self.remove(container).await
    }

    /// Removes a container, running or not, with the volumes that nothing else can name. One that is gone is no error.
    pub async fn remove(&self, container: &str) -> Result<(), DockerError> {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        match self.ask_for(FORCE, async |api| api.remove_container(container, Some(options)).await).await {
            Err(error) if error.is_missing() => Ok(()),
            Err(DockerError::Refused { message }) if message.contains("already in progress") => Ok(()),
            removed => removed,
        }
    }

    /// Lets a paused container go on.
    pub async fn unpause(&self, container: &str) -> Result<(), DockerError> {
        self.ask(async |api| api.unpause_container(container).await).await
    }

    /// Gives a container its name back.
    pub async fn rename(&self, container: &str, name: &str) -> Result<(), DockerError> {
        let options = RenameContainerOptionsBuilder::default().name(name).build();
        self.ask(async |api| api.rename_container(container, options).await).await
    }
}
