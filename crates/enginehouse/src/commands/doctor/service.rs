use std::os::unix::fs::MetadataExt as _;

use serde::Deserialize;
use serde_json::Value;

use super::Check;
use crate::client::{Client, view};
use crate::home::Home;

/// What runs on the home, and how it is.
#[derive(Debug)]
pub(super) enum Service {
    /// It answers.
    Running { status: Value, models: Value },
    /// Somebody listens, but does not answer as it should.
    Broken(String),
    /// Nobody listens; whether the home is locked all the same.
    Absent { locked: bool },
}

/// What `GET /api/v1/status` answers; only what is judged.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    version: String,
    revision: u64,
    store: Part,
    books: Part,
    orphans: Vec<Orphan>,
}

/// A part of the service that can be in trouble.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Part {
    /// What is wrong.
    message: Option<String>,
    lagging_bytes: u64,
}

/// An engine that runs though nothing asks for it.
#[derive(Debug, Deserialize)]
struct Orphan {
    id: String,
    #[serde(default)]
    pid: Option<u32>,
}

/// One of `GET /api/v1/models`.
#[derive(Debug, Deserialize)]
struct Model {
    name: String,
    #[serde(default)]
    ready: u32,
    #[serde(default)]
    replicas: u32,
}

// === impl Service ===

impl Service {
    /// Looks for a server on the home; never opens the home itself.
    pub(super) async fn find(home: &Home) -> Self {
        let client = match Client::of_running(home).await {
            Ok(Some(client)) => client,
            Ok(None) => return Self::Absent { locked: is_locked(home) },
            Err(error) => return Self::Broken(format!("{error:#}")),
        };
        let answers = async {
            anyhow::Ok((client.get("/api/v1/status").await?, client.list("/api/v1/models?limit=1000").await?))
        };
        match answers.await {
            Ok((status, models)) => Self::Running { status, models },
            Err(error) => Self::Broken(format!("{error:#}")),
        }
    }

    pub(super) const fn is_running(&self) -> bool {
        matches!(self, Self::Running { .. } | Self::Broken(_))
    }

    pub(super) fn checks(&self) -> Vec<Check> {
        const NAME: &str = "service";
        const GUIDE: &str = "operations.md#service";
        match self {
            Self::Absent { locked: false } => vec![Check::info(NAME, "nothing runs on this home")],
            Self::Absent { locked: true } => {
                let advice = "a server is starting or stopping, or hangs: look at its log";
                vec![Check::warn(NAME, "the home is locked, but nobody answers on control.sock", advice, GUIDE)]
            }
            Self::Broken(why) => vec![Check::fail(NAME, why, "look at the server's log", GUIDE)],
            Self::Running { status, models } => {
                let known: Status = view(status).unwrap_or_default();
                let message = format!("version {} serves revision {}", known.version, known.revision);
                let mut checks = vec![Check::ok(NAME, message), store(&known.store), books(&known.books)];
                checks.extend(known.orphans.iter().map(orphan));
                checks.extend(of_models(models));
                checks
            }
        }
    }
}

fn store(part: &Part) -> Check {
    match &part.message {
        None => Check::ok("store", "can be written"),
        Some(trouble) => {
            let advice = "make room or mend its permissions; requests are served meanwhile";
            Check::fail("store", trouble, advice, "operations.md#store")
        }
    }
}

fn books(part: &Part) -> Check {
    const NAME: &str = "books";
    const GUIDE: &str = "operations.md#books";
    /// Half of the spool that a gateway has by default.
    const LAG: u64 = 64 << 20;
    match &part.message {
        Some(trouble) => Check::fail(NAME, trouble, "mend the store; the spool keeps the books meanwhile", GUIDE),
        None if part.lagging_bytes > LAG => {
            let message = format!("{} MiB wait in the spool", part.lagging_bytes >> 20);
            Check::warn(NAME, message, "see whether the store is slow; a full spool refuses requests", GUIDE)
        }
        None => Check::ok(NAME, "in the store"),
    }
}

fn orphan(orphan: &Orphan) -> Check {
    let pid = orphan.pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default();
    let message = format!("{}{pid} runs though nothing asks for it", orphan.id);
    Check::warn("engines", message, "wait until it has stopped, or end it", "operations.md#models")
}

fn of_models(models: &Value) -> Vec<Check> {
    const NAME: &str = "models";
    const GUIDE: &str = "operations.md#models";
    let models: Vec<Model> = view(models).unwrap_or_default();
    let (ready, behind): (Vec<_>, Vec<_>) = models.iter().partition(|model| model.ready > 0);
    let mut checks: Vec<Check> = behind
        .iter()
        .map(|model| {
            let message = format!("{} is not ready (0/{})", model.name, model.replicas);
            Check::warn(NAME, message, "see `enginehouse model list`", GUIDE)
        })
        .collect();
    if models.is_empty() {
        return vec![Check::info(NAME, "none yet: `enginehouse apply` brings them")];
    }
    if checks.is_empty() {
        checks.push(Check::ok(NAME, format!("{} of {} ready", ready.len(), models.len())));
    }
    checks
}

/// Whether some process holds the home's lock. Looked up, not tried: a try would hold the lock for a moment, in
/// which a server could not start.
fn is_locked(home: &Home) -> bool {
    let Ok(lock) = std::fs::metadata(home.path().join("lock")) else { return false };
    let file = format!(":{} ", lock.ino());
    let held = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    held.lines().any(|line| line.contains("FLOCK") && line.contains(&file))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Verdict;
    use super::*;

    #[test]
    fn each_model_that_is_not_ready_is_named() {
        let models = json!([{"name": "a", "ready": 1, "replicas": 1}, {"name": "b", "ready": 0, "replicas": 2}]);
        let checks = of_models(&models);
        assert_eq!((checks.len(), checks[0].verdict), (1, Verdict::Warn));
        assert!(checks[0].message.contains("b is not ready (0/2)"));
        assert_eq!(of_models(&json!([]))[0].verdict, Verdict::Info);
    }

    #[test]
    fn trouble_of_store_and_books_is_judged() {
        let part = |message: Option<&str>, lagging_bytes| Part { message: message.map(str::to_owned), lagging_bytes };
        assert_eq!(store(&part(None, 0)).verdict, Verdict::Ok);
        assert_eq!(store(&part(Some("read-only"), 0)).verdict, Verdict::Fail);
        assert_eq!(books(&part(None, 1000)).verdict, Verdict::Ok);
        assert_eq!(books(&part(None, 100 << 20)).verdict, Verdict::Warn);
        assert_eq!(books(&part(Some("locked"), 0)).verdict, Verdict::Fail);
    }

    #[tokio::test]
    async fn a_lock_without_a_server_is_told_apart_from_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path());
        assert!(matches!(Service::find(&home).await, Service::Absent { locked: false }));
        let held = manager::Home::create(folder.path()).unwrap().lock(manager::Holder::Serve).unwrap();
        assert!(matches!(Service::find(&home).await, Service::Absent { locked: true }));
        drop(held);
        assert!(matches!(Service::find(&home).await, Service::Absent { locked: false }));
    }
}
