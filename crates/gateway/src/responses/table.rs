use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Responses that are remembered; of more, the oldest are forgotten.
const MAX: usize = 65_536;

/// Bytes of an id that is remembered at most.
pub(crate) const MAX_ID_BYTES: usize = 256;

/// Time for which a response is remembered.
const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// A response that an engine has.
#[derive(Debug)]
pub(crate) struct Made {
    /// Whom it belongs to.
    pub(crate) maker: Maker,
    /// Public name of its model.
    pub(crate) model: Arc<str>,
    /// Id of the replica that has it.
    pub(crate) replica: Arc<str>,
}

/// Whom a response belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Maker {
    /// Id of the key that made it.
    pub(crate) key: Arc<str>,
    /// Id of the team of that key.
    pub(crate) team: Option<Arc<str>>,
}

/// The responses that are remembered.
#[derive(Debug, Default)]
pub(crate) struct Responses(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    made: HashMap<Arc<str>, Arc<Made>>,
    /// The oldest at the front. One that was removed stays in here until its time is up.
    order: VecDeque<(Instant, Arc<str>)>,
}

// === impl Responses ===

impl Responses {
    /// The response called `id`.
    pub(crate) fn get(&self, id: &str, now: Instant) -> Option<Arc<Made>> {
        let mut table = self.0.lock();
        table.forget_old(now);
        table.made.get(id).cloned()
    }

    /// Remembers `id`.
    ///
    /// vLLM lets clients choose ids, and the last response of an id replaces the one before. Where it is another's, there
    /// is no telling whose the engine has now: from then on it is nobody's. Else whoever guesses an id, before it is used
    /// or after, could read what another made.
    pub(crate) fn insert(&self, id: &str, made: Made, now: Instant) {
        if id.is_empty() || id.len() > MAX_ID_BYTES {
            return;
        }
        let mut table = self.0.lock();
        table.forget_old(now);
        if let Some(known) = table.made.get_mut(id) {
            let maker = if known.maker == made.maker { made.maker.clone() } else { Maker::nobody() };
            *known = Arc::new(Made { maker, ..made });
            return;
        }
        if table.order.len() >= MAX {
            table.forget_first();
        }
        let id: Arc<str> = id.into();
        table.order.push_back((now, id.clone()));
        table.made.insert(id, Arc::new(made));
    }

    /// Forgets `id`: it was deleted.
    pub(crate) fn remove(&self, id: &str) {
        self.0.lock().made.remove(id);
    }
}

// === impl Table ===

impl Table {
    fn forget_old(&mut self, now: Instant) {
        while self.order.front().is_some_and(|(since, _)| now.saturating_duration_since(*since) >= LIFETIME) {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        if let Some((_, id)) = self.order.pop_front() {
            self.made.remove(&id);
        }
    }
}

// === impl Maker ===

impl Maker {
    /// Nobody: no key has an empty id.
    fn nobody() -> Self {
        Self { key: "".into(), team: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(replica: &str) -> Made {
        Made { maker: Maker { key: "k".into(), team: None }, model: "m".into(), replica: replica.into() }
    }

    #[test]
    fn an_id_that_two_chose_is_nobodys() {
        let (responses, now) = (Responses::default(), Instant::now());
        let other = || Made { maker: Maker { key: "other".into(), team: None }, ..made("r2") };
        responses.insert("a", made("r1"), now);
        responses.insert("a", other(), now);
        assert_eq!(responses.get("a", now).unwrap().maker, Maker::nobody());
        for again in [made("r1"), other()] {
            responses.insert("a", again, now);
            assert_eq!(responses.get("a", now).unwrap().maker, Maker::nobody(), "and stays so");
        }
    }

    #[test]
    fn an_id_is_its_maker_s_where_it_was_made_last_until_it_is_forgotten() {
        let (responses, now) = (Responses::default(), Instant::now());
        responses.insert("a", made("r1"), now);
        responses.insert("a", made("r2"), now);
        let kept = responses.get("a", now).unwrap();
        assert_eq!((&*kept.replica, &*kept.maker.key), ("r2", "k"));
        assert!(responses.get("a", now + LIFETIME).is_none());
        responses.insert("b", made("r1"), now);
        responses.remove("b");
        assert!(responses.get("b", now).is_none());
    }

    #[test]
    fn the_number_is_bounded() {
        let (responses, now) = (Responses::default(), Instant::now());
        for n in 0..=MAX {
            responses.insert(&n.to_string(), made("r"), now);
        }
        responses.insert(&"x".repeat(MAX_ID_BYTES + 1), made("r"), now);
        assert!(responses.get("0", now).is_none() && responses.get("1", now).is_some());
        let table = responses.0.lock();
        assert_eq!((table.made.len(), table.order.len()), (MAX, MAX));
    }
}
