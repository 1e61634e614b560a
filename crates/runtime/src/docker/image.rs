use std::collections::BTreeMap;
use std::time::Duration;

use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::StreamExt as _;

use super::{Docker, DockerError};

/// How long a pull may say nothing at all.
const SILENCE: Duration = Duration::from_secs(120);
/// Layers of an image that are counted.
const LAYERS: usize = 1_024;

/// How far a pull is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pulled {
    /// Bytes that have come.
    pub bytes: u64,
    /// Bytes of the layers that are known so far.
    pub total: u64,
}

// === impl Docker ===

impl Docker {
    /// Whether the image is here.
    pub async fn has_image(&self, image: &str) -> Result<bool, DockerError> {
        match self.ask(async |api| api.inspect_image(image).await).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_missing() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Pulls the image, telling how far it is.
    pub async fn pull(&self, image: &str, mut tell: impl FnMut(Pulled)) -> Result<(), DockerError> {
        let api = self.api().await?;
        let options = CreateImageOptionsBuilder::default().from_image(&with_tag(image)).build();
        let stream = api.create_image(Some(options), None, None);
        tokio::pin!(stream);
        let mut layers: BTreeMap<String, Pulled> = BTreeMap::new();
        let failed = |reason: String| DockerError::Image { image: image.to_owned(), reason };
        loop {
            let told = match tokio::time::timeout(SILENCE, stream.next()).await {
                Ok(Some(Ok(told))) => told,
                Ok(Some(Err(error))) => return Err(self.told(error, failed)),
                Ok(None) => return Ok(()),
                Err(_) => return Err(failed(format!("nothing came for {} s", SILENCE.as_secs()))),
            };
            let is_download = told.status.as_deref() == Some("Downloading");
            if let (Some(id), Some(detail), true) = (told.id, told.progress_detail, is_download)
                && (layers.len() < LAYERS || layers.contains_key(&id))
            {
                let bytes = |count: Option<i64>| count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0);
                layers.insert(id, Pulled { bytes: bytes(detail.current), total: bytes(detail.total) });
                tell(layers.values().fold(Pulled::default(), |sum, layer| Pulled {
                    bytes: sum.bytes + layer.bytes,
                    total: sum.total + layer.total,
                }));
            }
        }
    }

    /// A daemon that is away is told as such; all else is about the image.
    fn told(&self, error: bollard::errors::Error, failed: impl Fn(String) -> DockerError) -> DockerError {
        match DockerError::of(self.host(), error) {
            DockerError::Missing { message } | DockerError::Refused { message } => failed(message),
            error => {
                self.forget_if_away(&error);
                error
            }
        }
    }
}

/// Without a tag Docker would pull all there are.
fn with_tag(image: &str) -> String {
    let name = image.rsplit('/').next().unwrap_or(image);
    if name.contains([':', '@']) { image.to_owned() } else { format!("{image}:latest") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_version_is_pulled_not_all() {
        assert_eq!(with_tag("vllm/vllm-openai"), "vllm/vllm-openai:latest");
        assert_eq!(with_tag("localhost:5000/x"), "localhost:5000/x:latest");
        for named in ["a:1", "localhost:5000/x:2", "a@sha256:00"] {
            assert_eq!(with_tag(named), named);
        }
    }
}
