use clap::Args;
use serde::Deserialize;

use super::here;
use crate::client::{self, Client};
use crate::output::{self, Column, Table};

/// How to list.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Print all that is known as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Deserialize)]
struct Found {
    source: String,
    driver: Option<String>,
    cuda: Option<String>,
    gpus: Vec<Gpu>,
    lost: Vec<Lost>,
    notes: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Gpu {
    index: u32,
    uuid: String,
    name: String,
    memory: Option<Memory>,
    numa_node: Option<u32>,
    nvlink_peers: Vec<u32>,
    nvswitch: bool,
    slices: Vec<Slice>,
    replicas: Vec<Replica>,
}

#[derive(Debug, Deserialize)]
struct Slice {
    uuid: String,
    profile: String,
    memory: Option<Memory>,
    replicas: Vec<Replica>,
}

#[derive(Debug, Deserialize)]
struct Memory {
    total_bytes: u64,
    free_bytes: u64,
    unified: bool,
}

#[derive(Debug, Deserialize)]
struct Lost {
    index: u32,
    uuid: Option<String>,
    name: Option<String>,
    reason: String,
}

#[derive(Debug, Deserialize)]
struct Replica {
    model: String,
    state: String,
    gpu_memory_utilization: f64,
}

pub(super) async fn run(client: Option<&Client>, args: &ListArgs) -> anyhow::Result<()> {
    let answer = match client {
        Some(client) => client.get("/api/v1/gpus?fresh=true").await?,
        None => here::shown(&here::inventory().await?)?,
    };
    if args.json {
        return Ok(output::json(&answer)?);
    }
    let found: Found = client::view(&answer)?;
    if found.gpus.is_empty() && found.lost.is_empty() {
        output::note("No NVIDIA GPU is found. Endpoints and engines on the CPU need none.");
    } else {
        output::table(&table(&found))?;
        output::note(&told_by(&found));
    }
    for note in &found.notes {
        output::note(&format!("  {}", output::plain(note)));
    }
    Ok(())
}

/// Where the knowledge came from.
fn told_by(found: &Found) -> String {
    let who = match found.source.as_str() {
        "nvml" => "NVML",
        other => other,
    };
    let version = |what: &str, version: &Option<String>| {
        version.as_ref().map(|version| format!(", {what} {}", output::plain(version))).unwrap_or_default()
    };
    format!("Told by {who}{}{}", version("driver", &found.driver), version("CUDA", &found.cuda))
}

fn table(found: &Found) -> Table {
    let columns = [
        Column::text("GPU"),
        Column::text("NAME"),
        Column::number("MEMORY"),
        Column::number("FREE"),
        Column::text("LINKS"),
        Column::text("ENGINES"),
        Column::text("UUID"),
    ];
    let mut table = Table::new(&columns);
    for gpu in &found.gpus {
        let [total, free] = memory(gpu.memory.as_ref());
        let engines = engines(&gpu.replicas);
        table.push(vec![gpu.index.to_string(), gpu.name.clone(), total, free, links(gpu), engines, gpu.uuid.clone()]);
        for slice in &gpu.slices {
            let [total, free] = memory(slice.memory.as_ref());
            let (name, engines) = (format!("  slice {}", slice.profile), self::engines(&slice.replicas));
            table.push(vec![gpu.index.to_string(), name, total, free, String::new(), engines, slice.uuid.clone()]);
        }
    }
    for lost in &found.lost {
        let name = format!("{} does not answer: {}", lost.name.as_deref().unwrap_or("GPU"), lost.reason);
        let none = String::new;
        let uuid = lost.uuid.clone().unwrap_or_default();
        table.push(vec![lost.index.to_string(), name, none(), none(), none(), none(), uuid]);
    }
    table
}

fn memory(memory: Option<&Memory>) -> [String; 2] {
    let Some(memory) = memory else { return ["-".to_owned(), "-".to_owned()] };
    let shared = if memory.unified { " shared" } else { "" };
    [format!("{}{shared}", output::bytes(memory.total_bytes)), output::bytes(memory.free_bytes)]
}

fn links(gpu: &Gpu) -> String {
    let peers: Vec<_> = gpu.nvlink_peers.iter().map(ToString::to_string).collect();
    let links = match (peers.is_empty(), gpu.nvswitch) {
        (true, _) => None,
        (false, true) => Some("NVSwitch".to_owned()),
        (false, false) => Some(format!("NVLink {}", peers.join(","))),
    };
    let node = gpu.numa_node.map(|node| format!("NUMA {node}"));
    let all: Vec<_> = links.into_iter().chain(node).collect();
    if all.is_empty() { "-".to_owned() } else { all.join(" ") }
}

fn engines(replicas: &[Replica]) -> String {
    let all = replicas.iter().map(|replica| {
        let Replica { model, state, gpu_memory_utilization } = replica;
        format!("{model} {gpu_memory_utilization} ({state})")
    });
    let all: Vec<_> = all.collect();
    if all.is_empty() { "-".to_owned() } else { all.join(", ") }
}
