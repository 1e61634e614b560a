use ambient::{Clock, Timestamp};

/// Time over which a rate is measured.
const WINDOW_MICROS: i64 = 2_000_000;

/// How much comes a second, over the last moments.
#[derive(Debug)]
pub(super) struct Rate {
    clock: Clock,
    since: Timestamp,
    bytes: u64,
    per_second: u64,
}

// === impl Rate ===

impl Rate {
    pub(super) fn new(clock: Clock) -> Self {
        Self { since: clock.now(), clock, bytes: 0, per_second: 0 }
    }

    /// The rate, now that so many bytes have come.
    pub(super) fn at(&mut self, bytes: u64) -> u64 {
        let now = self.clock.now();
        let micros = now.as_micros().saturating_sub(self.since.as_micros());
        if let Ok(micros @ 1..) = u64::try_from(micros) {
            let came = bytes.saturating_sub(self.bytes);
            let rate = came.saturating_mul(1_000_000) / micros;
            if micros >= WINDOW_MICROS.unsigned_abs() {
                (self.since, self.bytes, self.per_second) = (now, bytes, rate);
            } else if self.per_second == 0 {
                return rate;
            }
        }
        self.per_second
    }
}
