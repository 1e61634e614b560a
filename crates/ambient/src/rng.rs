use std::sync::{Arc, PoisonError};

use rand::rngs::StdRng;
use rand::{Rng as _, RngCore as _, SeedableRng as _};

/// Random numbers, from the operating system's entropy or from a seed.
#[derive(Clone, Debug)]
pub struct Rng(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Seeded(Arc<Lock<StdRng>>),
}

#[expect(clippy::disallowed_types, reason = "this crate stays below parking_lot; poisoning is ignored on lock")]
type Lock<T> = std::sync::Mutex<T>;

// === impl Rng ===

impl Rng {
    /// Cryptographically secure, seeded by the operating system.
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// The same sequence for the same seed: for tests only, never for keys that are handed out.
    pub fn seeded(seed: u64) -> Self {
        Self(Source::Seeded(Arc::new(Lock::new(StdRng::seed_from_u64(seed)))))
    }

    /// Fills `bytes` with random bytes.
    #[expect(clippy::disallowed_methods, reason = "the one place that asks for entropy")]
    pub fn fill(&self, bytes: &mut [u8]) {
        match &self.0 {
            Source::System => rand::rng().fill_bytes(bytes),
            Source::Seeded(rng) => rng.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(bytes),
        }
    }

    /// `N` random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// A number from 0 to `bound` - 1; 0 if `bound` is 0.
    #[expect(clippy::disallowed_methods, reason = "the one place that asks for entropy")]
    pub fn below(&self, bound: u64) -> u64 {
        if bound == 0 {
            return 0;
        }
        match &self.0 {
            Source::System => rand::rng().random_range(0..bound),
            Source::Seeded(rng) => rng.lock().unwrap_or_else(PoisonError::into_inner).random_range(0..bound),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_repeats_and_the_system_does_not() {
        let draw = |rng: Rng| rng.bytes::<16>();
        assert_eq!(draw(Rng::seeded(7)), draw(Rng::seeded(7)));
        assert_ne!(draw(Rng::system()), draw(Rng::system()));
    }

    #[test]
    fn below_stays_below() {
        let rng = Rng::seeded(1);
        assert!((0..1000).all(|_| rng.below(3) < 3));
        assert_eq!(rng.below(0), 0);
    }
}
