/// Docker did not do what was asked. The text says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DockerError {
    /// `DOCKER_HOST` names no place that can be reached.
    #[error("DOCKER_HOST is `{host}`; give `unix:///path/of/the/socket` or `tcp://host:port`")]
    Host {
        /// What it says.
        host: String,
    },
    /// The daemon does not answer.
    #[error("Docker does not answer at {host} ({reason}); is its service running, and may this user open the socket?")]
    Away {
        /// Where it should be.
        host: String,
        /// What the system said.
        reason: String,
    },
    /// The container, image or network is not there.
    #[error("Docker knows no such thing: {message}")]
    Missing {
        /// What it said.
        message: String,
    },
    /// A container of this name is there, and is not ours.
    #[error(
        "a container named `{name}` exists and is not managed by this Enginehouse; rename or remove it (`docker rm --force {name}`)"
    )]
    NameTaken {
        /// The name.
        name: String,
    },
    /// The image can neither be found nor pulled.
    #[error("the image {image} is not here and cannot be pulled: {reason}")]
    Image {
        /// Its name.
        image: String,
        /// What Docker said.
        reason: String,
    },
    /// The image cannot be built.
    #[error("the image {image} cannot be built: {step}: {reason}")]
    Build {
        /// Its name.
        image: String,
        /// Which step failed.
        step: String,
        /// What Docker said.
        reason: String,
        /// The last lines of the step.
        last_lines: Vec<String>,
    },
    /// The image starts nothing that takes the arguments of vLLM.
    #[error(
        "the image {image} cannot be started as an engine ({message}); its entry point must take the arguments of `vllm serve`: name another `image`, or give a `command`"
    )]
    NoEngine {
        /// Its name.
        image: String,
        /// What shows it.
        message: String,
    },
    /// The image is not to be removed.
    #[error("the image {image} stays: {}; {advice}", users.join(", "))]
    ImageInUse {
        /// Its name.
        image: String,
        /// Who needs it, in words.
        users: Vec<String>,
        /// What to do.
        advice: &'static str,
    },
    /// The daemon has nothing that gives GPUs to containers.
    #[error(
        "Docker cannot give GPUs to containers ({message}); install the NVIDIA Container Toolkit and restart Docker"
    )]
    NoGpuSupport {
        /// What it said.
        message: String,
    },
    /// It has no room.
    #[error(
        "the disk that Docker keeps its images and containers on is full; free space (`docker system df` shows what \
         takes it, `docker system prune` removes what nothing uses): {message}"
    )]
    DiskFull {
        /// What it said.
        message: String,
    },
    /// It refused otherwise.
    #[error("Docker refused: {message}")]
    Refused {
        /// What it said.
        message: String,
    },
}

// === impl DockerError ===

impl DockerError {
    /// Whether the daemon itself is the trouble, so that trying again later may help.
    pub const fn is_away(&self) -> bool {
        matches!(self, Self::Away { .. })
    }

    /// The last lines of what failed, where there are any.
    pub fn last_lines(&self) -> &[String] {
        if let Self::Build { last_lines, .. } = self { last_lines } else { &[] }
    }

    /// The same, of an image that was to come: a disk without room does not say for what.
    #[must_use]
    pub(super) fn bringing(self, image: &str) -> Self {
        match self {
            Self::DiskFull { message } => Self::DiskFull { message: format!("the image {image}: {message}") },
            other => other,
        }
    }

    /// Whether what was asked for is not there.
    pub const fn is_missing(&self) -> bool {
        matches!(self, Self::Missing { .. })
    }

    pub(super) fn of(host: &str, error: bollard::errors::Error) -> Self {
        use bollard::errors::Error;
        match error {
            Error::DockerResponseServerError { message, .. } | Error::DockerStreamError { error: message }
                if is_about_room(&message) =>
            {
                Self::DiskFull { message }
            }
            Error::DockerResponseServerError { status_code: 404, message } => Self::Missing { message },
            Error::DockerResponseServerError { message, .. } if is_about_gpus(&message) => {
                Self::NoGpuSupport { message }
            }
            Error::DockerResponseServerError { message, .. } => Self::Refused { message },
            Error::DockerStreamError { error } => Self::Refused { message: error },
            Error::UnsupportedURISchemeError { uri } => Self::Host { host: uri },
            other => Self::Away { host: host.to_owned(), reason: causes(&other) },
        }
    }
}

fn is_about_room(message: &str) -> bool {
    message.contains("no space left on device") || message.contains("disk quota exceeded")
}

fn is_about_gpus(message: &str) -> bool {
    message.contains("could not select device driver") || message.contains("nvidia-container-cli")
}

/// The last cause says most: `No such file or directory`, `Connection refused`.
fn causes(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

#[cfg(test)]
mod tests {
    use bollard::errors::Error;

    use super::*;

    #[test]
    fn a_full_disk_is_told_from_all_else_whatever_was_asked() {
        let said = "failed to register layer: write /usr/lib/x: no space left on device".to_owned();
        let pulled = DockerError::of("h", Error::DockerStreamError { error: said.clone() });
        let created = DockerError::of("h", Error::DockerResponseServerError { status_code: 500, message: said });
        assert_eq!(pulled, created);
        assert!(pulled.to_string().starts_with("the disk that Docker keeps its images"), "{pulled}");
        let other = Error::DockerResponseServerError { status_code: 500, message: "no".to_owned() };
        assert_eq!(DockerError::of("h", other), DockerError::Refused { message: "no".to_owned() });
    }
}
