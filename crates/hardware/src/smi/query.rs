use super::Error;
use crate::text::plain;
use crate::{Gpu, GpuProcess, Memory, Mig};

/// Asks for what there is to know of GPUs, one line each.
pub(super) const GPUS: &[&str] = &[
    "--query-gpu=index,uuid,name,memory.total,memory.used,memory.free,pci.bus_id,mig.mode.current,driver_version",
    "--format=csv,noheader,nounits",
];
/// Asks for the programs that compute.
pub(super) const PROCESSES: &[&str] =
    &["--query-compute-apps=gpu_uuid,pid,used_memory", "--format=csv,noheader,nounits"];

/// GPUs that are read: more than any machine holds.
const MOST_GPUS: usize = 64;
/// Programs that are listed of one GPU.
const MOST_PROCESSES: usize = 256;
/// Fields of a line.
const FIELDS: usize = 9;

/// The GPUs, and the version of their driver.
pub(super) fn gpus(text: &str) -> Result<(Vec<Gpu>, Option<String>), Error> {
    let (mut gpus, mut driver) = (Vec::new(), None);
    for fields in rows(text) {
        let [index, uuid, name, total, used, free, pci, mig, version] =
            <[String; FIELDS]>::try_from(fields).map_err(|_| Error::Unreadable)?;
        if !uuid.starts_with("GPU-") || gpus.len() == MOST_GPUS {
            return Err(Error::Unreadable);
        }
        let memory = |total, used, free| Memory { total, used, free, unified: false };
        gpus.push(Gpu {
            index: index.parse().map_err(|_| Error::Unreadable)?,
            uuid,
            name,
            memory: mebibytes(&total).zip(mebibytes(&used)).zip(mebibytes(&free)).map(|((t, u), f)| memory(t, u, f)),
            pci: known(pci),
            numa_node: None,
            nvlink_peers: Vec::new(),
            nvswitch: false,
            mig: known(mig).map(|mode| Mig { enabled: mode == "Enabled", slices: Vec::new() }),
            processes: Vec::new(),
        });
        driver = driver.or_else(|| known(version));
    }
    Ok((gpus, driver))
}

/// Puts the programs where they compute.
pub(super) fn note_processes(gpus: &mut [Gpu], text: &str) {
    for fields in rows(text) {
        let [uuid, pid, memory] = &fields[..] else { continue };
        let (Some(gpu), Ok(pid)) = (gpus.iter_mut().find(|gpu| gpu.uuid == *uuid), pid.parse()) else { continue };
        if gpu.processes.len() < MOST_PROCESSES {
            gpu.processes.push(GpuProcess { pid, memory: mebibytes(memory) });
        }
    }
}

fn rows(text: &str) -> impl Iterator<Item = Vec<String>> {
    let reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    reader.into_records().map_while(Result::ok).map(|record| record.iter().map(plain).collect())
}

/// None for `[N/A]`, `[Not Supported]` and the like.
fn known(field: String) -> Option<String> {
    (!field.is_empty() && !field.starts_with('[')).then_some(field)
}

fn mebibytes(field: &str) -> Option<u64> {
    field.parse::<u64>().ok()?.checked_mul(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_gpus() {
        let text = "0, GPU-a, NVIDIA A100-SXM4-40GB, 40960, 5, 40442, 00000000:01:00.0, Enabled, 570.86.15\n\
                    1, GPU-b, NVIDIA GB10, [N/A], [N/A], [N/A], 00000000:02:00.0, [N/A], 570.86.15\n";
        let (mut gpus, driver) = gpus(text).unwrap();
        assert_eq!(driver.as_deref(), Some("570.86.15"));
        assert_eq!(gpus[0].memory.unwrap().total, 40_960 << 20);
        assert!(gpus[0].is_sliced() && gpus[1].mig.is_none() && gpus[1].memory.is_none());
        note_processes(&mut gpus, "GPU-a, 71, 2048\nGPU-b, 72, [N/A]\nGPU-x, 73, 1\nnonsense\n");
        assert_eq!(gpus[0].processes, [GpuProcess { pid: 71, memory: Some(2 << 30) }]);
        assert_eq!(gpus[1].processes, [GpuProcess { pid: 72, memory: None }]);
    }

    #[test]
    fn hostile_output_is_refused_and_never_a_panic() {
        assert_eq!(gpus("").unwrap().0, []);
        let line = |index: usize| format!("{index}, GPU-{index}, X, 1, 1, 1, p, Disabled, 1");
        let endless = (0..=MOST_GPUS).map(line).collect::<Vec<_>>().join("\n");
        for text in [
            "No devices were found",
            "0, GPU-a",
            "x, GPU-a, X, 1, 1, 1, p, Disabled, 1",
            "0, nothing, X, 1, 1, 1, p, Disabled, 1",
            "\"0, GPU-a",
            &endless,
        ] {
            assert!(gpus(text).is_err(), "{text}");
        }
        let huge = gpus("0, GPU-a, X, 18446744073709551615, 1, 1, p, Disabled, 1").unwrap().0;
        assert_eq!(huge[0].memory, None);
    }
}
