use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::{Inventory, Probe};

/// Between two readings of a machine with GPUs.
const EVERY: Duration = Duration::from_secs(10);
/// The same where there are none: one may be plugged in, or its driver loaded.
const RARELY: Duration = Duration::from_secs(60);
/// How long a reading may take until what was known before is shown as such.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads what GPUs there are, again and again.
///
/// One reading at a time, on a thread of its own: a driver in trouble may never answer, and then nobody but that one thread
/// waits for it. It ends with the process.
#[derive(Debug)]
pub struct Sampler {
    probe: Probe,
    known: watch::Sender<Known>,
    asked: AtomicU64,
    /// Whether anybody reads.
    runs: AtomicBool,
    wake: Notify,
}

/// A wish for a reading that begins after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(u64);

#[derive(Clone, Debug, Default)]
struct Known {
    inventory: Option<Arc<Inventory>>,
    /// The newest wish that it answers.
    answers: u64,
}

// === impl Sampler ===

impl Sampler {
    /// One that has read nothing yet.
    pub fn new(probe: Probe) -> Self {
        Self {
            probe,
            known: watch::Sender::default(),
            asked: AtomicU64::new(0),
            runs: AtomicBool::new(false),
            wake: Notify::new(),
        }
    }

    /// What was read last; none before the first reading.
    pub fn current(&self) -> Option<Arc<Inventory>> {
        self.known.borrow().inventory.clone()
    }

    /// Asks for a reading, and waits for nothing.
    pub fn request(&self) -> Ticket {
        let ticket = Ticket(self.asked.fetch_add(1, Ordering::Relaxed) + 1);
        self.wake.notify_one();
        ticket
    }

    /// Whether there was a reading since, or the driver did not answer in time.
    pub fn answered(&self, ticket: Ticket) -> bool {
        self.known.borrow().answers >= ticket.0
    }

    /// What is read now, or what was known before where the driver does not answer in time.
    pub async fn fresh(&self) -> Option<Arc<Inventory>> {
        if !self.runs.load(Ordering::Relaxed) {
            let read = tokio::time::timeout(PATIENCE, begin(&self.probe)).await;
            return read.ok().and_then(Result::ok).map(Arc::new);
        }
        let ticket = self.request();
        let mut known = self.known.subscribe();
        let awaited = known.wait_for(|known| known.answers >= ticket.0);
        let _ = tokio::time::timeout(PATIENCE * 2, awaited).await;
        self.current()
    }

    /// What was read last, or the first reading where there was none yet; none where [`run`](Self::run) does not.
    pub async fn known(&self) -> Option<Arc<Inventory>> {
        match self.current() {
            Some(known) => Some(known),
            None if self.runs.load(Ordering::Relaxed) => self.fresh().await,
            None => None,
        }
    }

    /// Reads at once, from time to time, and when asked to, until cancelled.
    pub async fn run(&self, cancel: &CancellationToken) {
        self.runs.store(true, Ordering::Relaxed);
        self.read_again_and_again(cancel).await;
        self.runs.store(false, Ordering::Relaxed);
    }

    async fn read_again_and_again(&self, cancel: &CancellationToken) {
        let mut hangs = None;
        loop {
            let covers = self.asked.load(Ordering::Relaxed);
            let patience = if hangs.is_some() { Duration::ZERO } else { PATIENCE };
            let mut reading = hangs.take().unwrap_or_else(|| begin(&self.probe));
            let awaited = tokio::time::timeout(patience, &mut reading);
            match cancel.run_until_cancelled(awaited).await {
                None => return,
                Some(Ok(Ok(inventory))) => self.publish(inventory, covers),
                Some(Ok(Err(_))) => self.publish_old("the reading of GPUs failed; see the log", covers),
                Some(Err(_)) => {
                    hangs = Some(reading);
                    self.publish_old("NVIDIA's driver does not answer; this is what was known before", covers);
                }
            }
            let has_gpus = self.current().is_some_and(|inventory| inventory.has_gpus());
            let pause = if has_gpus { EVERY } else { RARELY };
            let due = async {
                tokio::select! {
                    () = self.wake.notified() => {}
                    () = tokio::time::sleep(pause) => {}
                }
            };
            if cancel.run_until_cancelled(due).await.is_none() {
                return;
            }
        }
    }

    fn publish(&self, mut inventory: Inventory, covers: u64) {
        let before = self.current();
        if let Some(before) = &before {
            inventory.remember(before);
        }
        tell(before.as_deref(), &inventory);
        self.known.send_replace(Known { inventory: Some(Arc::new(inventory)), answers: covers });
    }

    /// What was known before, with a note why there is nothing newer.
    fn publish_old(&self, note: &str, covers: u64) {
        let before = self.current();
        let mut old = before.as_deref().cloned().unwrap_or_else(|| self.probe.nothing());
        if !old.notes.iter().any(|known| known == note) {
            tracing::warn!(note, "GPUs cannot be read");
            old.notes.push(note.to_owned());
        }
        self.known.send_replace(Known { inventory: Some(Arc::new(old)), answers: covers });
    }
}

/// A reading on a thread of its own: one of the runtime's would keep the process from ending.
fn begin(probe: &Probe) -> oneshot::Receiver<Inventory> {
    let (send, receive) = oneshot::channel();
    let probe = probe.clone();
    // Without a thread the sender is dropped, which is a failed reading.
    let begun = std::thread::Builder::new().name("gpus".to_owned()).spawn(move || {
        let _ = send.send(probe.read());
    });
    if let Err(error) = begun {
        tracing::warn!(%error, "no thread to read GPUs with");
    }
    receive
}

/// Logs what is different.
fn tell(before: Option<&Inventory>, now: &Inventory) {
    let count = |inventory: &Inventory| (inventory.source, inventory.gpus.len(), inventory.lost.len());
    if before.map(count) != Some(count(now)) {
        let (source, driver) = (now.source.as_str(), now.driver.as_deref().unwrap_or("none"));
        tracing::info!(source, driver, gpus = now.gpus.len(), lost = now.lost.len(), "GPUs read");
    }
    for lost in &now.lost {
        if !before.is_some_and(|before| before.lost.contains(lost)) {
            tracing::warn!(gpu = lost.index, uuid = lost.uuid, reason = lost.reason, "a GPU does not answer");
        }
    }
}
