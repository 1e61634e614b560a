use std::collections::HashMap;
use std::time::Duration;

use ambient::Timestamp;
use parking_lot::Mutex;

/// Names that are remembered at once; past it, those go that tried least.
const MOST: usize = 10_000;

/// Lets each name try so many times at once, and then once in a while (the generic cell rate algorithm).
#[derive(Debug)]
pub(crate) struct Throttle {
    burst: u32,
    every: Duration,
    /// When each name will have all its tries again.
    recovered: Mutex<HashMap<String, Timestamp>>,
}

// === impl Throttle ===

impl Throttle {
    /// `burst` tries at once, and one more every `every`.
    pub(crate) fn new(burst: u32, every: Duration) -> Self {
        Self { burst, every, recovered: Mutex::new(HashMap::new()) }
    }

    /// Takes one try; how long to wait if there is none.
    pub(crate) fn take(&self, name: &str, now: Timestamp) -> Result<(), Duration> {
        let mut recovered = self.recovered.lock();
        if recovered.len() >= MOST && !recovered.contains_key(name) {
            make_room(&mut recovered, now);
        }
        let from = recovered.get(name).copied().map_or(now, |at| at.max(now));
        let owed = from.since(now) + self.every;
        let allowed = self.every * self.burst;
        if owed > allowed {
            return Err(owed.saturating_sub(allowed));
        }
        recovered.insert(name.to_owned(), now.plus(owed));
        Ok(())
    }

    /// Gives all tries back: it was no guess.
    pub(crate) fn forget(&self, name: &str) {
        self.recovered.lock().remove(name);
    }

    /// Gives all tries back to all names that begin so.
    pub(crate) fn forget_all(&self, prefix: &str) {
        self.recovered.lock().retain(|name, _| !name.starts_with(prefix));
    }
}

fn make_room(recovered: &mut HashMap<String, Timestamp>, now: Timestamp) {
    recovered.retain(|_, at| *at > now);
    if recovered.len() >= MOST
        && let Some(first) = recovered.iter().min_by_key(|(_, at)| **at).map(|(name, _)| name.clone())
    {
        recovered.remove(&first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn tries_come_back_one_by_one() {
        let throttle = Throttle::new(3, 10 * SECOND);
        let start = Timestamp::from_micros(1_000_000_000);
        for _ in 0..3 {
            assert_eq!(throttle.take("ann", start), Ok(()));
        }
        assert_eq!(throttle.take("ann", start), Err(10 * SECOND));
        assert_eq!(throttle.take("bob", start), Ok(()), "each for itself");
        assert_eq!(throttle.take("ann", start.plus(4 * SECOND)), Err(6 * SECOND));
        assert_eq!(throttle.take("ann", start.plus(10 * SECOND)), Ok(()));
        assert!(throttle.take("ann", start.plus(10 * SECOND)).is_err());
        throttle.forget("ann");
        assert_eq!(throttle.take("ann", start.plus(10 * SECOND)), Ok(()));
    }

    #[test]
    fn it_remembers_so_many_and_forgets_those_that_tried_least() {
        let throttle = Throttle::new(2, SECOND);
        let start = Timestamp::from_micros(0);
        throttle.take("busy", start).unwrap();
        throttle.take("busy", start).unwrap();
        for n in 0..MOST + 5 {
            throttle.take(&n.to_string(), start).unwrap();
        }
        assert_eq!(throttle.recovered.lock().len(), MOST);
        assert!(throttle.take("busy", start).is_err(), "who tried most is not forgotten");
    }
}
