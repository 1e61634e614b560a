use std::collections::BTreeMap;
use std::time::Duration;

use bollard::models::CreateImageInfo;
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
    /// Layers that are here.
    pub layers_done: u64,
    /// Layers that are known so far.
    pub layers: u64,
}

/// How far a pull is, layer by layer.
#[derive(Debug, Default)]
struct Layers(BTreeMap<String, Layer>);

#[derive(Clone, Copy, Debug, Default)]
struct Layer {
    bytes: u64,
    total: u64,
    done: bool,
}

// === impl Docker ===

impl Docker {
    /// Pulls the image, telling how far it is.
    pub async fn pull(&self, image: &str, mut tell: impl FnMut(Pulled)) -> Result<(), DockerError> {
        let api = self.api().await?;
        let options = CreateImageOptionsBuilder::default().from_image(&with_tag(image)).build();
        let stream = api.create_image(Some(options), None, None);
        tokio::pin!(stream);
        let mut layers = Layers::default();
        let failed = |reason: String| DockerError::Image { image: image.to_owned(), reason };
        loop {
            let told = match tokio::time::timeout(SILENCE, stream.next()).await {
                Ok(Some(Ok(told))) => told,
                Ok(Some(Err(error))) => return Err(self.told(error, failed).bringing(image)),
                Ok(None) => return Ok(()),
                Err(_) => return Err(failed(format!("nothing came for {} s", SILENCE.as_secs()))),
            };
            if layers.take(told) {
                tell(layers.sum());
            }
        }
    }
}

// === impl Layers ===

impl Layers {
    /// Takes in what the daemon said; whether there is news.
    fn take(&mut self, told: CreateImageInfo) -> bool {
        let (Some(id), Some(status)) = (told.id, told.status) else { return false };
        // The tag, which is no layer, has its say too.
        let is_layer = !status.starts_with("Pulling from ");
        if !is_layer || (self.0.len() >= LAYERS && !self.0.contains_key(&id)) {
            return false;
        }
        let layer = self.0.entry(id).or_default();
        let detail = told.progress_detail.unwrap_or_default();
        let count = |count: Option<i64>| count.and_then(|count| u64::try_from(count).ok());
        match status.as_str() {
            "Downloading" => {
                layer.bytes = count(detail.current).unwrap_or(layer.bytes);
                layer.total = count(detail.total).unwrap_or(layer.total).max(layer.bytes);
            }
            "Download complete" | "Extracting" | "Verifying Checksum" => layer.bytes = layer.total,
            "Pull complete" | "Already exists" => (layer.bytes, layer.done) = (layer.total, true),
            _ => {}
        }
        true
    }

    fn sum(&self) -> Pulled {
        self.0.values().fold(Pulled::default(), |sum, layer| Pulled {
            bytes: sum.bytes + layer.bytes,
            total: sum.total + layer.total,
            layers_done: sum.layers_done + u64::from(layer.done),
            layers: sum.layers + 1,
        })
    }
}

/// The name of an image with the tag that is meant where it has none: Docker would pull all there are.
pub fn with_tag(image: &str) -> String {
    let name = image.rsplit('/').next().unwrap_or(image);
    if name.contains([':', '@']) { image.to_owned() } else { format!("{image}:latest") }
}

#[cfg(test)]
mod tests {
    use bollard::models::ProgressDetail;

    use super::*;

    #[test]
    fn one_version_is_pulled_not_all() {
        assert_eq!(with_tag("vllm/vllm-openai"), "vllm/vllm-openai:latest");
        assert_eq!(with_tag("localhost:5000/x"), "localhost:5000/x:latest");
        for named in ["a:1", "localhost:5000/x:2", "a@sha256:00"] {
            assert_eq!(with_tag(named), named);
        }
    }

    #[test]
    fn layers_are_summed_up() {
        let mut layers = Layers::default();
        let mut told = |id: &str, status: &str, bytes: Option<(i64, i64)>| {
            let progress_detail =
                bytes.map(|(current, total)| ProgressDetail { current: Some(current), total: Some(total) });
            let news = CreateImageInfo {
                id: Some(id.into()),
                status: Some(status.into()),
                progress_detail,
                ..CreateImageInfo::default()
            };
            layers.take(news).then(|| layers.sum())
        };
        assert_eq!(told("1.0", "Pulling from vllm/vllm-openai", None), None);
        told("a", "Pulling fs layer", None);
        told("b", "Already exists", None);
        let half = told("a", "Downloading", Some((50, 100))).unwrap();
        assert_eq!(half, Pulled { bytes: 50, total: 100, layers_done: 1, layers: 2 });
        told("a", "Extracting", Some((1, 900)));
        let whole = told("a", "Pull complete", None).unwrap();
        assert_eq!(whole, Pulled { bytes: 100, total: 100, layers_done: 2, layers: 2 });
    }
}
