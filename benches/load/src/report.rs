use serde::Serialize;

/// How many microseconds something took, of many.
#[derive(Debug, Serialize)]
pub(crate) struct Spread {
    p50: u32,
    p99: u32,
    max: u32,
}

/// What a crowd has seen.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) streams: usize,
    /// Streams that did not end well.
    pub(crate) failed: usize,
    /// Why one of them did not.
    pub(crate) fault: Option<String>,
    pub(crate) chunks: usize,
    pub(crate) seconds: f64,
    /// From the request to the first chunk.
    pub(crate) first: Option<Spread>,
    /// From engine to client, of every chunk.
    pub(crate) way: Option<Spread>,
    /// Chunks that took more than 50 ms.
    pub(crate) stalls: usize,
}

// === impl Spread ===

impl Spread {
    /// Of `micros`; none if there are none.
    pub(crate) fn of(mut micros: Vec<u32>) -> Option<Self> {
        micros.sort_unstable();
        let last = micros.len().checked_sub(1)?;
        Some(Self { p50: micros[last / 2], p99: micros[last * 99 / 100], max: micros[last] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_names_the_middle_and_the_end() {
        let spread = Spread::of((0..=100).rev().collect()).unwrap();
        assert_eq!((spread.p50, spread.p99, spread.max), (50, 99, 100));
        assert!(Spread::of(Vec::new()).is_none());
    }
}
