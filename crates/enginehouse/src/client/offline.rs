use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use ambient::{Clock, Rng};
use anyhow::Context as _;
use http::Response;
use http_body_util::BodyExt as _;
use manager::{Addresses, Environment, HomeError, Manager, ManagerConfig, OpenError};
use tokio::time::{Instant, sleep};
use tower::ServiceExt as _;

use super::local::Local;
use super::{ApiRequest, Body};
use crate::home::Home;
use crate::{database, fault_points, output, secret_env};

/// How long a home may be locked by somebody who does not listen: a server that is starting or stopping, or
/// another command.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two tries.
const POLL: Duration = Duration::from_millis(100);

const LONE_GATEWAY: &str = "A gateway serves on this home without its manager; it takes changes over when `enginehouse serve --role manager` runs.";

/// A home on which nothing runs. Its manager lives in this process for one command: it validates and commits, and
/// starts nothing.
#[derive(Debug)]
pub(super) struct Offline {
    manager: Manager,
}

// === impl Offline ===

impl Offline {
    /// Opens the home as its owner, making it if it is not there; none if a server has come up on it meanwhile.
    pub(super) async fn open(home: &Home, local: &Local) -> anyhow::Result<Option<Self>> {
        home.act_as_owner()?;
        let give_up = Instant::now() + PATIENCE;
        loop {
            match Manager::open(config(home)?).await {
                Ok(opened) => {
                    if is_locked(&manager::Home::create(home.path())?.gateway_spool().join("lock")) {
                        output::note(LONE_GATEWAY);
                    }
                    return Ok(Some(Self { manager: opened.manager }));
                }
                Err(OpenError::Home(HomeError::InUse { .. })) if Instant::now() < give_up => sleep(POLL).await,
                Err(error) => return Err(error).context("nothing runs on this home, and it cannot be opened"),
            }
            if local.is_served().await? {
                return Ok(None);
            }
        }
    }

    pub(super) async fn send(&self, request: ApiRequest) -> anyhow::Result<Response<Body>> {
        let response = self.manager.router().oneshot(request.map(axum::body::Body::new)).await?;
        Ok(response.map(|body| body.map_err(Into::into).boxed_unsync()))
    }

    pub(super) async fn close(self) {
        self.manager.shutdown(false).await;
    }
}

/// Whether somebody has locked the file. Asks the kernel, because trying to lock it could keep others from doing so.
fn is_locked(path: &Path) -> bool {
    let Ok(meta) = fs::metadata(path) else { return false };
    let inode = format!(":{}", meta.ino());
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    locks.lines().any(|lock| lock.contains(" FLOCK ") && lock.split_whitespace().any(|word| word.ends_with(&inode)))
}

fn config(home: &Home) -> anyhow::Result<ManagerConfig> {
    Ok(ManagerConfig {
        home: manager::Home::create(home.path())?,
        database: database::from_environment(home)?,
        clock: Clock::system(),
        rng: Rng::system(),
        env: Environment::new(|name| std::env::var(name).ok()),
        master_key: None,
        admin_password: None,
        make_secrets: false,
        admin_is_exposed: false,
        publisher: None,
        secret_keys: secret_env::keyring()?,
        addresses: Addresses::default(),
        client_url: None,
        fault_points: fault_points::from_environment(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_seen_without_being_touched() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        assert!(!is_locked(&path));
        let file = fs::File::create(&path).unwrap();
        assert!(!is_locked(&path));
        file.lock().unwrap();
        assert!(is_locked(&path));
        drop(file);
        assert!(!is_locked(&path));
    }
}
