use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ambient::Timestamp;
use hub::{Cache, Hub, Patience, Repository, Revision};
use parking_lot::Mutex;
use spec::Engine;

use super::shape::{CONFIG, INDEX, Shape};
use crate::Manager;

/// Models at the Hub that are remembered.
const MOST: usize = 256;
/// How long they are.
const KEPT: Duration = Duration::from_secs(600);
/// How long the Hub is not asked again after it did not tell.
const SPARED: Duration = Duration::from_secs(60);
/// How long the Hub is waited for, and how long an apply goes on asking it: twice that at most.
pub(super) const WAIT: Duration = Duration::from_secs(4);

/// What the Hub said of models that are not in the cache.
#[derive(Debug, Default)]
pub(crate) struct Shapes(Mutex<HashMap<(Repository, Revision), Seen>>);

/// Who is asked about a model that is not here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// The Hub, which takes its time.
    Hub,
    /// Nobody.
    Nobody,
}

#[derive(Clone, Debug)]
struct Seen {
    at: Timestamp,
    /// None if it did not tell.
    shape: Option<Arc<Shape>>,
}

// === impl Shapes ===

impl Shapes {
    fn get(&self, key: &(Repository, Revision), now: Timestamp) -> Option<Seen> {
        let seen = self.0.lock().get(key).cloned()?;
        let kept = if seen.shape.is_some() { KEPT } else { SPARED };
        (now.since(seen.at) < kept).then_some(seen)
    }

    fn put(&self, key: (Repository, Revision), shape: Option<Arc<Shape>>, now: Timestamp) {
        let mut all = self.0.lock();
        if all.len() >= MOST {
            all.clear();
        }
        all.insert(key, Seen { at: now, shape });
    }
}

// === impl Manager ===

impl Manager {
    /// What is known of the model that an engine serves: from its folder, from the cache, or from the Hub.
    pub(super) async fn shape(&self, engine: &Engine, ask: Ask) -> Option<Arc<Shape>> {
        if Path::new(&engine.source).is_absolute() {
            return self.shape_in(Path::new(&engine.source), ask).await;
        }
        let repository: Repository = engine.source.parse().ok()?;
        let revision: Revision = engine.revision.as_deref().map(str::parse).transpose().ok()?.unwrap_or_default();
        let settings = self.hub_settings().ok()?;
        let (cache, key) = (Cache::new(&settings.cache), (repository.clone(), revision.clone()));
        let folder = tokio::task::spawn_blocking(move || cache.snapshot(&key.0, &key.1)).await.ok()?;
        match folder {
            Some(folder) => self.shape_in(&folder, ask).await,
            None if ask == Ask::Hub => self.shape_at_hub(settings, (repository, revision)).await,
            None => None,
        }
    }

    async fn shape_in(&self, folder: &Path, ask: Ask) -> Option<Arc<Shape>> {
        let folder = folder.to_owned();
        let shown = folder.display().to_string();
        let reading = tokio::task::spawn_blocking(move || Shape::of_folder(&folder));
        let read = match ask {
            Ask::Nobody => reading.await.ok()?,
            // Somebody waits who applies it, and the disk may hang.
            Ask::Hub => tokio::time::timeout(WAIT, reading).await.ok()?.ok()?,
        };
        let told = read.inspect_err(|error| tracing::debug!(folder = shown, %error, "cannot say whether it fits"));
        told.ok().map(Arc::new)
    }

    async fn shape_at_hub(&self, settings: hub::Settings, key: (Repository, Revision)) -> Option<Arc<Shape>> {
        let now = self.config().clock.now();
        if let Some(known) = self.inner().shapes.get(&key, now) {
            return known.shape;
        }
        let patience = Patience { attempts: 1, ..settings.patience };
        let hub = Hub::new(hub::Settings { patience, ..settings }, self.config().rng.clone()).ok()?;
        let look = tokio::time::timeout(WAIT, hub.look(&key.0, &key.1, &[CONFIG, INDEX])).await;
        let shape = match look {
            Ok(Ok(look)) => Shape::of_look(&look).map_err(|error| error.to_string()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the Hub took too long".to_owned()),
        };
        let model = key.0.as_str();
        let shape = shape.inspect_err(|error| tracing::debug!(model, error, "cannot say whether it fits"));
        let shape = shape.ok().map(Arc::new);
        self.inner().shapes.put(key, shape.clone(), now);
        shape
    }
}
