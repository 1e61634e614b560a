use std::collections::HashMap;
use std::time::Duration;

use ambient::Timestamp;
use aws_lc_rs::{constant_time, hmac};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use serde_json::json;
use snapshot::{KeyHash, Secret};
use store::{AuditEntry, SessionRow};

use crate::access::Role;
use crate::{Actor, Manager};

/// How long a session lasts that is not used.
pub(crate) const IDLE: Duration = Duration::from_secs(2 * 3600);
/// How long a session lasts at most.
pub(crate) const LASTS: Duration = Duration::from_secs(24 * 3600);
/// Sessions that one account may have; a further one ends its oldest.
const EACH: usize = 20;
/// How far behind the store may be about when a session was used.
const NOTED_EVERY: Duration = Duration::from_secs(300);

/// Who is logged in, for reading without the store. Bounded by the number of accounts.
#[derive(Debug)]
pub(crate) struct SessionTable(Mutex<HashMap<KeyHash, SessionRow>>);

/// A session that has just begun.
#[derive(Debug)]
pub(crate) struct Begun {
    /// What the browser keeps; the only time that it is known.
    pub(crate) id: Secret,
    pub(crate) row: SessionRow,
}

// === impl SessionTable ===

impl SessionTable {
    pub(crate) fn new(rows: Vec<SessionRow>) -> Self {
        Self(Mutex::new(rows.into_iter().map(|row| (row.hash, row)).collect()))
    }

    /// The session, unless it has ended.
    pub(crate) fn find(&self, hash: KeyHash, now: Timestamp) -> Option<SessionRow> {
        self.0.lock().get(&hash).filter(|row| is_live(row, now)).cloned()
    }

    /// Forgets all sessions of an account.
    pub(crate) fn end_all_of(&self, account: &str) {
        self.0.lock().retain(|_, row| row.account != account);
    }

    /// Forgets those that are not among the stored ones. Of these none begins here: its end may have been told while the
    /// store could not be written.
    pub(crate) fn keep_only(&self, stored: &[SessionRow]) -> bool {
        let mut rows = self.0.lock();
        let before = rows.len();
        rows.retain(|hash, _| stored.iter().any(|row| row.hash == *hash));
        rows.len() < before
    }

    /// Notes the use of a session; whether the store should know of it too.
    fn touch(&self, hash: KeyHash, now: Timestamp) -> bool {
        let mut rows = self.0.lock();
        let Some(row) = rows.get_mut(&hash) else { return false };
        let is_late = now.since(row.seen_at) >= NOTED_EVERY;
        if is_late {
            row.seen_at = now;
        }
        is_late
    }

    /// Sessions that are over, and the oldest of `account` beyond those that leave room for one more.
    fn surplus(&self, account: &str, now: Timestamp) -> Vec<KeyHash> {
        let rows = self.0.lock();
        let mut own: Vec<_> = rows.values().filter(|row| row.account == account && is_live(row, now)).collect();
        own.sort_by_key(|row| std::cmp::Reverse(row.created_at));
        let over = rows.values().filter(|row| !is_live(row, now));
        own.iter().skip(EACH - 1).copied().chain(over).map(|row| row.hash).collect()
    }

    fn replace(&self, old: &[KeyHash], new: Option<SessionRow>) {
        let mut rows = self.0.lock();
        for hash in old {
            rows.remove(hash);
        }
        rows.extend(new.map(|row| (row.hash, row)));
    }
}

// === impl Manager ===

impl Manager {
    /// The session that a browser presents, with the role that its account has now.
    pub(crate) fn session(&self, id: &str) -> Option<(SessionRow, Role)> {
        let now = self.config().clock.now();
        let row = self.inner().sessions.find(KeyHash::of(id), now)?;
        let role = self.inner().accounts.find(&row.account).ok().map(|account| Role::stored(&account.role))?;
        if self.inner().sessions.touch(row.hash, now) {
            let manager = self.clone();
            // That it was used is worth a try, no more.
            self.spawn(async move { drop(manager.store().sessions().touch(row.hash, now).await) });
        }
        Some((row, role))
    }

    /// Begins a session of `actor`, whose identity was just proven, and ends the one that the browser had: its id is
    /// always a new one.
    pub(crate) async fn begin_session(
        &self,
        account: &str,
        old: Option<KeyHash>,
        by: impl FnOnce(KeyHash) -> Actor,
    ) -> store::Result<Begun> {
        let now = self.config().clock.now();
        let id = Secret::new(BASE64_URL_SAFE_NO_PAD.encode(self.config().rng.bytes::<32>()));
        let hash = KeyHash::of(id.expose());
        let row = SessionRow {
            hash,
            account: account.to_owned(),
            created_at: now,
            seen_at: now,
            expires_at: now.plus(LASTS),
        };
        let mut ended = self.inner().sessions.surplus(account, now);
        ended.extend(old);
        let actor = by(hash);
        let entry =
            AuditEntry { at: now, by: actor.by(), action: "session.begin", subject: account, detail: json!({}) };
        self.store().sessions().change(Some(&row), &ended, &entry).await?;
        self.inner().sessions.replace(&ended, Some(row.clone()));
        Ok(Begun { id, row })
    }

    /// Ends a session.
    pub(crate) async fn end_session(&self, hash: KeyHash, actor: &Actor) -> store::Result<()> {
        // Out of sight first: whoever logs out is out, whatever the store says.
        self.inner().sessions.replace(&[hash], None);
        let at = self.config().clock.now();
        let entry = AuditEntry { at, by: actor.by(), action: "session.end", subject: actor.name(), detail: json!({}) };
        self.store().sessions().change(None, &[hash], &entry).await
    }
}

/// What a page has to present besides the session, which the browser presents by itself. Made from the session's id, so
/// that only who can read answers knows it.
pub(crate) fn csrf_token(session: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(csrf_tag(session))
}

/// Whether `token` is that of the session.
pub(crate) fn is_csrf_token(session: &str, token: &str) -> bool {
    constant_time::verify_slices_are_equal(csrf_token(session).as_bytes(), token.as_bytes()).is_ok()
}

fn csrf_tag(session: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, session.as_bytes()), b"enginehouse csrf")
}

fn is_live(row: &SessionRow, now: Timestamp) -> bool {
    // A session that is used is noted within minutes, so those count as used.
    now < row.expires_at && now.since(row.seen_at) < IDLE + NOTED_EVERY
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, account: &str, created: i64) -> SessionRow {
        let at = Timestamp::from_micros(created * 1_000_000);
        SessionRow {
            hash: KeyHash::of(id),
            account: account.into(),
            created_at: at,
            seen_at: at,
            expires_at: at.plus(LASTS),
        }
    }

    #[test]
    fn a_session_ends_when_it_is_not_used_and_at_its_time() {
        let table = SessionTable::new(vec![row("a", "ann", 0)]);
        let at = |hours: u64| Timestamp::from_micros(0).plus(Duration::from_secs(hours * 3600));
        for hour in [1, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 23] {
            assert!(table.find(KeyHash::of("a"), at(hour)).is_some(), "{hour}");
            table.touch(KeyHash::of("a"), at(hour));
        }
        assert!(table.find(KeyHash::of("a"), at(24)).is_none(), "a day is the most");
        let table = SessionTable::new(vec![row("a", "ann", 0)]);
        assert!(table.find(KeyHash::of("a"), at(3)).is_none(), "not used");
    }

    #[test]
    fn an_account_has_so_many_sessions_and_the_oldest_go() {
        let rows: Vec<_> = (0..25).map(|n| row(&n.to_string(), "ann", n)).chain([row("b", "bob", 0)]).collect();
        let table = SessionTable::new(rows);
        let surplus = table.surplus("ann", Timestamp::from_micros(30_000_000));
        assert_eq!(surplus.len(), 6);
        assert!((0..6).all(|n: i64| surplus.contains(&KeyHash::of(&n.to_string()))));
    }

    #[test]
    fn a_csrf_token_belongs_to_one_session() {
        let token = csrf_token("one");
        assert!(is_csrf_token("one", &token));
        assert!(!is_csrf_token("two", &token));
        assert!(!is_csrf_token("one", ""));
    }
}
