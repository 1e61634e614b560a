use ambient::Timestamp;
use parking_lot::Mutex;

use crate::Actor;

/// One apply at a time: the next one is told who is at it, and does not queue up behind what it has not seen.
#[derive(Debug, Default)]
pub(crate) struct ApplyTurn(Mutex<Option<Busy>>);

/// Another apply is going on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{who} is applying a change since {since}; wait until that is done, and look at what applies then")]
pub(crate) struct Busy {
    who: String,
    since: Timestamp,
}

/// The turn of one apply, until it is dropped.
pub(crate) struct Place<'a>(&'a ApplyTurn);

// === impl ApplyTurn ===

impl ApplyTurn {
    pub(super) fn take(&self, actor: &Actor, now: Timestamp) -> Result<Place<'_>, Busy> {
        let mut holder = self.0.lock();
        if let Some(busy) = &*holder {
            return Err(busy.clone());
        }
        *holder = Some(Busy { who: actor.name().to_owned(), since: now });
        Ok(Place(self))
    }
}

// === impl Place ===

impl Drop for Place<'_> {
    fn drop(&mut self) {
        *self.0.0.lock() = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_is_at_it_until_the_first_is_done() {
        let turn = ApplyTurn::default();
        let at = Timestamp::from_micros(7_000_000);
        let first = turn.take(&Actor::owner(), at).unwrap();
        let Err(busy) = turn.take(&Actor::import(), at) else { panic!("two at once") };
        assert!(busy.to_string().starts_with("owner is applying a change since 1970-01-01"), "{busy}");
        drop(first);
        assert!(turn.take(&Actor::import(), at).is_ok());
    }
}
