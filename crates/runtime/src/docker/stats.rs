use bollard::models::{ContainerMemoryStats, ContainerStatsResponse};
use bollard::query_parameters::StatsOptionsBuilder;
use futures_util::StreamExt as _;

use super::{Docker, DockerError};
use crate::Used;

/// What the kernel calls files that were read and could be given up, by version of its control groups.
const INACTIVE: [&str; 2] = ["total_inactive_file", "inactive_file"];

// === impl Docker ===

impl Docker {
    /// What a container uses now; nothing where it does not run.
    pub async fn used(&self, container: &str) -> Result<Used, DockerError> {
        let options = StatsOptionsBuilder::default().stream(false).one_shot(true).build();
        let told = self.ask(async |api| {
            let mut stream = std::pin::pin!(api.stats(container, Some(options)));
            stream.next().await.transpose()
        });
        Ok(told.await?.map(of).unwrap_or_default())
    }
}

fn of(told: ContainerStatsResponse) -> Used {
    let cpu = told.cpu_stats.and_then(|cpu| cpu.cpu_usage?.total_usage);
    Used { cpu_nanos: cpu.unwrap_or(0), memory_bytes: told.memory_stats.map_or(0, held) }
}

/// As Docker's own client counts it.
fn held(memory: ContainerMemoryStats) -> u64 {
    let usage = memory.usage.unwrap_or(0);
    let all = memory.stats.unwrap_or_default();
    let inactive = INACTIVE.iter().find_map(|name| all.get(*name)).copied().unwrap_or(0);
    if inactive < usage { usage - inactive } else { usage }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_were_read_do_not_count() {
        let memory = |stats: &[(&str, u64)]| ContainerMemoryStats {
            usage: Some(100),
            stats: Some(stats.iter().map(|(name, bytes)| ((*name).to_owned(), *bytes)).collect()),
            ..ContainerMemoryStats::default()
        };
        assert_eq!(held(memory(&[("inactive_file", 30)])), 70);
        assert_eq!(held(memory(&[("total_inactive_file", 40), ("inactive_file", 30)])), 60);
        assert_eq!(held(memory(&[("inactive_file", 300)])), 100);
        assert_eq!(held(ContainerMemoryStats::default()), 0);
    }
}
