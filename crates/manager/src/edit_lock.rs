//! The lock on editing, for those who keep the desired state elsewhere: items are neither staged nor applied one by one
//! then, and only a whole document comes in.

use ambient::Timestamp;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{AuditEntry, Store};

use crate::{Actor, Manager};

/// Where it stands among the settings.
const SETTING: &str = "edit_lock";

/// Whether editing is locked, and why.
#[derive(Debug)]
pub(crate) struct EditLock(RwLock<Option<Closed>>);

/// Editing is locked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Closed {
    /// Why, in the words of who locked it.
    pub(crate) reason: String,
    pub(crate) by: String,
    pub(crate) since: Timestamp,
}

/// An edit is refused because of the lock.
#[derive(Debug, thiserror::Error)]
#[error("editing is locked since {} by {}: {}; change the document where it is kept and `enginehouse apply -f` it, or unlock editing", .0.since, .0.by, .0.reason)]
pub(crate) struct Locked(Closed);

// === impl EditLock ===

impl EditLock {
    /// As it was left; open on a new home.
    pub(crate) async fn read(store: &Store) -> store::Result<Self> {
        let kept = store.settings().get(SETTING).await?;
        Ok(Self(RwLock::new(kept.and_then(|text| serde_json::from_str(&text).ok()))))
    }

    /// Takes it over as it is stored; whether it was different.
    pub(crate) async fn reread(&self, store: &Store) -> store::Result<bool> {
        let stored = Self::read(store).await?.closed();
        let mut closed = self.0.write();
        let is_new = *closed != stored;
        *closed = stored;
        Ok(is_new)
    }

    /// Why it is locked, if it is.
    pub(crate) fn closed(&self) -> Option<Closed> {
        self.0.read().clone()
    }

    /// Refuses if it is locked.
    pub(crate) fn check(&self) -> Result<(), Locked> {
        self.closed().map_or(Ok(()), |closed| Err(Locked(closed)))
    }
}

// === impl Manager ===

impl Manager {
    /// Locks editing for a reason, or opens it.
    pub(crate) async fn set_edit_lock(&self, reason: Option<String>, actor: &Actor) -> store::Result<()> {
        let now = self.config().clock.now();
        let closed = reason.map(|reason| Closed { reason, by: actor.name().to_owned(), since: now });
        let audit = AuditEntry {
            at: now,
            by: actor.by(),
            action: if closed.is_some() { "lock.on" } else { "lock.off" },
            subject: SETTING,
            detail: json!({ "reason": closed.as_ref().map(|closed| &closed.reason) }),
        };
        // Cannot fail: every key is a string.
        let text = closed.as_ref().map(|closed| serde_json::to_string(closed).unwrap_or_default());
        self.store().settings().set_audited(SETTING, text.as_deref().unwrap_or_default(), &audit).await?;
        *self.edit_lock().0.write() = closed;
        Ok(())
    }
}
