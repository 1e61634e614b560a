use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bollard::Docker as Api;
use bollard::models::{ImageInspect, ImageSummary};
use bollard::query_parameters::{ListContainersOptionsBuilder, ListImagesOptionsBuilder, RemoveImageOptionsBuilder};

use super::{Docker, DockerError, label};

/// How long the removal of an image may take: tens of gigabytes in many files.
const REMOVAL: Duration = Duration::from_secs(300);

/// An image that is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Its id: a digest of all that it is.
    pub id: String,
    /// Its names, each with its tag.
    pub names: Vec<String>,
    /// The digest that a registry knows it by, where it came from one.
    pub digest: Option<String>,
    /// Bytes on the disk.
    pub bytes: u64,
    /// When it was made, in seconds since 1970; none where that is not known.
    pub made: Option<i64>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The user that runs in it, where it says so.
    pub user: Option<String>,
    /// What it starts, and hands its arguments to; empty where it says nothing, and where it was only listed.
    pub entrypoint: Vec<String>,
}

/// A container that is made of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its name.
    pub name: String,
    /// Which Enginehouse made it; none where nobody says so.
    pub instance: Option<String>,
}

// === impl Image ===

impl Image {
    fn of(found: ImageInspect) -> Option<Self> {
        let config = found.config.unwrap_or_default();
        Some(Self {
            id: found.id?,
            names: found.repo_tags.unwrap_or_default(),
            digest: digest(found.repo_digests.unwrap_or_default()),
            bytes: bytes(found.size.unwrap_or_default()),
            made: found.created.and_then(|made| moment(&made)),
            labels: config.labels.unwrap_or_default().into_iter().collect(),
            user: config.user.filter(|user| !user.is_empty()),
            entrypoint: config.entrypoint.unwrap_or_default(),
        })
    }

    fn of_listed(found: ImageSummary) -> Self {
        Self {
            id: found.id,
            names: found.repo_tags,
            digest: digest(found.repo_digests),
            bytes: bytes(found.size),
            made: Some(found.created).filter(|made| *made > 0),
            labels: found.labels.into_iter().collect(),
            user: None,
            entrypoint: Vec::new(),
        }
    }
}

// === impl Docker ===

impl Docker {
    /// Whether the image is here.
    pub async fn has_image(&self, image: &str) -> Result<bool, DockerError> {
        Ok(self.image(image).await?.is_some())
    }

    /// The image of that name; none where it is not here.
    pub async fn image(&self, image: &str) -> Result<Option<Image>, DockerError> {
        match self.ask(async |api| api.inspect_image(image).await).await {
            Ok(found) => Ok(Image::of(found)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The images that bear a label, whatever it says, or with what it says behind a `=`.
    pub async fn images_labelled(&self, label: &str) -> Result<Vec<Image>, DockerError> {
        let filters = HashMap::from([("label".to_owned(), vec![label.to_owned()])]);
        let options = ListImagesOptionsBuilder::default().filters(&filters).build();
        let found = self.ask(async |api| api.list_images(Some(options)).await).await?;
        Ok(found.into_iter().map(Image::of_listed).collect())
    }

    /// Takes the name from an image, and the image away if it has no other. Refused while a container is made of it,
    /// unless it is forced: then the image goes with its last container.
    pub async fn remove_image(&self, name: &str, force: bool) -> Result<(), DockerError> {
        let options = RemoveImageOptionsBuilder::default().force(force).build();
        let removed = async |api: Api| api.remove_image(name, Some(options), None).await;
        self.ask_for(REMOVAL, removed).await.map(drop)
    }

    /// The containers of an image, by its id: whoever made them, running or not.
    pub async fn holders(&self, id: &str) -> Result<Vec<Holder>, DockerError> {
        let options = ListContainersOptionsBuilder::default().all(true).build();
        let all = self.ask(async |api| api.list_containers(Some(options)).await).await?;
        let of_image = all.into_iter().filter(|container| container.image_id.as_deref() == Some(id));
        Ok(of_image
            .map(|container| Holder {
                name: container
                    .names
                    .into_iter()
                    .flatten()
                    .next()
                    .unwrap_or_default()
                    .trim_start_matches('/')
                    .to_owned(),
                instance: container.labels.unwrap_or_default().remove(label::INSTANCE),
            })
            .collect())
    }

    /// A daemon that is away is told as such; all else is about the image.
    pub(super) fn told(&self, error: bollard::errors::Error, failed: impl Fn(String) -> DockerError) -> DockerError {
        match DockerError::of(self.host(), error) {
            DockerError::Missing { message } | DockerError::Refused { message } => failed(message),
            error => {
                self.forget_if_away(&error);
                error
            }
        }
    }
}

/// `name@sha256:…` of a registry, without the name.
fn digest(names: Vec<String>) -> Option<String> {
    names.into_iter().find_map(|name| Some(name.split_once('@')?.1.to_owned()))
}

fn bytes(size: i64) -> u64 {
    u64::try_from(size).unwrap_or(0)
}

/// Seconds since 1970 of a moment as Docker writes it.
fn moment(text: &str) -> Option<i64> {
    let time: jiff::Timestamp = text.parse().ok()?;
    Some(time.as_second()).filter(|seconds| *seconds > 0)
}
