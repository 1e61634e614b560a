use std::io;

use rustix::param::{clock_ticks_per_second, page_size};

use super::group::members;
use super::identity::Handle;
use super::stat::Stat;
use crate::Used;

const NANOS: u64 = 1_000_000_000;

/// What all processes of an engine use now. Memory that they share counts for each.
pub fn used(handle: &Handle) -> io::Result<Used> {
    let mut used = Used::default();
    // Who ends meanwhile uses nothing any more.
    for stat in members(handle)?.into_iter().filter_map(|pid| Stat::read(pid).ok()) {
        let nanos = u128::from(stat.cpu_ticks) * u128::from(NANOS) / u128::from(clock_ticks_per_second().max(1));
        used.cpu_nanos += u64::try_from(nanos).unwrap_or(u64::MAX);
        used.memory_bytes += stat.pages.saturating_mul(page_size() as u64);
    }
    Ok(used)
}
