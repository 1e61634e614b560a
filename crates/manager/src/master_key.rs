use std::path::PathBuf;

use ambient::Rng;
use serde_json::json;
use snapshot::{KeyHash, Secret};
use store::{AuditEntry, Store};

use crate::publish::GatewayBehind;
use crate::secrets::{self, UnfitKey};
use crate::{Actor, Home, Manager};

/// Where the hash stands among the settings.
const SETTING: &str = "master_key_sha256";

/// There is no usable master key.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// The given one cannot be one.
    #[error(
        "the master key (ENGINEHOUSE_MASTER_KEY) is unfit: {0}; `openssl rand -hex 24` behind `sk-` makes a good one"
    )]
    Unfit(UnfitKey),
    /// The one that was made cannot be kept.
    #[error("a master key was made and cannot be written to {}: {cause}; set ENGINEHOUSE_MASTER_KEY to one of your own", path.display())]
    Unkept {
        /// The file.
        path: PathBuf,
        /// What the system said; told in the text, so it is no `source`.
        cause: std::io::Error,
    },
    /// Its hash cannot be read or kept.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// The hash of the master key, and the key itself if it was made just now.
#[derive(Debug)]
pub(crate) struct MasterKey {
    pub(crate) hash: Option<KeyHash>,
    pub(crate) made: Option<Secret>,
}

/// A master key that was put in place of the one before.
#[derive(Debug)]
pub(crate) struct RotatedMasterKey {
    /// The only time that it is known.
    pub(crate) secret: Secret,
    /// The file that holds it, if the one before lay there.
    pub(crate) file: Option<PathBuf>,
    /// Whether the gateways have taken it over.
    pub(crate) behind: Result<(), GatewayBehind>,
    /// Why the file could not be written, if it could not.
    pub(crate) unwritten: Option<std::io::Error>,
}

/// The master key cannot be replaced.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RotateError {
    #[error(
        "the master key is set by ENGINEHOUSE_MASTER_KEY (or ENGINEHOUSE_MASTER_KEY_FILE) of the service: change it \
         there and restart, or unset it there to have it kept here"
    )]
    FromEnvironment,
    #[error(transparent)]
    Store(#[from] store::Error),
}

// === impl Manager ===

impl Manager {
    /// Puts a new master key in place of the one that was, which stops working at once at every gateway.
    pub(crate) async fn rotate_master_key(&self, actor: &Actor) -> Result<RotatedMasterKey, RotateError> {
        if self.config().master_key.is_some() {
            return Err(RotateError::FromEnvironment);
        }
        let secret = secrets::generate(&self.config().rng);
        let hash = KeyHash::of(secret.expose());
        let shown = secrets::shown(&secret);
        let _changing = self.inner().keys.changing().await;
        let audit = AuditEntry {
            at: self.config().clock.now(),
            by: actor.by(),
            action: "master-key.rotate",
            subject: "master",
            detail: json!({ "key_name": shown }),
        };
        self.store().settings().set_audited(SETTING, &hash.to_string(), &audit).await?;
        self.inner().outlet.set_master_key(hash);
        let behind = self.publish_and_wait().await;
        let written = self.config().home.replace_master_key(&secret);
        let (file, unwritten) = match written {
            Ok(file) => (file, None),
            Err(error) => (None, Some(error)),
        };
        tracing::info!(actor = actor.name(), rewritten = file.is_some(), "the master key was replaced");
        Ok(RotatedMasterKey { secret, file, behind, unwritten })
    }
}

/// The hash of the key that was kept last.
pub(crate) async fn kept(store: &Store) -> store::Result<Option<KeyHash>> {
    Ok(store.settings().get(SETTING).await?.and_then(|text| text.parse().ok()))
}

/// Whether a key that is given can be one.
pub(crate) fn check(given: &Secret) -> Result<(), MasterKeyError> {
    secrets::check(given).map_err(MasterKeyError::Unfit)
}

/// Takes the `given` key, which [`check`] has found fit; else the one that was kept; else makes one, if there is a home to
/// `make` it for: its file is there before it is taken. In the store there is only the hash.
pub(crate) async fn settle(
    store: &Store,
    rng: &Rng,
    given: Option<&Secret>,
    make: Option<&Home>,
) -> Result<MasterKey, MasterKeyError> {
    let kept = kept(store).await?;
    let (hash, made) = match (given, kept, make) {
        (Some(given), ..) => (KeyHash::of(given.expose()), None),
        (None, Some(kept), _) => (kept, None),
        (None, None, Some(home)) => {
            let made = secrets::generate(rng);
            let unkept = |cause| MasterKeyError::Unkept { path: home.master_key(), cause };
            home.keep_master_key(&made).map_err(unkept)?;
            (KeyHash::of(made.expose()), Some(made))
        }
        (None, None, None) => return Ok(MasterKey { hash: None, made: None }),
    };
    if kept != Some(hash) {
        store.settings().set(SETTING, Some(&hash.to_string())).await?;
    }
    Ok(MasterKey { hash: Some(hash), made })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_key_is_made_once_and_kept_as_hash_until_another_is_given() {
        let folder = tempfile::tempdir().unwrap();
        let (store, home) = (Store::open(folder.path()).await.unwrap(), Home::create(folder.path()).unwrap());
        let (rng, make) = (Rng::system(), Some(&home));
        assert_eq!(settle(&store, &rng, None, None).await.unwrap().hash, None);
        let first = settle(&store, &rng, None, make).await.unwrap();
        let made = first.made.unwrap();
        assert_eq!(first.hash, Some(KeyHash::of(made.expose())));
        assert_eq!(std::fs::read_to_string(home.master_key()).unwrap(), made.expose(), "for who can read the home");
        let second = settle(&store, &rng, None, make).await.unwrap();
        assert_eq!((second.hash, second.made), (first.hash, None), "shown once");

        let given = Secret::new("sk-0123456789abcdef");
        let third = settle(&store, &rng, Some(&given), make).await.unwrap();
        assert_eq!(third.hash, Some(KeyHash::of(given.expose())));
        assert_eq!(settle(&store, &rng, None, make).await.unwrap().hash, third.hash);
        let unfit = check(&Secret::new("short")).unwrap_err();
        assert!(unfit.to_string().contains("ENGINEHOUSE_MASTER_KEY"), "{unfit}");
        assert!(std::error::Error::source(&unfit).is_none(), "a chain of causes would tell it twice");
    }

    #[tokio::test]
    async fn one_that_cannot_be_kept_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let (store, home) = (Store::open(folder.path()).await.unwrap(), Home::create(folder.path()).unwrap());
        std::fs::create_dir(home.master_key()).unwrap();
        let error = settle(&store, &Rng::system(), None, Some(&home)).await.unwrap_err();
        assert!(error.to_string().contains("master.key"), "{error}");
        assert_eq!(kept(&store).await.unwrap(), None);
    }

    #[tokio::test]
    async fn the_key_itself_is_nowhere_in_the_files_of_the_store() {
        let (files, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (store, home) = (Store::open(files.path()).await.unwrap(), Home::create(home.path()).unwrap());
        let made = settle(&store, &Rng::system(), None, Some(&home)).await.unwrap().made.unwrap();
        for entry in std::fs::read_dir(files.path()).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            assert!(!String::from_utf8_lossy(&bytes).contains(made.expose()));
        }
    }
}
